// gateway inspect IMAGE.eif: structure, checksum, sections and measurements of any enclave image, ours or AWS's.
#pragma once

#include <string>

#include "terminal.h"

namespace gateway::cli {

// gateway inspect IMAGE.eif [--snp --ovmf FILE --vcpus N --vcpu-type T] [--json]
// (inspect NAME, without a slash and without such a file, is an enclave: another command)
struct InspectImageOptions {
  std::string image;
  bool snp = false;  // --snp; the launch digest is refused: image.snp_unsupported, exit 2
  std::string ovmf;
  int vcpus = 0;
  std::string vcpu_type;
  Output format = Output::kText;
};

// JSON: {"pcrs":{"0","1","2"[,"8"]},"sections":[{"type","size","offset"}],"metadata":object|null,"crc":"ok",
//        "signature":null|{"subject","issuer","not_before","not_after","certificate_sha256"},"snp":null,"local_only",
//        "architecture","default_memory","default_cpus","cmdline","size"}
int run_inspect_image(const InspectImageOptions& options);

}  // namespace gateway::cli
