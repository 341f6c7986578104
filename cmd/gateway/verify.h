// gateway verify: evidence in a file or from a live endpoint, authenticated and appraised (docs/cli.md, "verify").
//
//   gateway verify EVIDENCE (--policy FILE | --authenticate-only)
//       [--platform auto|nitro|local|snp|tdx|sgx] [--collateral PATH]… [--at RFC3339]
//       [--nonce HEX] [--report-data HEX] [--root FILE]… [--json | --ear --ear-key FILE]
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attestation/verify.h"
#include "base/clock.h"
#include "crypto/keys.h"

namespace gateway::cli {

struct VerifyOptions {
  std::string evidence;                    // EVIDENCE, required: a file, "-", an enclave's name or HOST:PORT
  std::optional<std::string> policy;       // --policy FILE
  bool authenticate_only = false;          // --authenticate-only
  std::string platform = "auto";           // --platform
  std::vector<std::string> collateral;     // --collateral PATH, repeatable
  std::optional<std::string> at;           // --at RFC3339
  std::optional<std::string> nonce;        // --nonce HEX
  std::optional<std::string> report_data;  // --report-data HEX
  std::optional<std::string> event_log;    // --event-log FILE
  std::vector<std::string> roots;          // --root FILE, repeatable
  bool json = false;                       // --json
  bool ear = false;                        // --ear
  std::optional<std::string> ear_key;      // --ear-key FILE
};

// Files and "-" here; everything else goes to run_verify_live. Returns the exit status.
int run_verify(const VerifyOptions& options);

// verify_live.cc: the same checks against an enclave's name or HOST:PORT.
int run_verify_live(const VerifyOptions& options);

// What the options say, read and checked: shared by both.
struct VerifyRequest {
  std::optional<attestation::Policy> policy;
  std::optional<Bytes> policy_digest;  // SHA-256 of the policy file's bytes, for --ear
  std::optional<attestation::Platform> platform;
  std::vector<crypto::Certificate> roots;
  attestation::Collateral collateral;
  std::optional<Bytes> nonce;
  std::optional<Bytes> report_data;
  std::optional<crypto::PrivateKey> ear_key;
  Time at;   // the evidence is judged as of this time
  Time now;  // of this run, for tokens that it issues

  // Views into this request, which must outlive them.
  attestation::VerifyInputs inputs() const;
  const attestation::Policy* policy_or_null() const { return policy ? &*policy : nullptr; }
};
Result<VerifyRequest> read_verify_request(const VerifyOptions& options, const Clock& clock);

// Prints a verification as the options ask (JSON, EAR or lines for people) and returns the exit status.
int print_verification(const VerifyOptions& options, const VerifyRequest& request,
                       const attestation::Verification& verification);
// For what stops a run before there is a verdict: a usage error is said on standard error alone; what is missing or
// unreachable is also a JSON verdict of `authentic: null`, so that --json prints one object whatever happened.
Error no_such_evidence(const std::string& name);  // kNotFound
int report_verify_error(const VerifyOptions& options, const Error& error);

}  // namespace gateway::cli
