// gateway config: what a deployment hands to an enclave beside its image (channel/deployment.h). It may only narrow
// what the image allows; its digest is part of the evidence, and policies name it.
//
//   gateway config new [--access-key FILE | --access-key-out FILE] [-o FILE]
//   gateway config check FILE [--signature FILE]
//   gateway config digest FILE
//   gateway config sign FILE --key KEY [-o FILE.sig]
//
// `sign` lets the holder of the access key vouch for a configuration on its way to users; `check --signature` verifies
// that with the key which the configuration itself names. Enclaves need no signature: policies pin the digest.
// All take --json.
#pragma once

#include <cstdint>
#include <string>

namespace gateway::cli {

enum class ConfigAction : std::uint8_t { kNew, kCheck, kDigest, kSign };

struct ConfigOptions {
  ConfigAction action{};
  std::string file;            // FILE
  std::string access_key;      // --access-key FILE: an existing key, private or public
  std::string access_key_out;  // --access-key-out FILE: a new private key is written here, mode 0600
  std::string output;          // -o FILE; config new: standard output when empty; config sign: FILE.sig
  std::string signature;       // --signature FILE
  std::string key;             // --key KEY
  bool json = false;           // --json
};

// JSON: new: {"config_file","access_key_file","digest"}; check: {"digest","signed":true|false}; digest: {"digest"};
//       sign: {"digest","signature_file"}
int run_config(const ConfigOptions& options);

}  // namespace gateway::cli
