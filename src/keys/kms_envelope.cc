#include "keys/kms_envelope.h"

#include "codec/ber.h"
#include "codec/der.h"

namespace gateway::keys {
namespace {

using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::string_view kEnvelopedData = "1.2.840.113549.1.7.3";
constexpr std::string_view kData = "1.2.840.113549.1.7.1";
constexpr std::string_view kOaep = "1.2.840.113549.1.1.7";
constexpr std::string_view kMgf1 = "1.2.840.113549.1.1.8";
constexpr std::string_view kSha256 = "2.16.840.1.101.3.4.2.1";
constexpr std::string_view kAes256Cbc = "2.16.840.1.101.3.4.1.42";
constexpr std::int64_t kVersion = 2;

Status expect_oid(DerReader& reader, std::string_view dotted) {
  GATEWAY_ASSIGN(const ByteView content, reader.oid());
  if (codec::oid_text(content) == dotted) return {};
  return fail(ErrorCode::kMalformed, "kms.envelope", "an algorithm or a type is another than KMS's");
}

Status expect_version(DerReader& reader) {
  GATEWAY_ASSIGN(const std::int64_t version, reader.small_integer());
  if (version == kVersion) return {};
  return fail(ErrorCode::kMalformed, "kms.envelope", "a version is not 2");
}

// AlgorithmIdentifier of SHA-256: its parameters are NULL, or not there.
Status expect_sha256(DerReader& reader) {
  GATEWAY_ASSIGN(DerReader algorithm, reader.enter(tag::kSequence));
  GATEWAY_TRY(expect_oid(algorithm, kSha256));
  if (algorithm.next_is(tag::kNull)) GATEWAY_TRY(algorithm.element(tag::kNull));
  return algorithm.finish();
}

// RSAES-OAEP-params: hash and mask both SHA-256, and no label.
Status expect_oaep(DerReader& recipient) {
  GATEWAY_ASSIGN(DerReader algorithm, recipient.enter(tag::kSequence));
  GATEWAY_TRY(expect_oid(algorithm, kOaep));
  GATEWAY_ASSIGN(DerReader parameters, algorithm.enter(tag::kSequence));
  GATEWAY_ASSIGN(DerReader hash, parameters.enter(tag::context_constructed(0)));
  GATEWAY_TRY(expect_sha256(hash));
  GATEWAY_TRY(hash.finish());
  GATEWAY_ASSIGN(DerReader mask, parameters.enter(tag::context_constructed(1)));
  GATEWAY_ASSIGN(DerReader generator, mask.enter(tag::kSequence));
  GATEWAY_TRY(expect_oid(generator, kMgf1));
  GATEWAY_TRY(expect_sha256(generator));
  GATEWAY_TRY(generator.finish());
  GATEWAY_TRY(mask.finish());
  GATEWAY_TRY(parameters.finish());
  return algorithm.finish();
}

Result<Bytes> read_recipient(DerReader& enveloped) {
  GATEWAY_ASSIGN(DerReader recipients, enveloped.enter(tag::kSet));
  GATEWAY_ASSIGN(DerReader recipient, recipients.enter(tag::kSequence));
  GATEWAY_TRY(expect_version(recipient));
  GATEWAY_TRY(recipient.element(tag::context(0)));  // subjectKeyIdentifier: there is one key it can be
  GATEWAY_TRY(expect_oaep(recipient));
  GATEWAY_ASSIGN(const auto key, recipient.element(tag::kOctetString));
  GATEWAY_TRY(recipient.finish());
  GATEWAY_TRY(recipients.finish());
  return to_bytes(key.content);
}

// [0] IMPLICIT OCTET STRING: in one piece, or of several that lie in it as they are.
Result<Bytes> read_ciphertext(DerReader& content) {
  if (content.next_is(tag::context(0))) {
    GATEWAY_ASSIGN(const auto whole, content.element(tag::context(0)));
    return to_bytes(whole.content);
  }
  GATEWAY_ASSIGN(DerReader pieces, content.enter(tag::context_constructed(0)));
  Bytes out;
  while (!pieces.empty()) {
    GATEWAY_ASSIGN(const auto piece, pieces.element(tag::kOctetString));
    append(out, piece.content);
  }
  return out;
}

Result<KmsEnvelope> read(ByteView der) {
  DerReader reader(der);
  GATEWAY_ASSIGN(DerReader info, reader.enter(tag::kSequence));
  GATEWAY_TRY(reader.finish());
  GATEWAY_TRY(expect_oid(info, kEnvelopedData));
  GATEWAY_ASSIGN(DerReader explicit_content, info.enter(tag::context_constructed(0)));
  GATEWAY_TRY(info.finish());
  GATEWAY_ASSIGN(DerReader enveloped, explicit_content.enter(tag::kSequence));
  GATEWAY_TRY(explicit_content.finish());
  GATEWAY_TRY(expect_version(enveloped));
  KmsEnvelope out;
  GATEWAY_ASSIGN(out.encrypted_key, read_recipient(enveloped));
  GATEWAY_ASSIGN(DerReader content, enveloped.enter(tag::kSequence));
  GATEWAY_TRY(enveloped.finish());
  GATEWAY_TRY(expect_oid(content, kData));
  GATEWAY_ASSIGN(DerReader cipher, content.enter(tag::kSequence));
  GATEWAY_TRY(expect_oid(cipher, kAes256Cbc));
  GATEWAY_ASSIGN(const auto iv, cipher.element(tag::kOctetString));
  GATEWAY_TRY(cipher.finish());
  out.iv = to_bytes(iv.content);
  GATEWAY_ASSIGN(out.ciphertext, read_ciphertext(content));
  GATEWAY_TRY(content.finish());
  return out;
}

}  // namespace

Result<KmsEnvelope> parse_kms_envelope(ByteView ber) {
  const auto der = codec::ber_to_der(ber, {.bytes = kMaxEnvelope, .depth = 16});
  auto envelope = der ? read(*der) : std::unexpected(der.error());
  if (envelope) return envelope;
  // One id for what is not of the format, whichever reader noticed.
  return fail(ErrorCode::kMalformed, "kms.envelope", "not an envelope as KMS makes them: " + envelope.error().message(),
              "the host or whoever it relays to is not KMS");
}

Result<Secret> open_kms_envelope(ByteView ber, const crypto::EnvelopeKey& key) {
  GATEWAY_ASSIGN(const KmsEnvelope envelope, parse_kms_envelope(ber));
  return key.open(envelope.encrypted_key, envelope.iv, envelope.ciphertext);
}

}  // namespace gateway::keys
