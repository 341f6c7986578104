#include "attestation/appraisal/entry_appraisal.h"

namespace gateway::attestation {
namespace {

std::string debug_words(Platform platform) {
  switch (platform) {
    case Platform::kNitro:
    case Platform::kLocal: return "debug mode: PCR0–2 are zero, the host can read the enclave";
    case Platform::kSnp: return "debug: the host can decrypt the guest's memory";
    case Platform::kTdx: return "debug: the host can read the TD's memory and registers";
    case Platform::kSgx: return "debug: the host can read and write the enclave's memory";
  }
  return "debug mode";
}

}  // namespace

bool EntryAppraisal::require(bool holds, ErrorId id, std::string expected, std::string actual, std::string remedy) {
  auto status =
      checks_.require(holds, ErrorCode::kPolicyRejected, id, std::move(expected), std::move(actual), std::move(remedy));
  ++(holds ? held_ : refused_);
  if (!status && (!reason_ || reason_->code() == ErrorCode::kUnavailable)) reason_ = std::move(status).error();
  return holds;
}

void EntryAppraisal::warn(ErrorId id, std::string expected, std::string actual, std::string remedy) {
  checks_.warned(id, std::move(expected), std::move(actual), std::move(remedy));
  ++held_;
  warned_ = true;
}

void EntryAppraisal::undecide(ErrorId id, std::string expected, std::string actual, std::string remedy) {
  auto error = checks_.undecided(id, std::move(expected), std::move(actual), std::move(remedy));
  ++undecided_;
  if (!reason_) reason_ = std::move(error).error();
}

// Another platform's entry has nothing to compare: its other checks do not run, and it is never the nearest.
void EntryAppraisal::run() {
  if (!check_platform()) return;
  switch (entry_.platform) {
    case Platform::kNitro:
    case Platform::kLocal: appraise_nitro(*this); break;
    case Platform::kSnp: appraise_snp(*this); break;
    case Platform::kTdx: appraise_tdx(*this); break;
    case Platform::kSgx: appraise_sgx(*this); break;
  }
  check_config();
  check_report_data();
}

bool EntryAppraisal::check_platform() {
  return require(claims_.platform() == entry_.platform, "policy.platform",
                 std::string(to_string(entry_.platform)) + " (" + name_ + ")",
                 std::string(to_string(claims_.platform())),
                 "this evidence is of another platform than the policy accepts; ask the operator which is meant");
}

void EntryAppraisal::check_debug() {
  if (claims_.debug() && entry_.insecure_allow_debug) {
    return warn("policy.debug", "debug mode allowed by the policy", debug_words(claims_.platform()),
                "use this for tests alone; nothing in it is private");
  }
  require(!claims_.debug(), "policy.debug", "no debug mode",
          claims_.debug() ? debug_words(claims_.platform()) : "no debug mode",
          "start the enclave without debug mode; nothing in it is private now");
}

void EntryAppraisal::check_config() {
  // Spec: docs/trust.md, configuration and callers: the host hands it over, and policies name it.
  if (!entry_.config && context_.config_digest) {
    return warn("policy.config_unnamed", "a configuration that the policy names",
                "sha384:" + to_hex(*context_.config_digest) + ", which the policy leaves to the host",
                "write config = \"sha384:…\" into the policy: with a configuration of its own choosing the host admits "
                "callers of its own, who may read what the workload prints");
  }
  if (!entry_.config) return;
  const std::string expected = "sha384:" + to_hex(*entry_.config);
  if (!context_.config_digest) {
    return undecide("policy.config_unknown", expected, "evidence alone, without its keys statement",
                    "check the live endpoint (gateway verify HOST:PORT), which states its configuration");
  }
  require(*context_.config_digest == *entry_.config, "policy.config", expected,
          "sha384:" + to_hex(*context_.config_digest),
          "the enclave was given another configuration than the policy names; ask the operator for the change");
}

void EntryAppraisal::check_report_data() {
  if (!entry_.report_data) return;
  const auto found = claims_.report_data();
  require(found && equal(*found, *entry_.report_data), "policy.report_data", to_hex(*entry_.report_data),
          found ? to_hex(*found) : std::string("absent"),
          "this evidence vouches for other keys or data than the policy names");
}

// What was never held against a list might have been revoked: undecided, whatever the reason for it.
void EntryAppraisal::check_revocation() {
  if (claims_.revocation() == Revocation::kChecked) {
    require(true, "policy.revocation", "no certificate on its vendor's revocation lists", "all were checked", "");
    return;
  }
  undecide("policy.revocation_unknown", "every certificate held against its vendor's revocation list",
           "a chain that no list given covers at this time",
           "give the vendor's CRLs with --collateral (AMD: kdsintf.amd.com/…/crl; Intel: pckcrl and the root's CRL)");
}

}  // namespace gateway::attestation
