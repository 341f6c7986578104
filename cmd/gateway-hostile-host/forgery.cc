#include "forgery.h"

#include "attester/nsm.h"
#include "codec/cbor.h"
#include "crypto/cose.h"

namespace gateway::hostile {
namespace {

using attestation::AttestationResponse;

class PastClock final : public Clock {
 public:
  PastClock(const Clock& clock, Duration back) : clock_(clock), back_(back) {}
  Time now() const override { return clock_.now() - back_; }

 private:
  const Clock& clock_;
  Duration back_;
};

// The device's side of the seam, in this process.
class InProcessNsm final : public attester::NsmDevice {
 public:
  explicit InProcessNsm(attester::VirtualNsm& nsm) : nsm_(nsm) {}
  Result<Bytes> transact(ByteView request) override { return nsm_.answer(request); }

 private:
  attester::VirtualNsm& nsm_;
};

Result<Bytes> with_envelope(ByteView document, std::optional<ByteView> protected_header, ByteView signature) {
  GATEWAY_ASSIGN(const auto parsed, crypto::parse_cose_sign1(document, {.bytes = 32'768, .depth = 8, .items = 256}));
  codec::CborWriter writer;
  writer.array(4)
      .bytes(protected_header.value_or(parsed.protected_header))
      .map(0)
      .bytes(parsed.payload)
      .bytes(signature);
  return std::move(writer).take();
}

// As QEMU's nitro-enclave machine writes them: no algorithm (-1), 64 zero bytes.
Result<Bytes> as_from_qemu(ByteView document) {
  codec::CborWriter header;
  header.map(1).unsigned_integer(1).integer(-1);
  return with_envelope(document, ByteView(header.view()), Bytes(64));
}

// Says that it is signed with ES384.
Result<Bytes> with_zero_signature(ByteView document) { return with_envelope(document, std::nullopt, Bytes(96)); }

// AWS's own form, for documents that are to pass as Nitro's.
constexpr const char* kNitroModule = "i-0123456789abcdef0-enc0123456789abcdef";
constexpr const char* kLocalModule = "gateway-local-impostor";

}  // namespace

Forger::Forger(const Options& options, crypto::PrivateKey identity, const attester::LocalRoot& root, const Clock& clock)
    : mode_(options.mode),
      clock_(std::make_unique<PastClock>(clock, options.backdate)),
      identity_(std::move(identity)) {
  k_ = attestation::encode_keys({.platform = options.platform,
                                 .ik_spki = identity_.public_key().spki(),
                                 .hpke_config = {},
                                 .config_digest = options.config_digest,
                                 .manifest_digest = {}});
  const bool nitro = options.platform == attestation::Platform::kNitro;
  const auto nsm_mode = mode_ == Mode::kDebug ? attester::NsmMode::kDebug : attester::NsmMode::kProduction;
  nsm_ = std::make_unique<attester::VirtualNsm>(root, nitro ? kNitroModule : kLocalModule, options.pcrs, *clock_,
                                                nsm_mode);
}

Result<std::unique_ptr<Forger>> Forger::create(const Options& options, const Clock& clock) {
  GATEWAY_ASSIGN(auto identity, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  auto root = options.root_folder.empty() ? attester::LocalRoot::create(clock.now())
                                          : attester::LocalRoot::load_or_create(options.root_folder, clock.now());
  if (!root) return std::unexpected(std::move(root).error());
  return std::unique_ptr<Forger>(new Forger(options, std::move(identity), *root, clock));
}

Result<Bytes> Forger::document(ByteView q, const attestation::Nonce& nonce) {
  attester::NsmClient client(std::make_unique<InProcessNsm>(*nsm_), attestation::Platform::kLocal);
  GATEWAY_ASSIGN(Bytes document, client.attest(attestation::report_data_of(q), ByteView(nonce)));
  if (mode_ == Mode::kUnsigned) return as_from_qemu(document);
  if (mode_ == Mode::kZeroSignature) return with_zero_signature(document);
  return document;
}

Status Forger::sign(AttestationResponse& response, ByteView k, const SessionView& session) const {
  response.s = attestation::encode_session({.role = attestation::SessionRole::kServer,
                                            .keys_digest = crypto::sha384(k),
                                            .nonce = session.nonce,
                                            .exporter = session.exporter,
                                            .server_spki = session.server_spki});
  GATEWAY_ASSIGN(response.signature,
                 identity_.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, response.s));
  return {};
}

Result<Bytes> Forger::response(const SessionView& session) {
  AttestationResponse response;
  response.q = attestation::encode_quote(k_, {&session.nonce, 1});
  GATEWAY_ASSIGN(response.evidence, document(response.q, session.nonce));
  GATEWAY_TRY(sign(response, k_, session));
  return attestation::encode_response(response);
}

Result<Bytes> Forger::sign_session_over(const AttestationResponse& genuine, const SessionView& session) const {
  AttestationResponse response = genuine;
  GATEWAY_ASSIGN(const auto quote, attestation::parse_quote(genuine.q));
  GATEWAY_TRY(sign(response, quote.k, session));
  return attestation::encode_response(response);
}

Result<Bytes> Forger::with_own_keys(const AttestationResponse& genuine, const SessionView& session) const {
  AttestationResponse response = genuine;
  response.q = attestation::encode_quote(k_, {&session.nonce, 1});
  GATEWAY_TRY(sign(response, k_, session));
  return attestation::encode_response(response);
}

}  // namespace gateway::hostile
