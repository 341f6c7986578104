// The C face of the verifier. Nothing is judged here: a request in, attestation::verify()'s answer out.
//
// Errors: kInvalidArgument verify_abi.argument, verify_abi.struct_size, verify_abi.reserved, verify_abi.platform;
//         kInternal verify_abi.fault; those of Policy::parse() and verify()
#include "verify_abi/gateway_verify.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>

#include "attestation/formats/verify_file.h"
#include "attestation/verification_json.h"
#include "attestation/verify.h"
#include "codec/json.h"

namespace {

using namespace gateway;
using attestation::Platform;
using attestation::Verification;

constexpr std::size_t kMaxCollateralFiles = 1000;  // what is beyond is a mistake of the caller's

constexpr std::int64_t kLastTime = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

// The structures of the first version: what every caller has at least.
constexpr std::size_t kRequestV1 = sizeof(gateway_verify_request);
constexpr std::size_t kResultV1 = sizeof(gateway_verify_result);

std::unexpected<Error> usage(ErrorId id, std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, id, std::move(detail), std::move(remedy));
}

Result<std::optional<ByteView>> view_of(const gateway_verify_bytes& given) {
  if (given.data == nullptr && given.size != 0) {
    return usage("verify_abi.argument", "a size is given without its bytes", "set data and size together");
  }
  if (given.data == nullptr) return std::nullopt;
  return ByteView(static_cast<const std::uint8_t*>(given.data), given.size);
}

// A newer caller's fields must be zero where this library does not know them.
Status check_request_size(const gateway_verify_request& request) {
  if (request.struct_size < kRequestV1) {
    return usage("verify_abi.struct_size", "request.struct_size is smaller than the first version's structure",
                 "set it to sizeof(gateway_verify_request) before the call");
  }
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&request);
  if (std::any_of(bytes + kRequestV1, bytes + request.struct_size, [](std::uint8_t byte) { return byte != 0; })) {
    return usage("verify_abi.struct_size", "the request sets a field that this version of the library does not know",
                 "use the library that the header came with, or a newer one");
  }
  return {};
}

Result<std::optional<Platform>> platform_of(std::uint32_t number) {
  switch (number) {
    case GATEWAY_VERIFY_PLATFORM_NONE: return std::nullopt;
    case GATEWAY_VERIFY_PLATFORM_NITRO: return Platform::kNitro;
    case GATEWAY_VERIFY_PLATFORM_LOCAL: return Platform::kLocal;
    case GATEWAY_VERIFY_PLATFORM_SNP: return Platform::kSnp;
    case GATEWAY_VERIFY_PLATFORM_TDX: return Platform::kTdx;
    case GATEWAY_VERIFY_PLATFORM_SGX: return Platform::kSgx;
    default: break;
  }
  return usage("verify_abi.platform", "request.platform is not one of enum gateway_verify_platform",
               "leave it zero to have the platform recognised");
}

std::uint32_t number_of(Platform platform) {
  switch (platform) {
    case Platform::kNitro: return GATEWAY_VERIFY_PLATFORM_NITRO;
    case Platform::kLocal: return GATEWAY_VERIFY_PLATFORM_LOCAL;
    case Platform::kSnp: return GATEWAY_VERIFY_PLATFORM_SNP;
    case Platform::kTdx: return GATEWAY_VERIFY_PLATFORM_TDX;
    case Platform::kSgx: return GATEWAY_VERIFY_PLATFORM_SGX;
  }
  return GATEWAY_VERIFY_PLATFORM_NONE;
}

std::uint32_t number_of(attestation::AppraisalStatus status) {
  switch (status) {
    case attestation::AppraisalStatus::kNone: return GATEWAY_VERIFY_NONE;
    case attestation::AppraisalStatus::kAffirming: return GATEWAY_VERIFY_AFFIRMING;
    case attestation::AppraisalStatus::kWarning: return GATEWAY_VERIFY_WARNING;
    case attestation::AppraisalStatus::kContraindicated: return GATEWAY_VERIFY_CONTRAINDICATED;
  }
  return GATEWAY_VERIFY_CONTRAINDICATED;
}

std::uint32_t answer(std::optional<bool> known) {
  if (!known) return GATEWAY_VERIFY_UNKNOWN;
  return *known ? GATEWAY_VERIFY_YES : GATEWAY_VERIFY_NO;
}

Result<std::vector<Bytes>> collateral_of(const gateway_verify_request& request) {
  if ((request.collateral == nullptr && request.collateral_count != 0) ||
      request.collateral_count > kMaxCollateralFiles) {
    return usage("verify_abi.argument",
                 "request.collateral is not an array of at most " + std::to_string(kMaxCollateralFiles) + " files",
                 "set collateral and collateral_count together");
  }
  std::vector<Bytes> files;
  for (const gateway_verify_bytes& given : std::span(request.collateral, request.collateral_count)) {
    GATEWAY_ASSIGN(const auto file, view_of(given));
    if (file) files.push_back(to_bytes(*file));
  }
  return files;
}

Result<attestation::VerifyInputs> inputs_of(const gateway_verify_request& request,
                                            const attestation::Collateral& collateral) {
  if (request.reserved != 0) {
    return usage("verify_abi.reserved", "request.reserved is not zero",
                 "start from a structure of zeros: gateway_verify_request request = {0}");
  }
  if (request.at_ms < 0 || request.at_ms > kLastTime) {
    return usage("verify_abi.argument", "request.at_ms is not a time between 1970 and the year 9999",
                 "give milliseconds since 1970-01-01T00:00:00Z");
  }
  attestation::VerifyInputs inputs{.at = Time{std::chrono::milliseconds(request.at_ms)},
                                   .platform = {},
                                   .nitro = {},
                                   .collateral = &collateral,
                                   .expected_nonce = {},
                                   .expected_report_data = {},
                                   .config_digest = {},
                                   .caches = nullptr};
  GATEWAY_ASSIGN(inputs.platform, platform_of(request.platform));
  GATEWAY_ASSIGN(inputs.expected_nonce, view_of(request.nonce));
  GATEWAY_ASSIGN(inputs.expected_report_data, view_of(request.report_data));
  GATEWAY_ASSIGN(const auto roots, view_of(request.roots_pem));
  if (roots) {
    GATEWAY_ASSIGN(inputs.nitro.local_roots, crypto::Certificate::from_pem(as_text(*roots)));
  }
  return inputs;
}

Result<Verification> judge(const gateway_verify_request& request) {
  GATEWAY_TRY(check_request_size(request));
  GATEWAY_ASSIGN(const std::vector<Bytes> files, collateral_of(request));
  const attestation::Collateral collateral = attestation::Collateral::recognise(files);
  GATEWAY_ASSIGN(const attestation::VerifyInputs inputs, inputs_of(request, collateral));
  GATEWAY_ASSIGN(const auto evidence, view_of(request.evidence));
  if (!evidence) return usage("verify_abi.argument", "no evidence is given", "set request.evidence");
  GATEWAY_ASSIGN(const auto policy_text, view_of(request.policy));
  if (!policy_text) return attestation::formats::verify_file(*evidence, nullptr, inputs);
  if (policy_text->size() > attestation::kMaxPolicySize) {
    return usage("verify_abi.argument",
                 "the policy is larger than " + std::to_string(attestation::kMaxPolicySize) + " bytes",
                 "give the text of one policy file");
  }
  GATEWAY_ASSIGN(const attestation::Policy policy, attestation::Policy::parse(as_text(*policy_text), "policy"));
  return attestation::formats::verify_file(*evidence, &policy, inputs);
}

// Text into a caller's array, cut where it does not fit, always terminated.
void put(std::span<char> into, std::string_view text) {
  const std::size_t fits = std::min(text.size(), into.size() - 1);
  std::copy_n(text.begin(), fits, into.begin());
  into[fits] = '\0';
}

std::int64_t milliseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void put_reason(gateway_verify_result& result, const Error& error) {
  put(result.reason, error.id());
  put(result.detail, error.remedy().empty() ? error.detail() : error.detail() + "; " + error.remedy());
}

void put_verification(gateway_verify_result& result, const Verification& verification) {
  result.authentic = answer(verification.authentic);
  result.appraisal = number_of(verification.appraisal);
  if (verification.platform) result.platform = number_of(*verification.platform);
  if (verification.claims) result.debug = answer(verification.claims->debug());
  if (verification.result || verification.claims) {
    const TimeWindow& window = verification.result ? verification.result->validity() : verification.claims->validity();
    result.not_before_ms = milliseconds(window.not_before);
    result.not_after_ms = milliseconds(window.not_after);
  }
  if (verification.reason) {
    put_reason(result, *verification.reason);
    result.outcome = static_cast<std::uint32_t>(exit_status(verification.reason->code()));
  } else {
    result.outcome = verification.authentic == true ? GATEWAY_VERIFY_OK : GATEWAY_VERIFY_UNDECIDED;
  }
}

void put_json(gateway_verify_result& result, const Verification& verification, std::span<char> json) {
  if (json.empty()) return;
  const std::string text = codec::write_json(attestation::verification_json(verification));
  result.json_size = text.size() + 1;
  put(json, result.json_size <= json.size() ? std::string_view(text) : std::string_view());
}

// A mistake in the request or the policy is never a verdict on the evidence.
void put_mistake(gateway_verify_result& result, const Error& error) {
  put_reason(result, error);
  result.outcome = GATEWAY_VERIFY_USAGE;
}

void fill(const gateway_verify_request& request, gateway_verify_result& result, std::span<char> json) {
  try {
    const auto verification = judge(request);
    if (!verification) return put_mistake(result, verification.error());
    put_verification(result, *verification);
    put_json(result, *verification, json);
  } catch (...) {  // out of memory: the checks themselves do not throw
    put_reason(result, Error(ErrorCode::kInternal, "verify_abi.fault", "out of memory, or a fault of this library"));
    result.outcome = GATEWAY_VERIFY_FAULT;
    result.authentic = GATEWAY_VERIFY_UNKNOWN;
    result.appraisal = GATEWAY_VERIFY_CONTRAINDICATED;
  }
}

}  // namespace

extern "C" {

uint32_t gateway_verify_abi_version(void) { return GATEWAY_VERIFY_ABI_VERSION; }
const char* gateway_verify_version(void) { return GATEWAY_VERSION; }

enum gateway_verify_outcome gateway_verify_evidence(const gateway_verify_request* request,
                                                    gateway_verify_result* result, char* json, size_t json_capacity) {
  const std::span<char> room(json, json == nullptr ? 0 : json_capacity);
  if (!room.empty()) room.front() = '\0';
  // Without a place for the answer there is none: never taken for a yes.
  if (request == nullptr || result == nullptr || result->struct_size < kResultV1) return GATEWAY_VERIFY_USAGE;
  gateway_verify_result answer_of_this_version{};
  answer_of_this_version.struct_size = result->struct_size;
  answer_of_this_version.outcome = GATEWAY_VERIFY_FAULT;
  answer_of_this_version.authentic = GATEWAY_VERIFY_UNKNOWN;
  answer_of_this_version.debug = GATEWAY_VERIFY_UNKNOWN;
  fill(*request, answer_of_this_version, room);
  // A newer caller's fields become zero: this library has nothing to say there.
  std::memset(reinterpret_cast<char*>(result) + kResultV1, 0, result->struct_size - kResultV1);
  *result = answer_of_this_version;
  return static_cast<enum gateway_verify_outcome>(result->outcome);
}

}  // extern "C"
