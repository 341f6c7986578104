// Claims of SNP, TDX and SGX that no evidence stands behind, for tests and fuzzers of what comes after authentication:
// all good unless changed. Never linked into a program that is installed.
#pragma once

#include <functional>

#include "attestation/model/claims.h"
#include "attestation/testing/fake_vendor.h"

namespace gateway::attestation::testing {

// What authentication found beside the fields. Valid for a day on either side of kNow.
struct Found {
  bool debug = false;
  Revocation revocation = Revocation::kChecked;
  TcbStatement tcb{.status = "UpToDate",
                   .advisories = {},
                   .evaluation_number = 17,
                   .tcb_date = kNow - std::chrono::days(100),
                   .next_update = kNow + std::chrono::days(30),
                   .platform_status = "UpToDate",
                   .tdx_module_status = "UpToDate",
                   .qe_status = "UpToDate"};
};

SnpClaims snp_fields();  // Milan, VCEK, reported_tcb 4.0.22.213
TdxClaims tdx_fields();  // quote v4
SgxClaims sgx_fields();

Claims snp_claims(const std::function<void(SnpClaims&, Found&)>& change = {});
Claims tdx_claims(const std::function<void(TdxClaims&, Found&)>& change = {});
Claims sgx_claims(const std::function<void(SgxClaims&, Found&)>& change = {});

// The text of an [[accept]] entry that accepts the claims above, with more lines after it.
std::string snp_entry(const std::string& more = {});
std::string tdx_entry(const std::string& more = {});
std::string sgx_entry(const std::string& more = {});

}  // namespace gateway::attestation::testing
