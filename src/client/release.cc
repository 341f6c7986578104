#include "client/release.h"

#include <algorithm>
#include <charconv>

#include "codec/cbor.h"

namespace gateway::client {
namespace {

constexpr std::string_view kLabel = "gateway/release/v1";
constexpr codec::CborLimits kFileLimits{.bytes = kMaxReleaseSize, .depth = 1, .items = 4};
constexpr codec::CborLimits kReleaseLimits{.bytes = kMaxReleaseSize, .depth = 6, .items = 4096};
constexpr std::size_t kMaxRegisters = 64;

std::unexpected<Error> malformed(std::string detail) {
  return fail(ErrorCode::kMalformed, "release.file", std::move(detail), "fetch the release file again");
}

template <class T>
Result<T> expect(Result<T> result, const char* what) {
  if (!result) return malformed(what);
  return result;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

// What a release may say, whoever wrote it.
Status check(const Release& release) {
  const auto bad = [](std::string detail) {
    return fail(ErrorCode::kInvalidArgument, "release.contents", std::move(detail));
  };
  if (!is_name(release.name)) return bad("a release's name is 1 to 64 characters of a-z, 0-9, '.', '_' and '-'");
  if (release.source_commit.size() != 20 && release.source_commit.size() != 32) {
    return bad("a source commit is 20 or 32 bytes");
  }
  if (release.version < release.floor) return bad("the floor is above the release's own version");
  if (release.measurements.empty() || release.measurements.size() > kMaxReleasePlatforms) {
    return bad("a release names the measurements of 1 to " + std::to_string(kMaxReleasePlatforms) + " platforms");
  }
  for (const auto& platform : release.measurements) {
    if (platform.registers.empty() || platform.registers.size() > kMaxRegisters) {
      return bad("a platform has 1 to " + std::to_string(kMaxRegisters) + " registers");
    }
    for (const auto& [index, value] : platform.registers) {
      if (index > 1023 || value.size() < 32 || value.size() > 64) return bad("a register's value is 32 to 64 bytes");
    }
  }
  return {};
}

void put_version(codec::CborWriter& writer, const ReleaseVersion& version) {
  writer.array(version.parts.size());
  for (const std::uint32_t part : version.parts) writer.unsigned_integer(part);
}

Bytes encode(const Release& release) {
  codec::CborWriter writer;
  writer.array(6).text(kLabel).text(release.name);
  put_version(writer, release.version);
  put_version(writer, release.floor);
  writer.bytes(release.source_commit).array(release.measurements.size());
  for (const auto& platform : release.measurements) {
    writer.array(2).text(attestation::to_string(platform.platform)).array(platform.registers.size());
    for (const auto& [index, value] : platform.registers) writer.array(2).unsigned_integer(index).bytes(value);
  }
  return std::move(writer).take();
}

Result<ReleaseVersion> read_version(codec::CborReader& reader) {
  ReleaseVersion version;
  if (!reader.array_of(version.parts.size())) return malformed("a version is not an array of three");
  for (std::uint32_t& part : version.parts) {
    GATEWAY_ASSIGN(const std::uint64_t value, expect(reader.unsigned_integer(), "a version's part is not a number"));
    if (value > UINT32_MAX) return malformed("a version's part is too large");
    part = static_cast<std::uint32_t>(value);
  }
  if (!reader.end()) return malformed("a version has more than three parts");
  return version;
}

Result<ReleaseMeasurements> read_platform(codec::CborReader& reader) {
  ReleaseMeasurements out;
  if (!reader.array_of(2)) return malformed("a platform is not an array of two");
  GATEWAY_ASSIGN(const std::string_view name, expect(reader.text(), "a platform's name is not text"));
  const auto platform = attestation::platform_from(name);
  if (!platform) return malformed("the release names a platform that this version does not know");
  out.platform = *platform;
  GATEWAY_ASSIGN(const auto count, expect(reader.array(), "a platform's registers are not an array"));
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    if (!reader.array_of(2)) return malformed("a register is not an array of two");
    GATEWAY_ASSIGN(const std::uint64_t index, expect(reader.unsigned_integer(), "a register's index is not a number"));
    GATEWAY_ASSIGN(const ByteView value, expect(reader.bytes(), "a register's value is not bytes"));
    if (index > 1023 || !reader.end()) return malformed("a register has an index or a field too many");
    if (!out.registers.emplace(static_cast<unsigned>(index), to_bytes(value)).second) {
      return malformed("a register is listed twice");
    }
  }
  if (!reader.end() || !reader.end()) return malformed("a platform has a field too many");
  return out;
}

Result<Release> decode(ByteView bytes) {
  auto opened = codec::CborReader::open(bytes, kReleaseLimits, codec::CborProfile::kDeterministic);
  if (!opened) return malformed("the release is not deterministic CBOR within its limits");
  codec::CborReader& reader = *opened;
  if (!reader.array_of(6)) return malformed("the release is not an array of six");
  GATEWAY_ASSIGN(const std::string_view label, expect(reader.text(), "the label is not text"));
  if (label != kLabel) return malformed("the label is not gateway/release/v1");
  Release release;
  GATEWAY_ASSIGN(release.name, expect(reader.text(), "the name is not text"));
  GATEWAY_ASSIGN(release.version, read_version(reader));
  GATEWAY_ASSIGN(release.floor, read_version(reader));
  GATEWAY_ASSIGN(const ByteView commit, expect(reader.bytes(), "the source commit is not bytes"));
  release.source_commit = to_bytes(commit);
  GATEWAY_ASSIGN(const auto count, expect(reader.array(), "the measurements are not an array"));
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    GATEWAY_ASSIGN(ReleaseMeasurements platform, read_platform(reader));
    release.measurements.push_back(std::move(platform));
  }
  if (!reader.end() || !reader.end()) return malformed("the release has fields that this version does not know");
  if (const Status sound = check(release); !sound) return malformed(sound.error().detail());
  return release;
}

struct SignedFile {  // views into the file
  ByteView release;
  ByteView signature;
};

Result<SignedFile> open_file(ByteView file) {
  if (file.size() > kMaxReleaseSize) {
    return fail(ErrorCode::kLimitExceeded, "release.size",
                "expected at most " + std::to_string(kMaxReleaseSize) + " bytes, found " + std::to_string(file.size()));
  }
  auto opened = codec::CborReader::open(file, kFileLimits, codec::CborProfile::kDeterministic);
  if (!opened) return malformed("the file is not deterministic CBOR");
  if (!opened->array_of(2)) return malformed("the file is not an array of two");
  SignedFile out;
  GATEWAY_ASSIGN(out.release, expect(opened->bytes(), "the release is not bytes"));
  GATEWAY_ASSIGN(out.signature, expect(opened->bytes(), "the signature is not bytes"));
  if (!opened->end()) return malformed("the file has more than two fields");
  return out;
}

Result<crypto::HashAlgorithm> hash_for(crypto::KeyType type) {
  if (type == crypto::KeyType::kP256) return crypto::HashAlgorithm::kSha256;
  if (type == crypto::KeyType::kP384) return crypto::HashAlgorithm::kSha384;
  return fail(ErrorCode::kInvalidArgument, "release.key", "releases are signed with P-256 or P-384 keys",
              "make one with `openssl ecparam -name secp384r1 -genkey -noout`");
}

}  // namespace

Result<ReleaseVersion> ReleaseVersion::parse(std::string_view text) {
  ReleaseVersion version;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < version.parts.size(); ++i) {
    if (i > 0) {
      if (at == end || *at != '.') break;
      ++at;
    }
    const auto [next, error] = std::from_chars(at, end, version.parts[i]);
    if (error != std::errc() || next == at) break;
    at = next;
    if (i + 1 == version.parts.size() && at == end) return version;
  }
  return fail(ErrorCode::kInvalidArgument, "release.version", "expected a version of three numbers, such as 1.4.2");
}

std::string ReleaseVersion::to_string() const {
  return std::to_string(parts[0]) + "." + std::to_string(parts[1]) + "." + std::to_string(parts[2]);
}

Result<Bytes> sign_release(const Release& release, const crypto::PrivateKey& key) {
  GATEWAY_TRY(check(release));
  GATEWAY_ASSIGN(const crypto::HashAlgorithm hash, hash_for(key.type()));
  const Bytes encoded = encode(release);
  GATEWAY_ASSIGN(const Bytes signature, key.sign(hash, crypto::SignatureFormat::kRaw, encoded));
  codec::CborWriter file;
  file.array(2).bytes(encoded).bytes(signature);
  return std::move(file).take();
}

Result<Release> open_release(ByteView file, const crypto::PublicKey& key, std::optional<ReleaseVersion> floor) {
  GATEWAY_ASSIGN(const SignedFile parts, open_file(file));
  GATEWAY_ASSIGN(const crypto::HashAlgorithm hash, hash_for(key.type()));
  if (!key.verify(hash, crypto::SignatureFormat::kRaw, parts.release, parts.signature)) {
    return fail(ErrorCode::kNotAuthentic, "release.signature", "the release is not signed by this key",
                "get the maintainer's public key from a place that you trust, and the release file again");
  }
  GATEWAY_ASSIGN(Release release, decode(parts.release));
  if (floor && release.version < *floor) {
    return fail(ErrorCode::kPolicyRejected, "release.floor",
                "expected version " + floor->to_string() + " or later, found " + release.version.to_string(),
                "this release was withdrawn by a later one: use a newer release");
  }
  return release;
}

Result<UnverifiedRelease> parse_release(ByteView file) {
  GATEWAY_ASSIGN(const SignedFile parts, open_file(file));
  GATEWAY_ASSIGN(Release release, decode(parts.release));
  return UnverifiedRelease{std::move(release)};
}

}  // namespace gateway::client
