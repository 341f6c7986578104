// gateway doctor: what this host can do, and what to type where it cannot.
//
//   gateway doctor [--json]
#pragma once

namespace gateway::cli {

struct DoctorOptions {
  bool json = false;  // --json
};

// JSON: {"ok":bool,"checks":[{"id","state":"ok"|"note"|"missing","found","remedy"}]}. Exit 1 when something that
// platform local needs is missing; notes tell what is weaker or absent without stopping it.
int run_doctor(const DoctorOptions& options);

}  // namespace gateway::cli
