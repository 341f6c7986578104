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

std::unexpected<Error> bad_header(std::string_view detail) {
  return fail(ErrorCode::kMalformed, "cose.header", std::string(detail));
}

// The parameters of one header that matter here. Others may be there and are passed over, but none may be critical,
// because none is understood (RFC 9052 §3.1). An algorithm that is a text or no 64-bit integer is none of ours.
struct Header {
  bool has_algorithm = false;
  std::optional<std::int64_t> algorithm;
};

Result<Header> read_header(codec::CborReader& reader) {
  if (!reader.map()) return bad_header("expected a header that is a map");
  Header header;
  while (const auto type = reader.peek()) {
    const bool integer = type == codec::CborType::kUnsigned || type == codec::CborType::kNegative;
    if (!integer && type != codec::CborType::kText) return bad_header("expected header labels to be integers or texts");
    const auto label = integer ? reader.integer() : Result<std::int64_t>(0);
    if (!label || !integer) {
      GATEWAY_TRY(reader.skip());
    }
    if (label && *label == kHeaderCrit) return bad_header("a header parameter is critical and not known here");
    if (label && *label == kHeaderAlg) {
      header.has_algorithm = true;
      if (const auto value = reader.integer()) {
        header.algorithm = *value;
        continue;
      }
    }
    GATEWAY_TRY(reader.skip());
  }
  GATEWAY_TRY(reader.end());
  return header;
}

// A zero-length string and an empty map mean the same (RFC 9052 §3).
Result<Header> read_protected(ByteView bytes) {
  if (bytes.empty()) return Header{};
  auto reader = codec::CborReader::open(bytes, {.bytes = kMaxProtectedHeader, .depth = 4, .items = 64},
                                        codec::CborProfile::kGeneral);
  if (!reader) return bad_header("expected a protected header that is a CBOR map");
  return read_header(*reader);
}

// The algorithm belongs into the protected header; from the unprotected one it is taken where that has none. Changing
// it there gains nothing: the key decides what verifies, and the three algorithms differ in their hash alone.
Result<CoseAlgorithm> choose_algorithm(const Header& protected_header, const Header& unprotected_header) {
  if (protected_header.has_algorithm && unprotected_header.has_algorithm) {
    return bad_header("the algorithm is in both headers");
  }
  if (!protected_header.has_algorithm && !unprotected_header.has_algorithm) {
    return bad_header("expected an algorithm in the protected header, found none");
  }
  const auto found = protected_header.has_algorithm ? protected_header.algorithm : unprotected_header.algorithm;
  for (const auto known : {CoseAlgorithm::kEs256, CoseAlgorithm::kEs384, CoseAlgorithm::kEs512}) {
    if (found == static_cast<std::int64_t>(known)) return known;
  }
  return unsupported("expected ES256, ES384 or ES512, found another algorithm");
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
  constexpr ByteArray<1> kEmptyMap{{0xa0}};
  if (equal(protected_header, kEmptyMap)) protected_header = {};
  codec::CborWriter writer;
  writer.array(4).text("Signature1").bytes(protected_header).bytes(external_aad).bytes(payload);
  return std::move(writer).take();
}

Bytes protected_header_of(CoseAlgorithm algorithm) {
  codec::CborWriter header;
  header.map(1).integer(kHeaderAlg).integer(static_cast<std::int64_t>(algorithm));
  return std::move(header).take();
}

}  // namespace

Result<CoseSign1> parse_cose_sign1(ByteView input, const codec::CborLimits& limits) {
  GATEWAY_ASSIGN(codec::CborReader reader, codec::CborReader::open(input, limits, codec::CborProfile::kGeneral));
  if (reader.peek() == codec::CborType::kTag) {
    GATEWAY_ASSIGN(const std::uint64_t tag, reader.tag());
    if (tag != kTagSign1) return bad_structure("the tag is not COSE_Sign1's");
  }
  if (!reader.array_of(4)) return bad_structure("not an array of four");
  CoseSign1 message;
  const auto protected_header = reader.bytes();
  if (!protected_header) return bad_structure("the protected header is not a byte string");
  message.protected_header = *protected_header;
  GATEWAY_ASSIGN(const Header unprotected_header, read_header(reader));
  const auto payload = reader.bytes();
  const auto signature = payload ? reader.bytes() : payload;
  if (!payload || !signature || !reader.end()) return bad_structure("payload or signature is not a byte string");
  message.payload = *payload;
  message.signature = *signature;
  GATEWAY_ASSIGN(const Header authenticated_header, read_protected(message.protected_header));
  GATEWAY_ASSIGN(message.algorithm, choose_algorithm(authenticated_header, unprotected_header));
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
  GATEWAY_ASSIGN(const Bytes signature,
                 key.sign(hash_of(algorithm), SignatureFormat::kRaw, cose_to_be_signed(payload, algorithm)));
  return make_cose_sign1(payload, algorithm, signature);
}

Bytes cose_to_be_signed(ByteView payload, CoseAlgorithm algorithm) {
  return sig_structure(protected_header_of(algorithm), {}, payload);
}

Bytes make_cose_sign1(ByteView payload, CoseAlgorithm algorithm, ByteView signature) {
  codec::CborWriter message;
  message.array(4).bytes(protected_header_of(algorithm)).map(0).bytes(payload).bytes(signature);
  return std::move(message).take();
}

}  // namespace gateway::crypto
