#include "attestation/formats/open_enclave.h"

#include <algorithm>

#include "crypto/hash.h"

namespace gateway::attestation::formats {
namespace {

constexpr std::uint32_t kReportVersion = 1, kEvidenceVersion = 3;
constexpr std::uint32_t kRemote = 2;  // OE_REPORT_TYPE_SGX_REMOTE
constexpr ByteArray<16> kSgxEcdsa = {0xa3, 0xa2, 0x1e, 0x87, 0x1b, 0x4d, 0x40, 0x14,
                                     0xb7, 0x0a, 0xa1, 0x25, 0xd2, 0xfb, 0xcd, 0x8c};

// An SGX quote of version 3: 48 bytes of header, 384 of report body (its last 64 the report data), a length, that much.
constexpr std::size_t kQuoteHead = 436;
constexpr std::size_t kReportDataAt = 368;
constexpr ByteArray<4> kQuoteV3 = {3, 0, 2, 0};  // version 3, ECDSA P-256

constexpr const char* kRemedy = "give the evidence as Open Enclave's oe_get_evidence or oe_get_report returned it";

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), kRemedy);
}

bool starts_with(ByteView bytes, ByteView prefix) {
  return bytes.size() >= prefix.size() && equal(bytes.first(prefix.size()), prefix);
}

// No evidence that stands on its own begins with version 1 and a type.
bool has_report_header(ByteView bytes) {
  constexpr ByteArray<8> kLocalReport = {1, 0, 0, 0, 1}, kRemoteReport = {1, 0, 0, 0, 2};
  return starts_with(bytes, kLocalReport) || starts_with(bytes, kRemoteReport);
}

// A report of SEV-SNP of version 3 begins with the same word, so the format's name must follow.
bool has_evidence_header(ByteView bytes) {
  constexpr ByteArray<4> kVersion = {3, 0, 0, 0};
  return starts_with(bytes, kVersion) && starts_with(bytes.subspan(4), kSgxEcdsa);
}

// Where the quote ends, by its own length; nullopt: not a quote, or cut.
std::optional<std::size_t> quote_size(ByteView bytes) {
  if (bytes.size() < kQuoteHead || !starts_with(bytes, kQuoteV3)) return std::nullopt;
  ByteReader reader(bytes.subspan(kQuoteHead - 4), "carrier.open_enclave.truncated");
  const auto rest = reader.u32le();
  if (!rest || *rest > bytes.size() - kQuoteHead) return std::nullopt;
  return kQuoteHead + *rest;
}

bool vouches_for(ByteView quote, ByteView custom_claims) {
  return equal(quote.subspan(kReportDataAt, 32), crypto::sha256(custom_claims));
}

// A length of eight bytes and exactly as much.
Result<ByteView> sized_body(ByteReader& reader) {
  GATEWAY_ASSIGN(const std::uint64_t size, reader.u64le());
  if (size != reader.rest().size()) {
    return malformed("carrier.open_enclave.size", "the header gives " + std::to_string(size) + " bytes, found " +
                                                      std::to_string(reader.rest().size()));
  }
  return reader.rest();
}

// Both from behind the version.
Result<OpenEnclaveEvidence> parse_report(ByteReader reader) {
  GATEWAY_ASSIGN(const std::uint32_t type, reader.u32le());
  if (type != kRemote) {
    return fail(ErrorCode::kUnsupported, "carrier.open_enclave.type",
                "expected a report for remote attestation (type 2), found type " + std::to_string(type),
                "a local report proves nothing to another machine: ask for OE_REPORT_FLAGS_REMOTE_ATTESTATION");
  }
  GATEWAY_ASSIGN(const ByteView quote, sized_body(reader));
  return OpenEnclaveEvidence{Carrier::kOpenEnclaveReport, quote, std::nullopt};
}

Result<ByteView> strip_header(ByteReader reader) {
  constexpr std::size_t kPadding = 4;  // of the C structure: whatever lay there
  GATEWAY_ASSIGN(const ByteView format, reader.take(kSgxEcdsa.size() + kPadding));
  if (!starts_with(format, kSgxEcdsa)) {
    return fail(ErrorCode::kUnsupported, "carrier.open_enclave.format",
                "expected evidence of the format SGX ECDSA, found another format", kRemedy);
  }
  return sized_body(reader);
}

Result<OpenEnclaveEvidence> parse_evidence(ByteView body) {
  const auto size = quote_size(body);
  if (!size) return malformed("carrier.open_enclave.size", "the evidence does not hold a whole SGX quote of version 3");
  const ByteView claims = body.subspan(*size);
  if (claims.size() > kMaxCustomClaims || !vouches_for(body, claims)) {
    return malformed("carrier.open_enclave.claims", "the quote's report data is not the SHA-256 of the " +
                                                        std::to_string(claims.size()) +
                                                        " bytes of custom claims behind it");
  }
  return OpenEnclaveEvidence{Carrier::kOpenEnclaveEvidence, body.first(*size), claims};
}

}  // namespace

bool looks_like_open_enclave(ByteView bytes) {
  if (has_report_header(bytes) || has_evidence_header(bytes)) return true;
  const auto size = quote_size(bytes);
  return size && *size < bytes.size() && bytes.size() - *size <= kMaxCustomClaims &&
         vouches_for(bytes, bytes.subspan(*size));
}

Result<OpenEnclaveEvidence> parse_open_enclave(ByteView bytes) {
  if (bytes.size() > kMaxEvidenceSize) GATEWAY_TRY(take_evidence(bytes));
  ByteReader reader(bytes, "carrier.open_enclave.truncated");
  GATEWAY_ASSIGN(const std::uint32_t version, reader.u32le());
  if (version == kReportVersion) return parse_report(reader);
  if (version == kEvidenceVersion) {
    GATEWAY_ASSIGN(const ByteView body, strip_header(reader));
    return parse_evidence(body);
  }
  return parse_evidence(bytes);
}

Result<CarriedEvidence> carried_open_enclave(ByteView bytes) {
  GATEWAY_ASSIGN(const OpenEnclaveEvidence found, parse_open_enclave(bytes));
  CarriedEvidence out{.format = found.format, .evidence = {}, .binding = {}, .public_key = {}, .nonce = {}};
  GATEWAY_ASSIGN(out.evidence, take_evidence(found.quote));
  return out;
}

Result<CarriedEvidence> carried_open_enclave(ByteView bytes, const crypto::PublicKey& key) {
  GATEWAY_ASSIGN(const OpenEnclaveEvidence found, parse_open_enclave(bytes));
  CarriedEvidence out{.format = found.format, .evidence = {}, .binding = {}, .public_key = key.spki(), .nonce = {}};
  GATEWAY_ASSIGN(out.evidence, take_evidence(found.quote));
  // PEM as a C string is hashed with its terminator by enclaves that count it and without by those that do not: both
  // say the same key.
  GATEWAY_ASSIGN(const std::string pem, key.to_pem());
  std::string terminated = pem;
  terminated.push_back('\0');
  if (!found.custom_claims) {
    out.binding.rule = "SHA-256 of the certificate's public key in PEM";
    for (const std::string& text : {pem, terminated}) {
      out.binding.report_data.push_back(to_bytes(ByteView(crypto::sha256(as_bytes(text)))));
    }
    return out;
  }
  const std::string_view claims = as_text(*found.custom_claims);
  if (claims != pem && claims != terminated) {
    return fail(ErrorCode::kNotAuthentic, "carrier.open_enclave.public_key",
                "the evidence's custom claims are not the certificate's public key in PEM",
                "the evidence was made for another key: somebody relays evidence that is not theirs");
  }
  out.binding.rule = "SHA-256 of the custom claims, which are the certificate's public key";
  out.binding.report_data.push_back(to_bytes(ByteView(crypto::sha256(*found.custom_claims))));
  return out;
}

}  // namespace gateway::attestation::formats
