// The one entry for relying parties: evidence of any platform, authenticated and appraised, with every check listed.
// Pure: no I/O, no clock. The command line, libgateway and brokers all come through here.
#pragma once

#include <optional>
#include <string>

#include "attestation/appraisal/appraise.h"
#include "attestation/binding.h"
#include "attestation/nitro/authenticate.h"

namespace gateway::attestation {

struct VerifyInputs {
  Time at;
  std::optional<Platform> platform;            // absent: recognised from the bytes
  nitro::Anchors nitro;
  std::vector<Bytes> collateral;               // raw files; what does not apply is ignored
  std::optional<ByteView> expected_nonce;
  std::optional<ByteView> expected_report_data;
  std::optional<ByteArray<48>> config_digest;
  nitro::ChainCache* chain_cache = nullptr;
};

struct Verification {
  std::optional<Platform> platform;
  std::string format;                  // "nitro.document"
  std::optional<bool> authentic;       // nullopt: undecided
  std::optional<Claims> claims;        // when authentic
  std::optional<AttestationResult> result;
  AppraisalStatus appraisal = AppraisalStatus::kNone;
  std::optional<Error> reason;         // the first failed check
  std::vector<Check> checks;
};

// With a policy: authenticate, then appraise. Without: authenticity alone (cli.md --authenticate-only).
Verification verify(ByteView evidence, const Policy* policy, const VerifyInputs& inputs);

}  // namespace gateway::attestation
