// Release files: what a maintainer signs so that users need not build to know which measurements to accept. A release
// ties a source commit to the measurements of its image, and carries a version floor: the lowest version of this image
// that is still to be used, so that an old release with a known hole cannot be offered again.
//
// release = ["gateway/release/v1", name, [major, minor, patch], [floor major, minor, patch], source commit (20 or 32
//            bytes), [[platform, [[register, value] …]] …]], deterministic CBOR
// file    = [bstr(release), bstr(signature)], ECDSA by a P-256 key with SHA-256 or a P-384 key with SHA-384, raw r ‖ s
//
// Input:  untrusted files. Output: Release, only from a signature that holds.
// Bounds: kMaxReleaseSize, kMaxReleasePlatforms.
// Errors: kMalformed release.file; kLimitExceeded release.size; kNotAuthentic release.signature; kPolicyRejected
//         release.floor; kInvalidArgument release.version, release.contents, release.key
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/model/claims.h"
#include "crypto/keys.h"

namespace gateway::client {

inline constexpr std::size_t kMaxReleaseSize = 64UZ * 1024;
inline constexpr std::size_t kMaxReleasePlatforms = 16;

struct ReleaseVersion {
  std::array<std::uint32_t, 3> parts{};                        // compared from the left
  static Result<ReleaseVersion> parse(std::string_view text);  // "1.4.2"
  std::string to_string() const;
  friend auto operator<=>(const ReleaseVersion&, const ReleaseVersion&) = default;
};

struct ReleaseMeasurements {
  attestation::Platform platform{};
  std::map<unsigned, Bytes> registers;
};

struct Release {
  std::string name;  // [a-z0-9._-]{1,64}
  ReleaseVersion version;
  ReleaseVersion floor;
  Bytes source_commit;
  std::vector<ReleaseMeasurements> measurements;
};

Result<Bytes> sign_release(const Release& release, const crypto::PrivateKey& key);

// The signature holds and the version is not under `floor`: the highest floor that the caller knows of, from a newer
// release of this image or from its own records. The release's own floor always counts.
Result<Release> open_release(ByteView file, const crypto::PublicKey& key, std::optional<ReleaseVersion> floor);

// For people to look at: the signature is not checked, and nothing may be concluded from it.
struct UnverifiedRelease {
  Release contents;
};
Result<UnverifiedRelease> parse_release(ByteView file);

}  // namespace gateway::client
