#include "attestation/snp/hcl.h"

#include <algorithm>

#include "attestation/snp/report.h"
#include "crypto/hash.h"

namespace gateway::attestation::snp {
namespace {

constexpr const char* kSender = "ask the sender for the whole of the vTPM's NV index 0x01400001";
constexpr std::uint32_t kMagic = 0x414c4348;  // "HCLA"
constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kRequestSize = 20;
constexpr std::size_t kRequestOffset = kHeaderSize + kReportSize;
constexpr std::size_t kDataOffset = kRequestOffset + kRequestSize;
constexpr std::uint32_t kTypeSnp = 2;
constexpr std::size_t kReportDataOffset = 0x50, kReportDataSize = 64;

struct Header {
  std::uint32_t magic = 0, version = 0, report_size = 0, request_type = 0, status = 0;
};
struct Request {
  std::uint32_t size = 0, version = 0, report_type = 0, hash_type = 0, data_size = 0;
};

Result<Header> read_header(ByteReader& reader) {
  Header header;
  for (std::uint32_t* field :
       {&header.magic, &header.version, &header.report_size, &header.request_type, &header.status}) {
    GATEWAY_ASSIGN(*field, reader.u32le());
  }
  GATEWAY_TRY(reader.zeros(12, "snp.hcl.header"));
  return header;
}

Result<Request> read_request(ByteReader& reader) {
  Request request;
  for (std::uint32_t* field :
       {&request.size, &request.version, &request.report_type, &request.hash_type, &request.data_size}) {
    GATEWAY_ASSIGN(*field, reader.u32le());
  }
  return request;
}

Bytes digest_of(std::uint32_t hash_type, ByteView data) {
  const auto bytes = [](const auto& digest) { return to_bytes(ByteView(digest)); };
  switch (hash_type) {
    case 1: return bytes(crypto::sha256(data));
    case 2: return bytes(crypto::sha384(data));
    case 3: return bytes(crypto::sha512(data));
    default: return {};
  }
}

bool zeros(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

Status check_binding(ByteView report, const Request& request, ByteView data, CheckList& checks) {
  const Bytes digest = digest_of(request.hash_type, data);
  GATEWAY_TRY(checks.require(!digest.empty(), ErrorCode::kUnsupported, "snp.hcl.hash_type",
                             "1 (SHA-256), 2 (SHA-384) or 3 (SHA-512)", std::to_string(request.hash_type), kSender));
  const ByteView report_data = report.subspan(kReportDataOffset, kReportDataSize);
  const bool bound = equal(report_data.first(digest.size()), digest) && zeros(report_data.subspan(digest.size()));
  return checks.require(bound, ErrorCode::kNotAuthentic, "snp.hcl.runtime_data",
                        "report data that is the hash of the runtime data, then zeros",
                        bound ? "they belong together" : "another hash",
                        "the runtime data was changed or belongs to another report; do not trust it");
}

}  // namespace

bool looks_like_hcl(ByteView input) {
  if (input.size() < kDataOffset) return false;
  ByteReader reader(input, "snp.hcl.size");
  const auto header = read_header(reader);
  if (!header || header->magic != kMagic || !reader.take(kReportSize)) return false;
  const auto request = read_request(reader);
  return request && request->report_type == kTypeSnp;
}

Result<HclEvidence> parse_hcl(ByteView input, CheckList& checks) {
  GATEWAY_TRY(checks.require(input.size() >= kDataOffset && input.size() <= kMaxHclSize, ErrorCode::kMalformed,
                             "snp.hcl.size",
                             std::to_string(kDataOffset) + " to " + std::to_string(kMaxHclSize) + " bytes",
                             std::to_string(input.size()) + " bytes", kSender));
  ByteReader reader(input, "snp.hcl.size");
  const auto header = read_header(reader);
  const bool plain = header && header->magic == kMagic && header->status == 0;
  GATEWAY_TRY(checks.require(plain, ErrorCode::kMalformed, "snp.hcl.header", "\"HCLA\", status 0, reserved zeros",
                             plain ? "as expected" : "another header", kSender));
  GATEWAY_ASSIGN(const ByteView report, reader.take(kReportSize));
  GATEWAY_ASSIGN(const Request request, read_request(reader));
  const bool known = (header->version == 1 || header->version == 2) && request.version == 1;
  GATEWAY_TRY(checks.require(known, ErrorCode::kUnsupported, "snp.hcl.version", "header version 1 or 2, data version 1",
                             std::to_string(header->version) + " and " + std::to_string(request.version), kSender));
  GATEWAY_TRY(checks.require(request.report_type == kTypeSnp, ErrorCode::kUnsupported, "snp.hcl.report_type",
                             "2: SEV-SNP", std::to_string(request.report_type), kSender));
  // Three lengths say the same thing; they must agree with each other and with what is there.
  const bool sizes = request.data_size <= reader.rest().size() &&
                     request.size == std::uint64_t{request.data_size} + kRequestSize &&
                     header->report_size == std::uint64_t{request.data_size} + kDataOffset;
  GATEWAY_TRY(checks.require(sizes, ErrorCode::kMalformed, "snp.hcl.size", "lengths that agree with each other",
                             std::to_string(header->report_size) + ", " + std::to_string(request.size) + " and " +
                                 std::to_string(request.data_size),
                             kSender));
  GATEWAY_ASSIGN(const ByteView data, reader.take(request.data_size));
  const bool padded = zeros(reader.rest());
  GATEWAY_TRY(checks.require(padded, ErrorCode::kMalformed, "snp.hcl.padding", "zeros after the runtime data",
                             padded ? "zeros" : "other bytes", kSender));
  GATEWAY_TRY(check_binding(report, request, data, checks));
  return HclEvidence{.report = report, .runtime_data = data};
}

}  // namespace gateway::attestation::snp
