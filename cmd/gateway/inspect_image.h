// gateway inspect IMAGE.eif: structure, checksum, sections and measurements of any enclave image, ours or AWS's.
#pragma once

#include <cstdint>
#include <string>

#include "terminal.h"

namespace gateway::cli {

// gateway inspect IMAGE.eif [--snp --ovmf FILE --vcpus N --vcpu-type T [--vmm-type V] [--guest-features BITS]] [--json]
// (inspect NAME, without a slash and without such a file, is an enclave: another command)
struct InspectImageOptions {
  std::string image;
  bool snp = false;  // --snp: also the launch digest; what it depends on has no defaults
  std::string ovmf;
  unsigned vcpus = 0;
  std::string vcpu_type;
  std::string vmm_type = "qemu";
  std::uint64_t guest_features = 1;
  Output format = Output::kText;
};

// JSON: {"pcrs":{"0","1","2"[,"8"]},"sections":[{"type","size","offset"}],"metadata":object|null,"crc":"ok",
//        "signature":null|{"subject","issuer","not_before","not_after","certificate_sha256"},
//        "snp":null|{"launch_digest","firmware_digest","vcpus","vcpu_type","vmm_type","guest_features",
//        "kernel_hashes":{"kernel","initrd","cmdline"}},
//        "local_only","architecture","default_memory","default_cpus","cmdline","size"}
int run_inspect_image(const InspectImageOptions& options);

}  // namespace gateway::cli
