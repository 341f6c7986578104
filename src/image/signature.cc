#include <algorithm>

#include "codec/cbor.h"
#include "crypto/cose.h"
#include "crypto/x509.h"
#include "image/measure.h"

namespace gateway::image {
namespace {

using codec::CborLimits;
using codec::CborProfile;
using codec::CborReader;

// A byte is an item of its own in this format, so the item limit follows the section's size.
constexpr CborLimits kSectionLimits{.bytes = kMaxSignature, .depth = 4, .items = kMaxSignature};
constexpr CborLimits kMessageLimits{.bytes = 16UZ * 1024, .depth = 6, .items = 512};
constexpr std::size_t kMaxPem = 16UZ * 1024;

std::unexpected<Error> structure(std::string detail) {
  return fail(ErrorCode::kMalformed, "image.signature.structure", "the signature section: " + std::move(detail),
              "the image was signed by a tool that does not follow AWS's format; sign it again");
}

// AWS's encoder writes byte strings as arrays of small integers.
Result<Bytes> array_of_bytes(CborReader& reader, std::size_t limit) {
  GATEWAY_ASSIGN(const auto count, reader.array());
  Bytes out;
  while (count ? out.size() < *count : reader.peek().has_value()) {
    GATEWAY_ASSIGN(const std::uint64_t byte, reader.unsigned_integer());
    if (byte > 255) return structure("a byte has a value over 255");
    if (out.size() == limit) return structure("a byte array is longer than " + std::to_string(limit));
    out.push_back(static_cast<std::uint8_t>(byte));
  }
  GATEWAY_TRY(reader.end());
  return out;
}

Status expect_key(CborReader& reader, std::string_view key) {
  GATEWAY_ASSIGN(const std::string_view found, reader.text());
  if (found != key) return structure("the key " + std::string(key) + " is not where it belongs");
  return {};
}

Status expect_pairs(CborReader& reader, std::uint64_t pairs) {
  GATEWAY_ASSIGN(const auto count, reader.map());
  if (count != pairs) return structure("a map does not have exactly " + std::to_string(pairs) + " entries");
  return {};
}

struct Parts {
  Bytes certificate_pem;
  Bytes message;
};

Result<Parts> read_section(ByteView section) {
  GATEWAY_ASSIGN(CborReader reader, CborReader::open(section, kSectionLimits, CborProfile::kGeneral));
  GATEWAY_ASSIGN(const auto count, reader.array());
  if (count != 1) {
    return fail(ErrorCode::kUnsupported, "image.signature.count",
                "the signature section holds another number of signatures than one", "sign the image once, over PCR0");
  }
  Parts out;
  GATEWAY_TRY(expect_pairs(reader, 2));
  GATEWAY_TRY(expect_key(reader, "signing_certificate"));
  GATEWAY_ASSIGN(out.certificate_pem, array_of_bytes(reader, kMaxPem));
  GATEWAY_TRY(expect_key(reader, "signature"));
  GATEWAY_ASSIGN(out.message, array_of_bytes(reader, kMessageLimits.bytes));
  GATEWAY_TRY(reader.end());
  GATEWAY_TRY(reader.end());
  return out;
}

// {"register_index": 0, "register_value": [48 integers]}
Result<Bytes> read_register(ByteView payload) {
  GATEWAY_ASSIGN(CborReader reader, CborReader::open(payload, kMessageLimits, CborProfile::kGeneral));
  GATEWAY_TRY(expect_pairs(reader, 2));
  GATEWAY_TRY(expect_key(reader, "register_index"));
  GATEWAY_ASSIGN(const std::uint64_t index, reader.unsigned_integer());
  if (index != 0) return structure("it signs PCR" + std::to_string(index) + ", not PCR0");
  GATEWAY_TRY(expect_key(reader, "register_value"));
  GATEWAY_ASSIGN(Bytes value, array_of_bytes(reader, 64));
  GATEWAY_TRY(reader.end());
  return value;
}

// Errors of the decoder come from this section: one id for what is not of the format.
template <class T>
Result<T> as_structure(Result<T> result) {
  if (result || !result.error().id().starts_with("cbor.")) return result;
  return structure(result.error().message());
}

void put_bytes(codec::CborWriter& writer, ByteView bytes) {
  writer.array(bytes.size());
  for (const std::uint8_t byte : bytes) writer.unsigned_integer(byte);
}

Bytes payload_over(const Pcr& pcr0) {
  codec::CborWriter payload;
  payload.map(2).text("register_index").unsigned_integer(0).text("register_value");
  put_bytes(payload, pcr0);
  return std::move(payload).take();
}

}  // namespace

Result<ImageSignature> verify_signature(ByteView section, const Pcr& pcr0) {
  GATEWAY_ASSIGN(const Parts parts, as_structure(read_section(section)));
  auto certificates = crypto::Certificate::from_pem(as_text(parts.certificate_pem), 1);
  if (!certificates) return structure("the signing certificate: " + certificates.error().message());
  if (certificates->size() != 1) return structure("it holds another number of certificates than one");
  const crypto::Certificate& certificate = certificates->front();
  auto message = crypto::parse_cose_sign1(parts.message, kMessageLimits);
  if (!message) return structure("the signed message: " + message.error().message());
  if (message->algorithm != crypto::CoseAlgorithm::kEs384) {
    return fail(ErrorCode::kUnsupported, "image.signature.algorithm",
                "the image is signed with another algorithm than ES384", "sign it with a P-384 key");
  }
  GATEWAY_TRY(crypto::verify_cose_sign1(*message, certificate.public_key()));
  GATEWAY_ASSIGN(const Bytes value, as_structure(read_register(message->payload)));
  if (!equal(value, pcr0)) {
    return fail(ErrorCode::kMalformed, "image.signature.pcr0",
                "the signature is genuine but for another PCR0 than this image's",
                "the image was changed after it was signed; sign it again");
  }
  return ImageSignature{.certificate_der = certificate.der(),
                        .subject = certificate.subject(),
                        .issuer = certificate.issuer(),
                        .validity = certificate.validity(),
                        .pcr8 = extended_from_zero(crypto::sha384(certificate.der()))};
}

Bytes image_to_be_signed(const Pcr& pcr0) {
  return crypto::cose_to_be_signed(payload_over(pcr0), crypto::CoseAlgorithm::kEs384);
}

Result<Bytes> signature_section(const crypto::Certificate& certificate, ByteView signature, const Pcr& pcr0) {
  constexpr std::size_t kWidth = 48;  // of P-384
  Bytes raw = to_bytes(signature);
  if (raw.size() != 2 * kWidth) {
    GATEWAY_ASSIGN(raw, crypto::raw_ecdsa_signature(signature, kWidth));
  }
  codec::CborWriter section;
  section.array(1).map(2).text("signing_certificate");
  put_bytes(section, as_bytes(certificate.to_pem()));
  section.text("signature");
  put_bytes(section, crypto::make_cose_sign1(payload_over(pcr0), crypto::CoseAlgorithm::kEs384, raw));
  Bytes made = std::move(section).take();
  GATEWAY_TRY(verify_signature(made, pcr0));
  return made;
}

Status write_signed(const Eif& eif, ByteView section, const std::string& path) {
  EifParts parts;
  parts.kernel = eif.kernel();
  parts.cmdline = eif.cmdline();
  if (const auto metadata = eif.metadata()) parts.metadata = as_text(*metadata);
  parts.ramdisks = eif.ramdisks();
  parts.signature = section;
  parts.default_memory = eif.default_memory();
  parts.default_cpus = eif.default_cpus();
  parts.arm64 = eif.arm64();
  parts.after_copy = [&eif](ByteView part) { eif.release(part); };
  return write_eif(parts, path);
}

}  // namespace gateway::image
