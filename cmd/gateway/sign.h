// gateway sign: puts a maintainer's signature into an image (PCR8), with a key at hand or with one elsewhere.
#pragma once

#include <string>

#include "terminal.h"

namespace gateway::cli {

// gateway sign IMAGE.eif --certificate FILE (--key FILE | --signature FILE) -o,--output SIGNED.eif [--json]
// gateway sign IMAGE.eif --to-be-signed FILE [--json]
struct SignOptions {
  std::string image;
  std::string certificate;
  std::string key;           // at hand
  std::string signature;     // made elsewhere over what --to-be-signed wrote; DER, or r ‖ s
  std::string to_be_signed;  // where to write what is signed elsewhere
  std::string output;
  Output format = Output::kText;
};

// JSON: {"image","pcrs":{"0","1","2","8"},"signature":{"subject","issuer","not_before","not_after",
//        "certificate_sha256"}}; for --to-be-signed {"file","sha384","pcrs":{"0","1","2"}}
int run_sign(const SignOptions& options);

}  // namespace gateway::cli
