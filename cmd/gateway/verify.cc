#include "verify.h"

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "attestation/ear.h"
#include "attestation/formats/verify_file.h"
#include "attestation/tdx/ccel.h"
#include "attestation/verification_json.h"
#include "claims_text.h"
#include "host/reported.h"
#include "terminal.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxKeyFile = 64UZ * 1024;
constexpr std::size_t kMaxExpectedBytes = 1024;  // the largest field that evidence of any platform compares
constexpr const char* kDeveloper = "Gateway";
constexpr const char* kBuild = "gateway " GATEWAY_VERSION;

std::unexpected<Error> usage(ErrorId id, std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, id, std::move(detail), std::move(remedy));
}

Status check_usage(const VerifyOptions& options) {
  if (!options.policy && !options.authenticate_only) {
    return usage(
        "verify.usage", "--authenticate-only or --policy is required",
        "give --policy FILE to have the evidence appraised, or --authenticate-only to see whether it is genuine");
  }
  if (options.policy && options.authenticate_only) {
    return usage("verify.usage", "--authenticate-only and --policy exclude each other", "leave one of them out");
  }
  if (options.json && options.ear)
    return usage("verify.usage", "--json and --ear exclude each other", "leave one of them out");
  if (options.ear != options.ear_key.has_value()) {
    return usage("verify.usage", "--ear and --ear-key go together", "give --ear --ear-key FILE");
  }
  return {};
}

Result<std::optional<Bytes>> read_hex(const std::optional<std::string>& text, const char* flag) {
  if (!text) return std::nullopt;
  auto bytes = from_hex(*text);
  if (!bytes || bytes->size() > kMaxExpectedBytes) {
    return usage("verify.usage",
                 std::string(flag) + " is not hexadecimal of at most " + std::to_string(kMaxExpectedBytes) + " bytes",
                 "give pairs of hexadecimal digits without separators");
  }
  return bytes;
}

Status read_policy(const std::string& path, VerifyRequest& request) {
  GATEWAY_ASSIGN(const Bytes content, read_file(path, attestation::kMaxPolicySize));
  auto policy = attestation::Policy::parse(as_text(content), path);
  if (!policy) {
    // Whatever is wrong with a policy is the operator's to mend, never a verdict on the evidence.
    const Error& cause = policy.error();
    return std::unexpected(Error(ErrorCode::kInvalidArgument, cause.error_id(), cause.detail(), cause.remedy()));
  }
  if (policy->accept.empty()) say("gateway: " + path + " has no [[accept]] entry: it accepts nothing");
  request.policy = std::move(*policy);
  request.policy_digest = to_bytes(ByteView(crypto::sha256(content)));
  return {};
}

Status read_ear_key(const std::string& path, VerifyRequest& request) {
  GATEWAY_ASSIGN(Bytes content, read_file(path, kMaxKeyFile));
  auto key = crypto::PrivateKey::from_pem(Secret::take(std::move(content)));
  if (!key) {
    return usage("verify.ear_key", path + " is not an unencrypted P-256 or P-384 private key in PEM",
                 "make one: openssl ecparam -name prime256v1 -genkey -noout -out ear.pem");
  }
  request.ear_key = std::move(*key);
  return {};
}

bool is_file(const std::string& name) {
  std::error_code ignored;
  const auto status = std::filesystem::status(name, ignored);
  return name == "-" || name.find('/') != std::string::npos ||
         (std::filesystem::exists(status) && !std::filesystem::is_directory(status));
}

std::string mark_of(attestation::Outcome outcome) {
  switch (outcome) {
    case attestation::Outcome::kOk: return "  ok         ";
    case attestation::Outcome::kWarned: return "  WARNING    ";
    case attestation::Outcome::kRefused: return "  REFUSED    ";
    case attestation::Outcome::kUndecided: return "  UNDECIDED  ";
  }
  return "  ?          ";
}

// One line a check, read from the top: what held, then what did not, with what to do.
void print_checks(const std::vector<attestation::Check>& checks) {
  std::size_t width = 0;
  for (const attestation::Check& check : checks) width = std::max(width, check.id.size());
  for (const attestation::Check& check : checks) {
    const std::string id = std::string(check.id) + std::string(width - check.id.size() + 2, ' ');
    if (check.outcome == attestation::Outcome::kOk) {
      print_line(mark_of(check.outcome) + id + check.actual);
      continue;
    }
    print_line(mark_of(check.outcome) + id);
    print_line("               expected    " + check.expected);
    print_line("               found       " + check.actual);
    print_line("               what to do  " + check.remedy);
  }
}

int status_of(const attestation::Verification& verification) {
  if (verification.reason) return exit_status(verification.reason->code());
  return verification.authentic == true ? kDone : kUndecided;
}

std::string summary_of(const attestation::Verification& verification) {
  if (verification.reason) {
    const bool undecided = exit_status(verification.reason->code()) == kUndecided;
    return (undecided ? "undecided: " : "refused: ") + std::string(verification.reason->id());
  }
  if (!verification.result) return "authentic (not appraised: no policy was given)";
  if (verification.appraisal != attestation::AppraisalStatus::kWarning) return "accepted: affirming";
  return "accepted with a WARNING: see the lines above; valid until " +
         to_rfc3339(verification.result->validity().not_after);
}

int print_ear(const VerifyRequest& request, const attestation::Verification& verification) {
  attestation::EarContext context{.issued_at = request.now, .developer = kDeveloper, .build = kBuild, .policy_id = {}};
  if (request.policy_digest) context.policy_id = "sha256:" + to_hex(*request.policy_digest);
  const auto token = attestation::sign_ear(verification, context, *request.ear_key);
  if (!token) return report(token.error());
  print_line(*token);
  return status_of(verification);
}

}  // namespace

attestation::VerifyInputs VerifyRequest::inputs() const {
  attestation::VerifyInputs inputs{.at = at,
                                   .platform = platform,
                                   .nitro = {},
                                   .collateral = &collateral,
                                   .expected_nonce = {},
                                   .expected_report_data = {},
                                   .config_digest = {},
                                   .caches = nullptr};
  inputs.nitro.local_roots = roots;
  if (nonce) inputs.expected_nonce = *nonce;
  if (report_data) inputs.expected_report_data = *report_data;
  return inputs;
}

Result<VerifyRequest> read_verify_request(const VerifyOptions& options, const Clock& clock) {
  GATEWAY_TRY(check_usage(options));
  VerifyRequest request;
  if (options.platform != "auto") {
    request.platform = attestation::platform_from(options.platform);
    if (!request.platform) {
      return usage("verify.usage", "--platform is none of auto, nitro, local, snp, tdx, sgx",
                   "leave it out, or name one of them");
    }
  }
  request.now = clock.now();
  request.at = request.now;
  if (options.at) {
    const auto at = from_rfc3339(*options.at);
    if (!at) return usage("verify.usage", "--at is not a time of RFC 3339", "write it as 2026-01-31T12:00:00Z");
    request.at = *at;
  }
  GATEWAY_ASSIGN(request.nonce, read_hex(options.nonce, "--nonce"));
  GATEWAY_ASSIGN(request.report_data, read_hex(options.report_data, "--report-data"));
  for (const std::string& path : options.roots) {
    GATEWAY_ASSIGN(auto certificates, read_certificates(path));
    for (auto& certificate : certificates) request.roots.push_back(std::move(certificate));
  }
  GATEWAY_ASSIGN(const auto files, read_collateral(options.collateral));
  request.collateral = attestation::Collateral::recognise(files);
  if (options.policy) GATEWAY_TRY(read_policy(*options.policy, request));
  if (options.ear_key) GATEWAY_TRY(read_ear_key(*options.ear_key, request));
  return request;
}

int print_verification(const VerifyOptions& options, const VerifyRequest& request,
                       const attestation::Verification& verification) {
  if (options.ear) {
    if (verification.reason) report(*verification.reason);
    return print_ear(request, verification);
  }
  if (options.json) {
    print_json(attestation::verification_json(verification));
    if (verification.reason) report(*verification.reason);
    return status_of(verification);
  }
  print_checks(verification.checks);
  print_line("");
  if (verification.claims) print_claims(*verification.claims);
  print_line(summary_of(verification));
  return status_of(verification);
}

Error no_such_evidence(const std::string& name) {
  return Error(ErrorCode::kNotFound, "verify.no_such_evidence",
               "there is no file " + host::printable(name) + " here, and no enclave of this host is called that",
               "name a file of evidence; a live enclave by HOST:PORT or by its name on this host, with --policy FILE");
}

int report_verify_error(const VerifyOptions& options, const Error& error) {
  if (options.json && exit_status(error.code()) == kUndecided) {
    attestation::Verification verification;
    verification.reason = error;
    print_json(attestation::verification_json(verification));
  }
  return report(error);
}

namespace {

// Holds a TD's event log against the registers of its quote; a log that does not replay to them is refused.
Status hold_event_log(const std::string& path, attestation::Verification& verification) {
  GATEWAY_ASSIGN(const Bytes content, read_file(path, attestation::tdx::kMaxCcelSize));
  if (!verification.claims) return {};
  if (verification.claims->platform() != attestation::Platform::kTdx) {
    return usage("verify.usage", "--event-log belongs to a TDX quote", "leave it out");
  }
  attestation::CheckList checks;
  const Status held = [&]() -> Status {
    const auto log = attestation::tdx::parse_ccel(content);
    if (!log) {
      return checks.refused(log.error().code(), log.error().error_id(), "a CCEL event log", log.error().detail(),
                            "give the contents of the log area as the guest reads them");
    }
    return attestation::tdx::check_event_log(*log, verification.claims->tdx(), checks);
  }();
  for (const attestation::Check& line : checks.lines()) verification.checks.push_back(line);
  if (held || verification.reason) return {};
  verification.reason = held.error();
  if (verification.result) verification.appraisal = attestation::AppraisalStatus::kContraindicated;
  verification.result.reset();
  return {};
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  if (auto status = check_usage(options); !status) return report(status.error());
  if (!is_file(options.evidence)) {
    if (options.authenticate_only && options.evidence.find(':') == std::string::npos) {
      return report_verify_error(options, no_such_evidence(options.evidence));
    }
    return run_verify_live(options);
  }
  const SystemClock clock;
  const auto request = read_verify_request(options, clock);
  if (!request) return report_verify_error(options, request.error());
  const auto evidence = read_file(options.evidence, attestation::formats::kMaxFileSize);
  if (!evidence) return report_verify_error(options, evidence.error());
  auto verification = attestation::formats::verify_file(*evidence, request->policy_or_null(), request->inputs());
  if (options.event_log) {
    if (const Status held = hold_event_log(*options.event_log, verification); !held) {
      return report_verify_error(options, held.error());
    }
  }
  return print_verification(options, *request, verification);
}

}  // namespace gateway::cli
