#include "runtime/nsm_boot.h"

#include <algorithm>

#include "attestation/nitro/authenticate.h"
#include "crypto/random.h"

namespace gateway::runtime {
namespace {

using attestation::Platform;

constexpr std::chrono::seconds kMaxAnswerTime{5};  // the trusted time may be off by as much
constexpr std::string_view kSelfCheckLabel = "gateway/self-check/v1";

constexpr const char* kRemedy =
    "the attestation device is not the one of a fresh enclave: stop this enclave and start it again";

crypto::Sha384 extended(ByteView data) {
  const crypto::Sha384 zero{};
  return crypto::sha384({zero, data});
}

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Status bind_configuration(attester::NsmClient& nsm, const crypto::Sha384& config_digest) {
  GATEWAY_TRY(nsm.describe());  // refuses any device but one of 32 registers of SHA-384
  GATEWAY_ASSIGN(const attester::PcrState before, nsm.describe_pcr(kConfigRegister));
  if (before.locked || before.value.size() != config_digest.size() || !all_zero(before.value)) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.registers",
                "register 16 was written or locked before this boot", kRemedy);
  }
  GATEWAY_TRY(nsm.extend_register(kConfigRegister, config_digest));
  GATEWAY_TRY(nsm.lock_registers(kRegisters));
  GATEWAY_ASSIGN(const attester::NsmDescription locked, nsm.describe());
  GATEWAY_ASSIGN(const attester::PcrState after, nsm.describe_pcr(kConfigRegister));
  if (locked.locked_pcrs.size() != kRegisters || !after.locked || !equal(after.value, extended(config_digest))) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.registers", "the registers are not locked as asked", kRemedy);
  }
  return {};
}

Result<OwnEvidence> read_own_evidence(attester::Attester& nsm, const crypto::Sha384& config_digest,
                                      BootTime (*clock)()) {
  const auto nonce = crypto::random_array<32>();
  const crypto::Sha512 user_data = crypto::sha512({as_bytes(kSelfCheckLabel), nonce});
  const BootTime asked = clock();
  GATEWAY_ASSIGN(const Bytes evidence, nsm.attest(user_data, ByteView(nonce)));
  if (clock() - asked > kMaxAnswerTime) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.slow", "the attestation device took more than 5 s", kRemedy);
  }
  GATEWAY_ASSIGN(const auto document, attestation::nitro::parse_document(evidence));
  attestation::nitro::Anchors anchors;
  if (nsm.platform() == Platform::kLocal) {
    anchors.local_root_sha256.push_back(crypto::sha256(document.cabundle.front()));
  }
  GATEWAY_ASSIGN(attestation::Claims claims, attestation::nitro::authenticate(document, anchors, document.timestamp));
  if (claims.platform() != nsm.platform()) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.platform",
                "the document is of another platform than this boot", kRemedy);
  }
  if (!document.user_data || !equal(*document.user_data, user_data) || !document.nonce ||
      !equal(*document.nonce, nonce) || document.public_key) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.echo", "the document does not carry what was asked", kRemedy);
  }
  const auto bound = claims.nitro().pcrs.find(kConfigRegister);
  if (bound == claims.nitro().pcrs.end() || !equal(bound->second, extended(config_digest))) {
    return fail(ErrorCode::kPolicyRejected, "runtime.nsm.registers",
                "the document does not hold the configuration's digest", kRemedy);
  }
  const Time at = claims.nitro().timestamp;
  return OwnEvidence{.claims = std::move(claims), .clock = TrustedClock(at, asked, clock)};
}

}  // namespace gateway::runtime
