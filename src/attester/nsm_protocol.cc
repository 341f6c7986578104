#include "attester/nsm_protocol.h"

#include <array>

namespace gateway::attester {
namespace {

using codec::CborReader;
using codec::CborWriter;

constexpr codec::CborLimits kRequestLimits{.bytes = kNsmMaxRequest, .depth = 3, .items = 32};

constexpr std::array<std::string_view, 8> kErrorNames{"InvalidArgument", "InvalidIndex",     "InvalidResponse",
                                                      "ReadOnlyIndex",   "InvalidOperation", "BufferTooSmall",
                                                      "InputTooLarge",   "InternalError"};
constexpr std::array<std::string_view, 7> kOperationNames{"DescribeNSM", "DescribePCR", "ExtendPCR", "LockPCR",
                                                          "LockPCRs",    "Attestation", "GetRandom"};

bool is_bare(NsmOperation operation) {
  return operation == NsmOperation::kDescribeNsm || operation == NsmOperation::kGetRandom;
}

std::optional<NsmOperation> operation_from(std::string_view text) {
  for (std::size_t i = 0; i < kOperationNames.size(); ++i) {
    if (kOperationNames.at(i) == text) return static_cast<NsmOperation>(i);
  }
  return std::nullopt;
}

// Reads the fields of a request; every key must belong to the operation, and all that it needs must be there.
class FieldReader {
 public:
  FieldReader(CborReader& reader, NsmRequest& request) : reader_(reader), request_(request) {}

  bool read() {
    if (!reader_.map()) return false;
    while (reader_.peek()) {
      const auto key = reader_.text();
      if (!key || !read_field(*key)) return false;
    }
    return reader_.end().has_value() && complete();
  }

 private:
  bool read_field(std::string_view key) {
    switch (request_.operation) {
      case NsmOperation::kDescribePcr:
      case NsmOperation::kLockPcr: return key == "index" && read_index();
      case NsmOperation::kLockPcrs: return key == "range" && read_index();
      case NsmOperation::kExtendPcr: return key == "index" ? read_index() : key == "data" && read_data();
      case NsmOperation::kAttestation:
        if (key == "user_data") return read_optional(request_.user_data);
        if (key == "nonce") return read_optional(request_.nonce);
        return key == "public_key" && read_optional(request_.public_key);
      case NsmOperation::kDescribeNsm:
      case NsmOperation::kGetRandom: return false;
    }
    return false;
  }

  bool complete() const {
    if (request_.operation == NsmOperation::kAttestation) return true;
    return has_index_ && (has_data_ || request_.operation != NsmOperation::kExtendPcr);
  }

  bool read_index() {
    const auto value = reader_.unsigned_integer();
    if (!value || *value > 0xffff) return false;  // u16 in the protocol
    request_.index = static_cast<unsigned>(*value);
    has_index_ = true;
    return true;
  }

  bool read_data() {
    const auto value = reader_.bytes();
    if (!value) return false;
    request_.data = *value;
    has_data_ = true;
    return true;
  }

  bool read_optional(std::optional<ByteView>& field) {
    if (reader_.take_null()) return true;
    const auto value = reader_.bytes();
    if (!value) return false;
    field = *value;
    return true;
  }

  CborReader& reader_;
  NsmRequest& request_;
  bool has_index_ = false;
  bool has_data_ = false;
};

void write_optional(CborWriter& writer, std::string_view key, const std::optional<ByteView>& value) {
  writer.text(key);
  if (value) writer.bytes(*value);
  else writer.null();
}

}  // namespace

std::string_view to_string(NsmErrorCode code) { return kErrorNames.at(static_cast<std::size_t>(code)); }
std::string_view to_string(NsmOperation operation) { return kOperationNames.at(static_cast<std::size_t>(operation)); }

std::optional<NsmErrorCode> nsm_error_from(std::string_view text) {
  for (std::size_t i = 0; i < kErrorNames.size(); ++i) {
    if (kErrorNames.at(i) == text) return static_cast<NsmErrorCode>(i);
  }
  return std::nullopt;
}

Bytes encode_request(const NsmRequest& request) {
  CborWriter writer;
  if (is_bare(request.operation)) {
    writer.text(to_string(request.operation));
    return std::move(writer).take();
  }
  writer.map(1).text(to_string(request.operation));
  switch (request.operation) {
    case NsmOperation::kLockPcrs: writer.map(1).text("range").unsigned_integer(request.index); break;
    case NsmOperation::kExtendPcr:
      writer.map(2).text("data").bytes(request.data).text("index").unsigned_integer(request.index);
      break;
    case NsmOperation::kAttestation:
      writer.map(3);
      write_optional(writer, "nonce", request.nonce);
      write_optional(writer, "user_data", request.user_data);
      write_optional(writer, "public_key", request.public_key);
      break;
    default: writer.map(1).text("index").unsigned_integer(request.index); break;
  }
  return std::move(writer).take();
}

std::optional<NsmRequest> parse_request(ByteView bytes) {
  auto reader = CborReader::open(bytes, kRequestLimits, codec::CborProfile::kGeneral);
  if (!reader) return std::nullopt;
  NsmRequest request;
  if (reader->peek() == codec::CborType::kText) {
    const auto name = reader->text();
    const auto operation = name ? operation_from(*name) : std::nullopt;
    if (!operation || !is_bare(*operation)) return std::nullopt;
    request.operation = *operation;
    return request;
  }
  if (!reader->map()) return std::nullopt;
  if (!reader->peek()) return std::nullopt;
  const auto name = reader->text();
  const auto operation = name ? operation_from(*name) : std::nullopt;
  if (!operation || is_bare(*operation)) return std::nullopt;
  request.operation = *operation;
  if (!FieldReader(*reader, request).read() || !reader->end()) return std::nullopt;
  return request;
}

}  // namespace gateway::attester
