#include "crypto/cose.h"

namespace gateway::crypto {
namespace {

constexpr std::uint64_t kTagSign1 = 18;
constexpr std::int64_t kHeaderAlg = 1;
constexpr std::int64_t kHeaderCrit = 2;
constexpr std::size_t kMaxProtectedHeader = 1024;

std::unexpected<Error> bad_structure(std::string_view detail) {
  return fail(ErrorCode::kMalformed, "cose.structure", std::string(detail));
}

std::unexpected<Error> unsupported(std::string_view detail) {
  return fail(ErrorCode::kUnsupported, "cose.algorithm", std::string(detail));
}

// The protected header: alg, which must be known; other parameters may be there, but none may be critical, because
// none is understood here (RFC 9052 §3.1).
Result<CoseAlgorithm> parse_protected(ByteView bytes) {
  const auto bad = [] {
    return fail(ErrorCode::kMalformed, "cose.header", "the protected header is not a map with an algorithm");
  };
  auto opened = codec::CborReader::open(bytes, {.bytes = kMaxProtectedHeader, .depth = 4, .items = 64},
                                        codec::CborProfile::kGeneral);
  if (!opened) return bad();
  codec::CborReader& reader = *opened;
  if (!reader.map()) return bad();
  std::optional<std::int64_t> algorithm;
  while (const auto type = reader.peek()) {
    const bool integer = type == codec::CborType::kUnsigned || type == codec::CborType::kNegative;
    std::int64_t label = 0;
    if (integer) {
      const auto read = reader.integer();
      if (!read) return bad();
      label = *read;
    } else if (!reader.text()) {
      return bad();
    }
    if (integer && label == kHeaderCrit) {
      return fail(ErrorCode::kMalformed, "cose.header", "a header parameter is critical and not known here");
    }
    if (integer && label == kHeaderAlg) {
      const auto value = reader.integer();
      if (!value) return unsupported("the algorithm is not one of ES256, ES384 and ES512");
      algorithm = *value;
    } else if (!reader.skip()) {
      return bad();
    }
  }
  if (!algorithm) return bad();
  switch (static_cast<CoseAlgorithm>(*algorithm)) {
    case CoseAlgorithm::kEs256:
    case CoseAlgorithm::kEs384:
    case CoseAlgorithm::kEs512: return static_cast<CoseAlgorithm>(*algorithm);
  }
  return unsupported("the algorithm is not one of ES256, ES384 and ES512");
}

// An unprotected header is anybody's to change, so nothing in it is used; it must only be a map without crit.
Status check_unprotected(codec::CborReader& reader) {
  if (!reader.map()) return bad_structure("the unprotected header is not a map");
  while (const auto type = reader.peek()) {
    const bool critical = type == codec::CborType::kUnsigned && reader.unsigned_integer().value_or(0) == kHeaderCrit;
    if (critical) return fail(ErrorCode::kMalformed, "cose.header", "crit belongs into the protected header");
    if (type != codec::CborType::kUnsigned && !reader.skip()) return bad_structure("a header parameter is missing");
    if (!reader.skip()) return bad_structure("a header parameter has no value");
  }
  if (!reader.end()) return bad_structure("the unprotected header does not end");
  return {};
}

HashAlgorithm hash_of(CoseAlgorithm algorithm) {
  switch (algorithm) {
    case CoseAlgorithm::kEs256: return HashAlgorithm::kSha256;
    case CoseAlgorithm::kEs384: return HashAlgorithm::kSha384;
    case CoseAlgorithm::kEs512: return HashAlgorithm::kSha512;
  }
  return HashAlgorithm::kSha512;
}

// RFC 9053 §2.1 ties no curve to a hash, but a hash shorter than the curve would weaken it.
bool curve_allowed(CoseAlgorithm algorithm, KeyType key) {
  switch (key) {
    case KeyType::kP256: return true;
    case KeyType::kP384: return algorithm != CoseAlgorithm::kEs256;
    case KeyType::kP521: return algorithm == CoseAlgorithm::kEs512;
    case KeyType::kRsa: return false;
  }
  return false;
}

// RFC 9052 §4.4: ["Signature1", body_protected, external_aad, payload].
Bytes sig_structure(ByteView protected_header, ByteView external_aad, ByteView payload) {
  codec::CborWriter writer;
  writer.array(4).text("Signature1").bytes(protected_header).bytes(external_aad).bytes(payload);
  return std::move(writer).take();
}

}  // namespace

Result<CoseSign1> parse_cose_sign1(ByteView input, const codec::CborLimits& limits) {
  GATEWAY_ASSIGN(codec::CborReader reader, codec::CborReader::open(input, limits, codec::CborProfile::kGeneral));
  if (reader.peek() == codec::CborType::kTag) {
    GATEWAY_ASSIGN(const std::uint64_t tag, reader.tag());
    if (tag != kTagSign1) return bad_structure("the tag is not COSE_Sign1's");
  }
  const auto count = reader.array();
  if (!count || (*count && **count != 4)) return bad_structure("not an array of four");
  CoseSign1 message;
  const auto protected_header = reader.bytes();
  if (!protected_header) return bad_structure("the protected header is not a byte string");
  message.protected_header = *protected_header;
  GATEWAY_TRY(check_unprotected(reader));
  const auto payload = reader.bytes();
  const auto signature = payload ? reader.bytes() : payload;
  if (!payload || !signature || !reader.end()) return bad_structure("payload or signature is not a byte string");
  message.payload = *payload;
  message.signature = *signature;
  GATEWAY_ASSIGN(message.algorithm, parse_protected(message.protected_header));
  return message;
}

Status verify_cose_sign1(const CoseSign1& message, const PublicKey& key, ByteView external_aad) {
  if (!curve_allowed(message.algorithm, key.type())) return unsupported("the key does not fit the algorithm");
  const Bytes signed_bytes = sig_structure(message.protected_header, external_aad, message.payload);
  if (!key.verify(hash_of(message.algorithm), SignatureFormat::kRaw, signed_bytes, message.signature)) {
    return fail(ErrorCode::kNotAuthentic, "cose.signature", "the signature does not verify");
  }
  return {};
}

Result<Bytes> sign_cose_sign1(ByteView payload, const PrivateKey& key, CoseAlgorithm algorithm) {
  if (!curve_allowed(algorithm, key.type())) return unsupported("the key does not fit the algorithm");
  codec::CborWriter header;
  header.map(1).integer(kHeaderAlg).integer(static_cast<std::int64_t>(algorithm));
  GATEWAY_ASSIGN(const Bytes signature, key.sign(hash_of(algorithm), SignatureFormat::kRaw,
                                                 sig_structure(header.view(), {}, payload)));
  codec::CborWriter message;
  message.array(4).bytes(header.view()).map(0).bytes(payload).bytes(signature);
  return std::move(message).take();
}

}  // namespace gateway::crypto
