#include "attestation/formats/ra_tls.h"

#include <boost/json.hpp>

#include "codec/cbor.h"
#include "codec/der.h"
#include "codec/json.h"
#include "crypto/hash.h"

namespace gateway::attestation::formats {
namespace {

using codec::CborReader;
using codec::CborType;

constexpr std::uint64_t kQuoteTag = 60'000;         // [quote, claims]
constexpr std::uint64_t kFirstCmwTag = 1668546817;  // TN() of draft-ietf-rats-msg-wrap, content formats 0 to 65,024
constexpr std::uint64_t kLastCmwTag = 1668612095;
constexpr std::uint64_t kEvidenceBit = 4;  // of a CMW's indicator: evidence
constexpr codec::CborLimits kLimits{.bytes = kMaxRaTlsExtension, .depth = 4, .items = 32};

constexpr const char* kRemedy =
    "the certificate was made by something that does not follow the specification of RA-TLS";

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), kRemedy);
}
std::unexpected<Error> bad_encoding(std::string detail) {
  return malformed("carrier.ra_tls.encoding", std::move(detail));
}
std::unexpected<Error> bad_claims(std::string detail) { return malformed("carrier.ra_tls.claims", std::move(detail)); }
std::unexpected<Error> bad_wrapper(std::string detail) { return malformed("carrier.cmw.encoding", std::move(detail)); }
std::unexpected<Error> wrapper_of_something_else(std::string detail) {
  return fail(ErrorCode::kUnsupported, "carrier.cmw.type", std::move(detail),
              "ask the sender for a message wrapper that holds evidence alone");
}

// Enters an array of exactly this many items, its length given: indefinite lengths are another encoding of the same.
bool enter_array(CborReader& reader, std::uint64_t items) {
  const auto count = reader.array();
  return count && *count == items;
}

// The hash of the SPKI under a number of IANA's named information registry.
std::optional<Bytes> named_hash(std::uint64_t algorithm, ByteView spki) {
  switch (algorithm) {
    case 1: return to_bytes(ByteView(crypto::sha256(spki)));
    case 7: return to_bytes(ByteView(crypto::sha384(spki)));
    case 8: return to_bytes(ByteView(crypto::sha512(spki)));
    default: return std::nullopt;
  }
}

// [algorithm, hash], as a byte string of its own.
Status check_key_hash(ByteView entry, ByteView spki) {
  auto reader =
      CborReader::open(entry, {.bytes = kMaxRaTlsClaims, .depth = 2, .items = 4}, codec::CborProfile::kGeneral);
  if (!reader) return bad_claims("the public key's hash is not CBOR: " + reader.error().message());
  if (!enter_array(*reader, 2)) return bad_claims("the public key's hash is not [algorithm, hash]");
  const auto algorithm = reader->unsigned_integer();
  const auto hash = reader->bytes();
  if (!algorithm || !hash || !reader->end()) return bad_claims("the public key's hash is not [algorithm, hash]");
  const auto expected = named_hash(*algorithm, spki);
  if (!expected) {
    return fail(ErrorCode::kUnsupported, "carrier.ra_tls.hash",
                "expected SHA-256, SHA-384 or SHA-512 (1, 7, 8), found algorithm " + std::to_string(*algorithm),
                kRemedy);
  }
  if (!equal(*expected, *hash)) {
    return fail(ErrorCode::kNotAuthentic, "carrier.ra_tls.public_key",
                "the evidence's claims name the hash of another public key than the certificate's",
                "the evidence was made for another key: somebody relays evidence that is not theirs");
  }
  return {};
}

// {"pubkey-hash": bytes, "nonce": bytes, …}. Other claims are covered by the hash and of no interest here.
Status read_claims(ByteView claims, ByteView spki, CarriedEvidence& out) {
  auto reader =
      CborReader::open(claims, {.bytes = kMaxRaTlsClaims, .depth = 4, .items = 64}, codec::CborProfile::kGeneral);
  if (!reader) return bad_claims("the claims are not CBOR: " + reader.error().message());
  const auto pairs = reader->map();
  if (!pairs || !*pairs) return bad_claims("the claims are not a map of definite length");
  std::optional<ByteView> key_hash;
  for (std::uint64_t i = 0; i < **pairs; ++i) {
    const auto name = reader->text();
    if (!name) return bad_claims("a claim's name is not text");
    if (*name != "pubkey-hash" && *name != "nonce") {
      if (!reader->skip()) return bad_claims("a claim's value cannot be read");
      continue;
    }
    const auto value = reader->bytes();
    if (!value) return bad_claims("pubkey-hash or nonce is not a byte string of definite length");
    if (*name == "nonce") out.nonce = to_bytes(*value);
    else key_hash = *value;
  }
  if (!key_hash) return bad_claims("the claims do not say whose public key the evidence is for (pubkey-hash)");
  return check_key_hash(*key_hash, spki);
}

// The content of a tagged item that is no message wrapper.
Result<CarriedEvidence> read_tagged(std::uint64_t tag, CborReader& reader, const crypto::PublicKey& key) {
  if (tag != kQuoteTag) {
    return fail(ErrorCode::kUnsupported, "carrier.ra_tls.tag",
                "expected CBOR tag 60000 (a quote and its claims), found tag " + std::to_string(tag),
                "TEE reports (60001) and legacy reports (60002) cannot be verified away from their machine: ask the "
                "sender for a quote");
  }
  if (!enter_array(reader, 2)) return bad_encoding("the tagged item is not [quote, claims]");
  const auto quote = reader.bytes();
  const auto claims = reader.bytes();
  if (!quote || !claims || !reader.end()) return bad_encoding("the tagged item is not [quote, claims]");
  CarriedEvidence out{.format = Carrier::kRaTls, .evidence = {}, .binding = {}, .public_key = key.spki(), .nonce = {}};
  GATEWAY_ASSIGN(out.evidence, take_evidence(*quote));
  GATEWAY_TRY(read_claims(*claims, key.spki(), out));
  out.binding.rule = "SHA-256 of the claims, which name the hash of the certificate's public key";
  out.binding.report_data.push_back(to_bytes(ByteView(crypto::sha256(*claims))));
  return out;
}

// --- conceptual message wrappers

// What a wrapper holds. The specification leaves the binding to the type of the message; evidence of the kinds known
// here is bound by a hash of the public key alone, of any of the three usual lengths.
Result<CarriedEvidence> wrapped(ByteView value, const crypto::PublicKey& key) {
  CarriedEvidence out{.format = Carrier::kCmw, .evidence = {}, .binding = {}, .public_key = key.spki(), .nonce = {}};
  GATEWAY_ASSIGN(out.evidence, take_evidence(value));
  out.binding.rule = "hash of the certificate's public key (SHA-256, SHA-384 or SHA-512)";
  for (const std::uint64_t algorithm : {1U, 7U, 8U}) {
    out.binding.report_data.push_back(*named_hash(algorithm, key.spki()));
  }
  return out;
}

Status check_indicator(std::uint64_t indicator) {
  if ((indicator & kEvidenceBit) != 0) return {};
  return wrapper_of_something_else("the message wrapper says that it does not hold evidence");
}

// [type, value, ? indicator]
Result<CarriedEvidence> read_cbor_record(CborReader& reader, const crypto::PublicKey& key) {
  const auto count = reader.array();
  if (!count || !*count || **count < 2 || **count > 3) return bad_wrapper("expected [type, value, indicator]");
  const auto type = reader.peek();
  if (type != CborType::kText && type != CborType::kUnsigned) {
    return bad_wrapper("the type is neither a media type nor a content format");
  }
  if (!reader.skip()) return bad_wrapper("the type cannot be read");
  const auto value = reader.bytes();
  if (!value) return bad_wrapper("the value is not a byte string of definite length");
  if (**count == 3) {
    const auto indicator = reader.unsigned_integer();
    if (!indicator) return bad_wrapper("the indicator is not a number");
    GATEWAY_TRY(check_indicator(*indicator));
  }
  return wrapped(*value, key);
}

Result<CarriedEvidence> read_cbor(ByteView item, const crypto::PublicKey& key) {
  auto reader = CborReader::open(item, kLimits, codec::CborProfile::kGeneral);
  if (!reader) return bad_encoding("the extension is not CBOR: " + reader.error().message());
  switch (reader->peek().value_or(CborType::kSimple)) {
    case CborType::kArray: return read_cbor_record(*reader, key);
    case CborType::kMap:
      return fail(ErrorCode::kUnsupported, "carrier.cmw.collection",
                  "a collection of messages, of which it is not said which one is the evidence",
                  "ask the sender for a message wrapper that holds evidence alone");
    case CborType::kTag: break;
    default: return bad_wrapper("expected a tagged item, an array or a map");
  }
  GATEWAY_ASSIGN(const std::uint64_t tag, reader->tag());
  if (tag < kFirstCmwTag || tag > kLastCmwTag) return read_tagged(tag, *reader, key);
  const auto value = reader->bytes();
  if (!value) return bad_wrapper("the tagged value is not a byte string of definite length");
  return wrapped(*value, key);
}

Result<CarriedEvidence> read_json(std::string_view text, const crypto::PublicKey& key) {
  const auto parsed = codec::parse_json(text, {.bytes = kMaxRaTlsExtension, .depth = 4, .values = 16});
  if (!parsed) return bad_wrapper("the text is not JSON: " + parsed.error().message());
  if (parsed->is_object()) {
    return fail(ErrorCode::kUnsupported, "carrier.cmw.collection",
                "a collection of messages, of which it is not said which one is the evidence",
                "ask the sender for a message wrapper that holds evidence alone");
  }
  const boost::json::array* const record = parsed->if_array();
  if (record == nullptr || record->size() < 2 || record->size() > 3 || !record->at(0).is_string() ||
      !record->at(1).is_string()) {
    return bad_wrapper("expected [type, value, indicator]");
  }
  const auto value = from_base64url(record->at(1).get_string());
  if (!value) return bad_wrapper("the value is not base64url");
  if (record->size() == 3) {
    const std::int64_t* const indicator = record->at(2).if_int64();
    if (indicator == nullptr || *indicator < 0) return bad_wrapper("the indicator is not a number");
    GATEWAY_TRY(check_indicator(static_cast<std::uint64_t>(*indicator)));
  }
  return wrapped(*value, key);
}

}  // namespace

Result<CarriedEvidence> parse_ra_tls(ByteView extension, const crypto::PublicKey& key) {
  if (extension.size() > kMaxRaTlsExtension) {
    return fail(ErrorCode::kLimitExceeded, "carrier.ra_tls.size",
                "expected an extension of at most " + std::to_string(kMaxRaTlsExtension) + " bytes, found " +
                    std::to_string(extension.size()),
                kRemedy);
  }
  // As a CMW the value is a DER choice of UTF8String (JSON) and OCTET STRING (CBOR); RA-TLS has bare CBOR. No CBOR item
  // that is expected here begins with these bytes.
  codec::DerReader reader(extension);
  if (reader.next_is(codec::der_tag::kUtf8String) || reader.next_is(codec::der_tag::kOctetString)) {
    const auto element = reader.any();
    if (!element || !reader.finish()) return bad_wrapper("the extension's value is not one DER element");
    if (element->tag == codec::der_tag::kUtf8String) return read_json(as_text(element->content), key);
    return read_cbor(element->content, key);
  }
  return read_cbor(extension, key);
}

}  // namespace gateway::attestation::formats
