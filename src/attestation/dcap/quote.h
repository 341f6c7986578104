// Intel DCAP quotes, versions 3 (SGX), 4 (SGX, TDX 1.0) and 5 (SGX, TDX 1.0, TDX 1.5): bytes to fields.
//
// Input:  untrusted, from a peer. Zero bytes may follow the declared length (drivers pad); nothing else may.
// Output: UnverifiedQuote: what the bytes say, nothing more. Views into the input.
// Bounds: kMaxQuoteSize bytes, padding included; every length inside is exact. Allocates nothing but check lines.
// Spec:   Intel SGX ECDSA QuoteLibReference, appendix A.4 (v3); Intel TDX DCAP Quoting Library API, appendix A.3 (v4,
//         v5). Attestation key type 2 (ECDSA P-256). Certification data of type 5, in v4 and v5 inside type 6.
// Errors: kMalformed dcap.quote.{truncated,reserved_not_zero,body_size,signature_size,trailing,report};
//         kUnsupported dcap.quote.{version,attestation_key_type,tee_type,body_type},
//         dcap.certification_data_type; kNotAuthentic dcap.quote.qe_vendor; kLimitExceeded dcap.quote.size
#pragma once

#include <string_view>
#include <variant>

#include "attestation/model/check.h"
#include "attestation/model/dcap_claims.h"
#include "base/bytes.h"

namespace gateway::attestation::dcap {

inline constexpr std::size_t kMaxQuoteSize = 64UZ * 1024;  // real ones have about 5000 bytes, padded ones 8000
inline constexpr std::size_t kHeaderSize = 48;

enum class Tee : std::uint8_t { kSgx, kTdx };

struct UnverifiedQuote {
  std::uint16_t version = 0;
  Tee tee{};
  std::uint16_t qe_svn = 0, pce_svn = 0;  // v3
  ByteArray<16> qe_vendor_id{};
  ByteArray<20> user_data{};
  std::variant<SgxReportBody, TdxClaims> body;  // by `tee`
  ByteView signed_region;                       // header, body descriptor (v5) and body
  ByteView signature;                           // 64: r ‖ s, by the attestation key
  ByteView attestation_key;                     // 64: x ‖ y
  ByteView qe_report;                           // 384
  SgxReportBody qe;                             // the same, in fields
  ByteView qe_report_signature;                 // 64: r ‖ s, by the PCK
  ByteView qe_auth_data;
  ByteView certification_data;  // PEM: PCK leaf, intermediate, root

  const SgxReportBody& sgx() const { return std::get<SgxReportBody>(body); }
  const TdxClaims& tdx() const { return std::get<TdxClaims>(body); }
};

// Whether the bytes begin as a quote does: enough to say which parser should explain what is wrong with them.
bool looks_like_dcap_quote(ByteView bytes);

// Leaves one line per rule in `checks`, when given.
Result<UnverifiedQuote> parse_quote(ByteView input, CheckList* checks = nullptr);

// "dcap.quote.v3", "dcap.quote.v4", "dcap.quote.v5".
std::string_view format_of(const UnverifiedQuote& quote);

}  // namespace gateway::attestation::dcap
