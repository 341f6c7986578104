// gateway release: signed statements that tie a source commit to the measurements of an image (client/release.h), so
// that users need not build to know what to accept.
//
//   gateway release sign IMAGE.eif --key KEY --name NAME --version V --commit HEX -o FILE [--floor V]
//       [--platform nitro|local]…
//   gateway release verify FILE --key PUBLIC [--floor V] [--newest FILE] [--config sha384:HEX] [--root sha256:HEX]
//       [--platform nitro|local]
//   gateway release show FILE
//
// `verify` refuses releases under the floor: the one given, or that of --newest, another release of the same image.
// What it prints is a policy. All take --json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace gateway::cli {

enum class ReleaseAction : std::uint8_t { kSign, kVerify, kShow };

struct ReleaseOptions {
  ReleaseAction action{};
  std::string file;                    // IMAGE.eif, or FILE
  std::string key;                     // --key
  std::string name;                    // --name
  std::string version;                 // --version
  std::string floor;                   // --floor; sign: the version itself when empty
  std::string newest;                  // --newest FILE
  std::string commit;                  // --commit
  std::vector<std::string> platforms;  // --platform, repeatable; sign: nitro and local when none
  std::string config;                  // --config sha384:…
  std::string root;                    // --root sha256:…
  std::string output;                  // -o
  bool json = false;                   // --json
};

// JSON: {"name","version","floor","source_commit","measurements":{"nitro":{"0":…}},"verified":bool[,"policy"|"file"]}
int run_release(const ReleaseOptions& options);

// gateway policy image: a policy that accepts what an image in hand measures to. Nobody's word is taken for it.
int run_policy_image(const ReleaseOptions& options);

// A policy in TOML that accepts what a verified release names; entries for local only where a root is given.
Result<std::string> policy_of_release(const ReleaseOptions& options);

}  // namespace gateway::cli
