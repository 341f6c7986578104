#include "attestation/dcap/quote.h"

#include <algorithm>

#include "attestation/sgx/report.h"
#include "attestation/tdx/report.h"

namespace gateway::attestation::dcap {
namespace {

constexpr ErrorId kTruncated = "dcap.quote.truncated";
constexpr ErrorId kReserved = "dcap.quote.reserved_not_zero";

constexpr std::uint16_t kVersion3 = 3;
constexpr std::uint16_t kVersion4 = 4;
constexpr std::uint16_t kVersion5 = 5;
constexpr std::uint16_t kKeyEcdsaP256 = 2;
constexpr std::uint16_t kKeyEcdsaP384 = 3;
constexpr std::uint32_t kTeeSgx = 0x00;
constexpr std::uint32_t kTeeTdx = 0x81;
constexpr std::uint16_t kBodySgx = 1;
constexpr std::uint16_t kBodyTdx10 = 2;
constexpr std::uint16_t kBodyTdx15 = 3;
constexpr std::uint16_t kCertificationPckChain = 5;
constexpr std::uint16_t kCertificationQeReport = 6;
constexpr std::size_t kSignatureSize = 64;
constexpr std::size_t kKeySize = 64;
constexpr ByteArray<16> kIntelQeVendor{
    {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07}};

constexpr const char* kSender = "ask the sender for the quote's raw bytes; it was damaged or is not a DCAP quote";
constexpr const char* kVersionRemedy = "use a version of Gateway that knows this kind of quote";

std::string bytes_text(std::size_t size) { return std::to_string(size) + " bytes"; }

// What certification data of a type is, for people (QuoteLibReference, appendix A.4.9).
std::string certification_name(std::uint16_t type) {
  switch (type) {
    case 1: return "type 1: the PPID in clear";
    case 2: return "type 2: the PPID encrypted with RSA-2048";
    case 3: return "type 3: the PPID encrypted with RSA-3072";
    case 4: return "type 4: the PCK certificate alone";
    case 5: return "type 5: the PCK certificate chain";
    case 6: return "type 6: the QE's report";
    case 7: return "type 7: a platform manifest";
    default: return "type " + std::to_string(type);
  }
}

class QuoteReader {
 public:
  QuoteReader(ByteView input, CheckList& checks) : input_(input), reader_(input, kTruncated), checks_(checks) {}

  Result<UnverifiedQuote> read() {
    GATEWAY_TRY(checks_.require(input_.size() <= kMaxQuoteSize, ErrorCode::kLimitExceeded, "dcap.quote.size",
                                "at most " + bytes_text(kMaxQuoteSize),
                                input_.size() <= kMaxQuoteSize ? bytes_text(input_.size()) : "more",
                                "give the quote alone; none is that large"));
    if (auto status = read_all(); !status) return explained(std::move(status).error());
    return std::move(quote_);
  }

 private:
  // Errors of the reader have no line yet.
  std::unexpected<Error> explained(Error error) {
    const auto& lines = checks_.lines();
    const bool has_line = !lines.empty() && lines.back().outcome == Outcome::kRefused && lines.back().id == error.id();
    if (has_line) return std::unexpected(std::move(error));
    if (error.error_id() == kReserved) {
      return checks_.refused(ErrorCode::kMalformed, "dcap.quote.reserved_not_zero", "zeros in reserved bytes",
                             "another value", kSender);
    }
    return checks_.refused(ErrorCode::kMalformed, "dcap.quote.truncated", "a quote of the length that it declares",
                           "fewer bytes: " + bytes_text(input_.size()), kSender);
  }

  Status read_all() {
    GATEWAY_TRY(read_header());
    GATEWAY_TRY(read_body());
    GATEWAY_ASSIGN(const std::uint32_t signature_size, reader_.u32le());
    GATEWAY_ASSIGN(const ByteView signature_data, reader_.take(signature_size));
    checks_.held(kTruncated, "a quote of the length that it declares", bytes_text(reader_.offset()));
    const bool padded = std::ranges::all_of(reader_.rest(), [](std::uint8_t byte) { return byte == 0; });
    GATEWAY_TRY(checks_.require(padded, ErrorCode::kMalformed, "dcap.quote.trailing",
                                "nothing but zeros after the declared length",
                                padded ? bytes_text(reader_.rest().size()) + " of zeros" : "further bytes", kSender));
    return read_signature_data(signature_data);
  }

  Status read_header() {
    GATEWAY_ASSIGN(quote_.version, reader_.u16le());
    GATEWAY_TRY(checks_.require(quote_.version >= kVersion3 && quote_.version <= kVersion5, ErrorCode::kUnsupported,
                                "dcap.quote.version", "version 3, 4 or 5", std::to_string(quote_.version),
                                kVersionRemedy));
    GATEWAY_ASSIGN(const std::uint16_t key_type, reader_.u16le());
    GATEWAY_TRY(checks_.require(
        key_type == kKeyEcdsaP256, ErrorCode::kUnsupported, "dcap.quote.attestation_key_type", "type 2: ECDSA P-256",
        key_type == kKeyEcdsaP384 ? "type 3: ECDSA P-384" : "type " + std::to_string(key_type), kVersionRemedy));
    GATEWAY_ASSIGN(const std::uint32_t tee, reader_.u32le());
    if (quote_.version == kVersion3) {  // the field is reserved there: only SGX had quotes
      GATEWAY_TRY(checks_.require(tee == kTeeSgx, ErrorCode::kMalformed, kReserved, "zeros in reserved bytes",
                                  tee == kTeeSgx ? "zeros" : "another value", kSender));
    } else {
      GATEWAY_TRY(checks_.require(tee == kTeeSgx || tee == kTeeTdx, ErrorCode::kUnsupported, "dcap.quote.tee_type",
                                  "0 (SGX) or 129 (TDX)", std::to_string(tee), kVersionRemedy));
    }
    quote_.tee = tee == kTeeTdx ? Tee::kTdx : Tee::kSgx;
    if (quote_.version == kVersion3) {
      GATEWAY_ASSIGN(quote_.qe_svn, reader_.u16le());
      GATEWAY_ASSIGN(quote_.pce_svn, reader_.u16le());
    } else {
      GATEWAY_TRY(reader_.zeros(4, kReserved));
    }
    GATEWAY_ASSIGN(quote_.qe_vendor_id, reader_.array<16>());
    GATEWAY_TRY(checks_.require(quote_.qe_vendor_id == kIntelQeVendor, ErrorCode::kNotAuthentic, "dcap.quote.qe_vendor",
                                "Intel's quoting enclave, " + to_hex(kIntelQeVendor), to_hex(quote_.qe_vendor_id),
                                "do not trust this quote: nobody but Intel's quoting enclave is known here"));
    GATEWAY_ASSIGN(quote_.user_data, reader_.array<20>());
    return {};
  }

  // Size of the body. v5 says it; before, the TEE implies it.
  Result<std::size_t> body_size() {
    if (quote_.version != kVersion5) return quote_.tee == Tee::kTdx ? tdx::kReport10Size : sgx::kReportBodySize;
    GATEWAY_ASSIGN(const std::uint16_t type, reader_.u16le());
    const bool fits = quote_.tee == Tee::kTdx ? type == kBodyTdx10 || type == kBodyTdx15 : type == kBodySgx;
    GATEWAY_TRY(checks_.require(fits, ErrorCode::kUnsupported, "dcap.quote.body_type",
                                quote_.tee == Tee::kTdx ? "type 2 or 3: a TDX report" : "type 1: an SGX report",
                                std::to_string(type), kVersionRemedy));
    const std::size_t expected = type == kBodySgx     ? sgx::kReportBodySize
                                 : type == kBodyTdx10 ? tdx::kReport10Size
                                                      : tdx::kReport15Size;
    GATEWAY_ASSIGN(const std::uint32_t size, reader_.u32le());
    GATEWAY_TRY(checks_.require(size == expected, ErrorCode::kMalformed, "dcap.quote.body_size", bytes_text(expected),
                                bytes_text(size), kSender));
    return expected;
  }

  std::unexpected<Error> bad_report(const Error& cause) {
    return checks_.refused(ErrorCode::kMalformed, "dcap.quote.report", "a report with zeros in its reserved bytes",
                           std::string(cause.id()), kSender);
  }

  Status read_body() {
    GATEWAY_ASSIGN(const std::size_t size, body_size());
    GATEWAY_ASSIGN(const ByteView body, reader_.take(size));
    quote_.signed_region = input_.first(reader_.offset());
    if (quote_.tee == Tee::kTdx) {
      GATEWAY_ASSIGN(quote_.body, tdx::parse_report_body(body));  // fails by size alone, which is right here
    } else {
      auto report = sgx::parse_report_body(body);
      if (!report) return bad_report(report.error());
      quote_.body = *report;
    }
    return {};
  }

  std::unexpected<Error> bad_signature_size(std::string actual) {
    return checks_.refused(ErrorCode::kMalformed, "dcap.quote.signature_size",
                           "signature data whose parts fill it exactly", std::move(actual), kSender);
  }

  Status check_certification(std::uint16_t found, std::uint16_t wanted) {
    return checks_.require(found == wanted, ErrorCode::kUnsupported, "dcap.certification_data_type",
                           certification_name(wanted), certification_name(found),
                           "have the attester's quote provider send the PCK certificate chain");
  }

  Status read_signature_data(ByteView data) {
    if (auto status = read_parts(data); !status) {
      if (status.error().error_id() == kTruncated) return bad_signature_size("a part that is cut off");
      return status;
    }
    checks_.held("dcap.quote.signature_size", "signature data whose parts fill it exactly", bytes_text(data.size()));
    return {};
  }

  Status read_parts(ByteView data) {
    ByteReader outer(data, kTruncated);
    GATEWAY_ASSIGN(quote_.signature, outer.take(kSignatureSize));
    GATEWAY_ASSIGN(quote_.attestation_key, outer.take(kKeySize));
    if (quote_.version == kVersion3) return read_qe_part(outer);
    GATEWAY_ASSIGN(const std::uint16_t type, outer.u16le());
    GATEWAY_TRY(check_certification(type, kCertificationQeReport));
    GATEWAY_ASSIGN(const std::uint32_t size, outer.u32le());
    GATEWAY_ASSIGN(const ByteView content, outer.take(size));
    if (!outer.empty()) return bad_signature_size("further bytes");
    ByteReader inner(content, kTruncated);
    return read_qe_part(inner);
  }

  // The QE's report, its signature, its authentication data and the PCK chain.
  Status read_qe_part(ByteReader& reader) {
    GATEWAY_ASSIGN(quote_.qe_report, reader.take(sgx::kReportBodySize));
    auto report = sgx::parse_report_body(quote_.qe_report);
    if (!report) return bad_report(report.error());
    quote_.qe = *report;
    GATEWAY_ASSIGN(quote_.qe_report_signature, reader.take(kSignatureSize));
    GATEWAY_ASSIGN(const std::uint16_t auth_size, reader.u16le());
    GATEWAY_ASSIGN(quote_.qe_auth_data, reader.take(auth_size));
    GATEWAY_ASSIGN(const std::uint16_t type, reader.u16le());
    GATEWAY_TRY(check_certification(type, kCertificationPckChain));
    GATEWAY_ASSIGN(const std::uint32_t size, reader.u32le());
    GATEWAY_ASSIGN(quote_.certification_data, reader.take(size));
    if (!reader.empty()) return bad_signature_size("further bytes");
    return {};
  }

  ByteView input_;
  ByteReader reader_;
  CheckList& checks_;
  UnverifiedQuote quote_;
};

}  // namespace

bool looks_like_dcap_quote(ByteView bytes) {
  ByteReader reader(bytes, kTruncated);
  const auto version = reader.u16le();
  const auto key_type = reader.u16le();
  if (!version || !key_type || *version < kVersion3 || *version > kVersion5) return false;
  // SEV-SNP reports begin with a version of four bytes, whose upper two are zero.
  return *key_type == kKeyEcdsaP256 || *key_type == kKeyEcdsaP384;
}

Result<UnverifiedQuote> parse_quote(ByteView input, CheckList* checks) {
  CheckList own;
  return QuoteReader(input, checks != nullptr ? *checks : own).read();
}

std::string_view format_of(const UnverifiedQuote& quote) {
  switch (quote.version) {
    case kVersion3: return "dcap.quote.v3";
    case kVersion4: return "dcap.quote.v4";
    default: return "dcap.quote.v5";
  }
}

}  // namespace gateway::attestation::dcap
