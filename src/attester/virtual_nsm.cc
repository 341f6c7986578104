#include "attester/virtual_nsm.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "attestation/nitro/document.h"
#include "attester/nsm_frames.h"
#include "attester/nsm_protocol.h"
#include "codec/cbor.h"
#include "crypto/cose.h"
#include "crypto/random.h"

namespace gateway::attester {
namespace {

using codec::CborWriter;
using Pcr = ByteArray<48>;

// Lifetimes as AWS's: leaves three hours and back-dated by three seconds, their issuers longer. The whole chain is
// made anew before the leaf's last half hour, so none of them ever runs out.
constexpr auto kLeafLifetime = std::chrono::hours(3);
constexpr auto kIssuerLifetime = std::chrono::hours(24);
constexpr auto kBackDating = std::chrono::seconds(3);
constexpr auto kRenewBefore = std::chrono::minutes(30);

struct Chain {
  crypto::PrivateKey leaf_key;
  crypto::Certificate leaf;
  std::vector<crypto::Certificate> bundle;  // root first
};

struct Issued {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

Result<Issued> issue(const std::string& name, const std::string& issuer_name, const crypto::PrivateKey& issuer_key,
                     const TimeWindow& validity, std::optional<std::int64_t> path_length) {
  GATEWAY_ASSIGN(auto key, crypto::PrivateKey::generate(crypto::KeyType::kP384));
  const crypto::CertificateSpec spec{.subject_common_name = name,
                                     .issuer_common_name = issuer_name,
                                     .subject_key = key.public_key(),
                                     .validity = validity,
                                     .is_ca = path_length.has_value(),
                                     .path_length = path_length,
                                     .dns_names = {},
                                     .extensions = {}};
  GATEWAY_ASSIGN(auto certificate, crypto::issue_certificate(spec, issuer_key));
  return Issued{std::move(key), std::move(certificate)};
}

Result<Chain> issue_chain(const LocalRoot& root, const std::string& module_id, Time now) {
  // Certificates count whole seconds; milliseconds are cut so that what is compared is what is written.
  const Time start = std::chrono::floor<std::chrono::seconds>(now) - kBackDating;
  const TimeWindow issuers{.not_before = start, .not_after = start + kIssuerLifetime};
  const TimeWindow leaf_window{.not_before = start, .not_after = start + kLeafLifetime};
  // The root's name may be an operator's own; the others follow from the module, cut to what X.509 allows (64).
  const std::string module = module_id.substr(0, 40);
  const std::string root_name = root.certificate.subject_common_name().value_or("gateway-local-root");
  GATEWAY_ASSIGN(const Issued intermediate, issue("gateway-local-intermediate", root_name, root.key, issuers, 1));
  GATEWAY_ASSIGN(const Issued instance,
                 issue("gateway-local-instance", "gateway-local-intermediate", intermediate.key, issuers, 0));
  GATEWAY_ASSIGN(Issued leaf,
                 issue("gateway-local-" + module, "gateway-local-instance", instance.key, leaf_window, {}));
  return Chain{.leaf_key = std::move(leaf.key),
               .leaf = std::move(leaf.certificate),
               .bundle = {root.certificate, intermediate.certificate, instance.certificate}};
}

Bytes error_answer(NsmErrorCode code) {
  CborWriter writer;
  writer.map(1).text("Error").text(to_string(code));
  return std::move(writer).take();
}

Bytes unit_answer(NsmOperation operation) {
  CborWriter writer;
  writer.text(to_string(operation));
  return std::move(writer).take();
}

Bytes single_answer(NsmOperation operation, std::string_view field, ByteView value) {
  CborWriter writer;
  writer.map(1).text(to_string(operation)).map(1).text(field).bytes(value);
  return std::move(writer).take();
}

void write_optional(CborWriter& writer, std::string_view key, const std::optional<ByteView>& value) {
  writer.text(key);
  if (value) writer.bytes(*value);
  else writer.null();
}

}  // namespace

struct VirtualNsm::Impl {
  Impl(const LocalRoot& local_root, std::string module, const Clock& the_clock)
      : root(local_root), module_id(std::move(module)), clock(the_clock) {}

  // Under the lock.
  Bytes answer(const NsmRequest& request);
  Bytes describe_nsm() const;
  Bytes describe_pcr(unsigned index) const;
  Bytes extend_pcr(unsigned index, ByteView data);
  Bytes lock_pcr(unsigned index);
  Bytes lock_pcrs(unsigned range);
  Bytes attest(const NsmRequest& request);
  Bytes payload(const NsmRequest& request, Time now) const;
  const Chain* chain_at(Time now);

  const LocalRoot root;
  const std::string module_id;
  const Clock& clock;
  std::mutex mutex;
  std::array<Pcr, kNsmPcrs> pcrs{};
  std::array<bool, kNsmPcrs> locked{};
  std::optional<Chain> chain;
};

Bytes VirtualNsm::Impl::answer(const NsmRequest& request) {
  switch (request.operation) {
    case NsmOperation::kDescribeNsm: return describe_nsm();
    case NsmOperation::kDescribePcr: return describe_pcr(request.index);
    case NsmOperation::kExtendPcr: return extend_pcr(request.index, request.data);
    case NsmOperation::kLockPcr: return lock_pcr(request.index);
    case NsmOperation::kLockPcrs: return lock_pcrs(request.index);
    case NsmOperation::kAttestation: return attest(request);
    case NsmOperation::kGetRandom:
      return single_answer(NsmOperation::kGetRandom, "random", crypto::random_array<kNsmRandomSize>());
  }
  return error_answer(NsmErrorCode::kInvalidOperation);
}

Bytes VirtualNsm::Impl::describe_nsm() const {
  CborWriter writer;
  writer.map(1).text(to_string(NsmOperation::kDescribeNsm)).map(7);
  writer.text("version_major").unsigned_integer(1);
  writer.text("version_minor").unsigned_integer(0);
  writer.text("version_patch").unsigned_integer(0);
  writer.text("module_id").text(module_id);
  writer.text("max_pcrs").unsigned_integer(kNsmPcrs);
  writer.text("locked_pcrs").array(static_cast<std::uint64_t>(std::ranges::count(locked, true)));
  for (unsigned index = 0; index < kNsmPcrs; ++index) {
    if (locked.at(index)) writer.unsigned_integer(index);
  }
  writer.text("digest").text("SHA384");
  return std::move(writer).take();
}

Bytes VirtualNsm::Impl::describe_pcr(unsigned index) const {
  if (index >= kNsmPcrs) return error_answer(NsmErrorCode::kInvalidIndex);
  CborWriter writer;
  writer.map(1).text(to_string(NsmOperation::kDescribePcr)).map(2);
  writer.text("data").bytes(pcrs.at(index)).text("lock").boolean(locked.at(index));
  return std::move(writer).take();
}

Bytes VirtualNsm::Impl::extend_pcr(unsigned index, ByteView data) {
  if (index >= kNsmPcrs) return error_answer(NsmErrorCode::kInvalidIndex);
  if (locked.at(index)) return error_answer(NsmErrorCode::kReadOnlyIndex);
  pcrs.at(index) = crypto::sha384({ByteView(pcrs.at(index)), data});
  return single_answer(NsmOperation::kExtendPcr, "data", pcrs.at(index));
}

Bytes VirtualNsm::Impl::lock_pcr(unsigned index) {
  if (index >= kNsmPcrs) return error_answer(NsmErrorCode::kInvalidIndex);
  if (locked.at(index)) return error_answer(NsmErrorCode::kReadOnlyIndex);
  locked.at(index) = true;
  return unit_answer(NsmOperation::kLockPcr);
}

Bytes VirtualNsm::Impl::lock_pcrs(unsigned range) {
  if (range > kNsmPcrs) return error_answer(NsmErrorCode::kInvalidIndex);
  std::fill_n(locked.begin(), range, true);
  return unit_answer(NsmOperation::kLockPcrs);
}

const Chain* VirtualNsm::Impl::chain_at(Time now) {
  // Renewed before it runs out, and when the machine's clock went back behind it.
  if (chain) {
    const TimeWindow window = chain->leaf.validity();
    if (window.not_before <= now && now <= window.not_after - kRenewBefore) return &*chain;
  }
  auto issued = issue_chain(root, module_id, now);
  if (!issued) return nullptr;
  chain = std::move(*issued);
  return &*chain;
}

Bytes VirtualNsm::Impl::payload(const NsmRequest& request, Time now) const {
  CborWriter writer;
  writer.map(9);  // in the order of the real device
  writer.text("module_id").text(module_id);
  writer.text("digest").text("SHA384");
  writer.text("timestamp").unsigned_integer(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  writer.text("pcrs").map(static_cast<std::uint64_t>(std::ranges::count(locked, true)));
  for (unsigned index = 0; index < kNsmPcrs; ++index) {
    if (locked.at(index)) writer.unsigned_integer(index).bytes(pcrs.at(index));
  }
  writer.text("certificate").bytes(chain->leaf.der());
  writer.text("cabundle").array(chain->bundle.size());
  for (const crypto::Certificate& certificate : chain->bundle) writer.bytes(certificate.der());
  write_optional(writer, "public_key", request.public_key);
  write_optional(writer, "user_data", request.user_data);
  write_optional(writer, "nonce", request.nonce);
  return std::move(writer).take();
}

Bytes VirtualNsm::Impl::attest(const NsmRequest& request) {
  const auto size = [](const std::optional<ByteView>& field) { return field ? field->size() : 0; };
  if (size(request.user_data) > kNsmMaxUserData || size(request.nonce) > kNsmMaxNonce ||
      size(request.public_key) > kNsmMaxPublicKey) {
    return error_answer(NsmErrorCode::kInputTooLarge);
  }
  const Time now = clock.now();
  const Chain* const signer = chain_at(now);
  if (signer == nullptr) return error_answer(NsmErrorCode::kInternalError);
  const auto document = crypto::sign_cose_sign1(payload(request, now), signer->leaf_key, crypto::CoseAlgorithm::kEs384);
  if (!document) return error_answer(NsmErrorCode::kInternalError);
  Bytes answer = single_answer(NsmOperation::kAttestation, "document", *document);
  return answer.size() <= kNsmMaxResponse ? answer : error_answer(NsmErrorCode::kBufferTooSmall);
}

VirtualNsm::VirtualNsm(const LocalRoot& root, std::string module_id, std::array<ByteArray<48>, 3> pcrs,
                       const Clock& clock, NsmMode mode)
    : impl_(std::make_unique<Impl>(root, std::move(module_id), clock)) {
  if (mode == NsmMode::kProduction) std::ranges::copy(pcrs, impl_->pcrs.begin());
  std::fill_n(impl_->locked.begin(), kNsmLockedFromStart, true);
}

VirtualNsm::~VirtualNsm() = default;

Bytes VirtualNsm::answer(ByteView request) {
  const auto parsed = request.size() <= kNsmMaxRequest ? parse_request(request) : std::nullopt;
  if (!parsed) return error_answer(NsmErrorCode::kInvalidOperation);
  const std::lock_guard lock(impl_->mutex);
  return impl_->answer(*parsed);
}

void VirtualNsm::prepare() {
  const std::lock_guard lock(impl_->mutex);
  impl_->chain_at(impl_->clock.now());
}

void serve_virtual_nsm(VirtualNsm& nsm, int file_descriptor) {
  nsm.prepare();  // while the enclave starts, not when it first asks
  while (true) {
    const auto request = read_frame(file_descriptor, kNsmMaxRequest, std::nullopt);
    if (!request || !write_frame(file_descriptor, nsm.answer(*request), std::nullopt)) return;
  }
}

}  // namespace gateway::attester
