#include "attestation/testing/fake_vendor.h"

#include <cstdlib>

#include "attestation/nitro/chain.h"
#include "codec/cbor.h"
#include "codec/der.h"
#include "crypto/cose.h"

namespace gateway::attestation::testing {
namespace {

namespace tag = codec::der_tag;
using codec::CborWriter;

// Test data that cannot be made is a broken test: stop where it happens.
template <class T>
T must(Result<T> result) {
  if (!result) std::abort();
  return std::move(*result);
}

std::string name_of(std::size_t depth, Names names) {
  if (names == Names::kLocal) return "gateway-test-" + std::to_string(depth);
  switch (depth) {
    case kRoot: return "fake.nitro-enclaves";
    case kIntermediate: return "0123456789abcdef.eu-central-1.aws.nitro-enclaves";
    case kZonal: return "fedcba9876543210.zonal.eu-central-1.aws.nitro-enclaves";
    case kInstance: return "i-0123456789abcdef0.eu-central-1.aws.nitro-enclaves";
    default: return "i-0123456789abcdef0-enc0123456789abcde.eu-central-1.aws";
  }
}

TimeWindow window_of(std::size_t depth, Time now) {
  const Time start = std::chrono::floor<std::chrono::seconds>(now) - std::chrono::seconds(3);
  switch (depth) {
    case kRoot: return {start - std::chrono::days(1000), start + std::chrono::days(10'000)};
    case kIntermediate: return {start - std::chrono::days(4), start + std::chrono::days(16)};
    case kZonal: return {start - std::chrono::days(1), start + std::chrono::days(5)};
    case kInstance: return {start - std::chrono::hours(5), start + std::chrono::hours(19)};
    default: return {start, start + std::chrono::hours(3)};
  }
}

// The certificate with its TBS changed, signed again.
crypto::Certificate sign_again(const crypto::Certificate& certificate, const crypto::PrivateKey& issuer,
                               const std::function<void(Bytes&)>& change) {
  auto outer = must(codec::DerReader(certificate.der()).enter(tag::kSequence));
  Bytes tbs = to_bytes(must(outer.element(tag::kSequence)).encoding);
  const Bytes algorithm = to_bytes(must(outer.element(tag::kSequence)).encoding);
  change(tbs);
  const Bytes signature = must(issuer.sign(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kDer, tbs));
  return must(
      crypto::Certificate::from_der(codec::der(tag::kSequence, {tbs, algorithm, codec::der_bit_string(signature)})));
}

void write_optional(CborWriter& writer, std::string_view key, const std::optional<Bytes>& value) {
  writer.text(key);
  if (value) writer.bytes(*value);
  else writer.null();
}

void write_fields(CborWriter& writer, const DocumentFields& fields) {
  writer.text("module_id").text(fields.module_id);
  writer.text("digest").text(fields.digest);
  writer.text("timestamp").unsigned_integer(fields.timestamp);
  writer.text("pcrs").map(fields.pcrs.size());
  for (const auto& [index, value] : fields.pcrs) writer.unsigned_integer(index).bytes(value);
  writer.text("certificate").bytes(fields.certificate);
  writer.text("cabundle").array(fields.cabundle.size());
  for (const Bytes& der : fields.cabundle) writer.bytes(der);
  write_optional(writer, "public_key", fields.public_key);
  write_optional(writer, "user_data", fields.user_data);
  write_optional(writer, "nonce", fields.nonce);
}

}  // namespace

Bytes encode_payload(const DocumentFields& fields) {
  CborWriter writer;
  writer.map(9);
  write_fields(writer, fields);
  return std::move(writer).take();
}

Bytes encode_payload_indefinite(const DocumentFields& fields) {
  CborWriter writer;
  write_fields(writer, fields);
  Bytes payload{0xbf};
  append(payload, writer.view());
  payload.push_back(0xff);
  return payload;
}

FakeVendor::FakeVendor(const ChainOptions& options) : now_(options.now) {
  for (std::size_t depth = kRoot; depth <= kLeaf; ++depth) {
    const bool leaf = depth == kLeaf;
    keys_.push_back(must(crypto::PrivateKey::generate(leaf ? options.leaf_key : crypto::KeyType::kP384)));
    const std::size_t issuer = depth == kRoot ? kRoot : depth - 1;
    crypto::CertificateSpec spec{.subject_common_name = name_of(depth, options.names),
                                 .issuer_common_name = name_of(issuer, options.names),
                                 .subject_key = keys_.back().public_key(),
                                 .validity = window_of(depth, options.now),
                                 .is_ca = !leaf,
                                 .path_length = std::nullopt,
                                 .dns_names = {},
                                 .extensions = {}};
    if (depth != kRoot && !leaf) spec.path_length = static_cast<std::int64_t>(kInstance - depth);
    if (options.alter) options.alter(depth, spec);
    chain_.push_back(must(crypto::issue_certificate(spec, keys_.at(issuer))));
    if (options.patch) {
      chain_.back() = sign_again(chain_.back(), keys_.at(issuer), [&](Bytes& tbs) { options.patch(depth, tbs); });
    }
  }
}

crypto::Sha256 FakeVendor::root_sha256() const { return crypto::sha256(root().der()); }

DocumentFields FakeVendor::fields() const {
  DocumentFields fields;
  fields.module_id = "i-0123456789abcdef0-enc0123456789abcde";
  fields.digest = "SHA384";
  fields.timestamp = static_cast<std::uint64_t>(now_.time_since_epoch().count());
  for (std::uint8_t index = 0; index < 16; ++index) {
    fields.pcrs.emplace_back(index, index <= 4 ? pcr(static_cast<std::uint8_t>(0xa0 + index)) : pcr(0));
  }
  fields.certificate = chain_.back().der();
  for (std::size_t depth = kRoot; depth < kLeaf; ++depth) fields.cabundle.push_back(chain_.at(depth).der());
  fields.user_data = Bytes(32, 0x11);
  fields.nonce = Bytes(32, 0x22);
  return fields;
}

Bytes FakeVendor::sign(ByteView payload) const {
  const bool p384 = keys_.back().type() == crypto::KeyType::kP384;
  return must(crypto::sign_cose_sign1(payload, keys_.back(),
                                      p384 ? crypto::CoseAlgorithm::kEs384 : crypto::CoseAlgorithm::kEs256));
}

Bytes FakeVendor::document(const std::function<void(DocumentFields&)>& change) const {
  DocumentFields changed = fields();
  change(changed);
  return sign(encode_payload(changed));
}

Result<Claims> FakeVendor::authenticate(ByteView document, Time at, nitro::ChainCache* cache) const {
  CheckList checks;
  GATEWAY_ASSIGN(const auto parsed, nitro::parse_document(document, &checks));
  return nitro::dangerous_authenticate_with_vendor_root(parsed, root(), root_sha256(), {}, at, cache, &checks);
}

nitro::Anchors FakeVendor::as_local_root() const {
  nitro::Anchors anchors;
  anchors.local_roots.push_back(root());
  return anchors;
}

const FakeVendor& fake_nitro() {
  static const FakeVendor vendor;
  return vendor;
}

const FakeVendor& fake_local() {
  static const FakeVendor vendor(ChainOptions{.names = Names::kLocal});
  return vendor;
}

Bytes pcr(std::uint8_t fill) { return Bytes(48, fill); }

Bytes envelope(ByteView protected_item, ByteView unprotected_item, ByteView payload_item, ByteView signature_item) {
  CborWriter writer;
  writer.array(4).encoded(protected_item).encoded(unprotected_item).encoded(payload_item).encoded(signature_item);
  return std::move(writer).take();
}

}  // namespace gateway::attestation::testing
