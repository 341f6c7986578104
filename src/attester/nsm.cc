#include "attester/nsm.h"

#include "attestation/nitro/authenticate.h"
#include "attester/nsm_protocol.h"
#include "crypto/random.h"

namespace gateway::attester {
namespace {

using codec::CborReader;

constexpr codec::CborLimits kResponseLimits{.bytes = kNsmMaxResponse, .depth = 4, .items = 128};
constexpr std::size_t kPcrSize = 48;

std::unexpected<Error> bad_answer(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail),
              "the security module (on platform local the shim) is broken or hostile; stop this enclave");
}

std::unexpected<Error> device_error(NsmErrorCode code) {
  constexpr const char* kRemedy = "the security module refused the request";
  const std::string name = "the device answered " + std::string(to_string(code));
  switch (code) {
    case NsmErrorCode::kInvalidArgument:
      return fail(ErrorCode::kInvalidArgument, "nsm.error.invalid_argument", name, kRemedy);
    case NsmErrorCode::kInvalidIndex:
      return fail(ErrorCode::kInvalidArgument, "nsm.error.invalid_index", name, kRemedy);
    case NsmErrorCode::kReadOnlyIndex:
      return fail(ErrorCode::kInvalidArgument, "nsm.error.read_only_index", name,
                  "the register is locked: it was extended or locked before, by this runtime or by something older");
    case NsmErrorCode::kInvalidOperation:
      return fail(ErrorCode::kInvalidArgument, "nsm.error.invalid_operation", name, kRemedy);
    case NsmErrorCode::kInputTooLarge:
      return fail(ErrorCode::kInvalidArgument, "nsm.error.input_too_large", name, kRemedy);
    case NsmErrorCode::kBufferTooSmall:
    case NsmErrorCode::kInvalidResponse:
    case NsmErrorCode::kInternalError: break;
  }
  return fail(ErrorCode::kUnavailable, "nsm.error.internal", name, "try again; if it stays, restart the enclave");
}

// A reader that stands inside the answer to `operation`: at the value of its one key, or at the end for a bare text.
Result<CborReader> open_answer(ByteView bytes, NsmOperation operation) {
  auto reader = CborReader::open(bytes, kResponseLimits, codec::CborProfile::kGeneral);
  if (!reader) return bad_answer("nsm.response.structure", reader.error().message());
  const bool bare = reader->peek() == codec::CborType::kText;
  if (!bare) {
    const auto entries = reader->map();
    if (!entries || !reader->peek()) return bad_answer("nsm.response.structure", "expected a text or a map of one key");
  }
  const auto name = reader->text();
  if (!name) return bad_answer("nsm.response.structure", "expected the name of an operation");
  if (!bare && *name == "Error") {
    const auto text = reader->text();
    const auto code = text ? nsm_error_from(*text) : std::nullopt;
    if (!code) return bad_answer("nsm.response.structure", "expected one of the device's error codes");
    return device_error(*code);
  }
  const bool unit = operation == NsmOperation::kLockPcr || operation == NsmOperation::kLockPcrs;
  if (*name != to_string(operation) || bare != unit) {
    return bad_answer("nsm.response.operation", "expected the answer to " + std::string(to_string(operation)));
  }
  return std::move(*reader);
}

std::unexpected<Error> bad_value(NsmOperation operation) {
  return bad_answer("nsm.response.value", "a field of the answer to " + std::string(to_string(operation)) +
                                              " is missing, unknown, of the wrong type or of the wrong size");
}

// Leaves the fields' map and the map of the one key.
bool finish(CborReader& reader) { return reader.end().has_value() && reader.end().has_value(); }

// An answer with one byte string: {"ExtendPCR": {"data": …}} and its like.
Result<Bytes> read_single(ByteView answer, NsmOperation operation, std::string_view field) {
  GATEWAY_ASSIGN(auto reader, open_answer(answer, operation));
  if (!reader.map() || !reader.peek()) return bad_value(operation);
  const auto key = reader.text();
  if (!key || *key != field) return bad_value(operation);
  const auto value = reader.bytes();
  if (!value || !finish(reader)) return bad_value(operation);
  return to_bytes(*value);
}

Result<Bytes> transact(NsmDevice& device, const NsmRequest& request) {
  const Bytes bytes = encode_request(request);
  if (bytes.size() > kNsmMaxRequest) {
    return fail(ErrorCode::kLimitExceeded, "nsm.request.size",
                "expected at most " + std::to_string(kNsmMaxRequest) + " bytes, found " + std::to_string(bytes.size()));
  }
  GATEWAY_ASSIGN(Bytes answer, device.transact(bytes));
  if (answer.size() > kNsmMaxResponse) {
    return fail(
        ErrorCode::kLimitExceeded, "nsm.response.size",
        "expected at most " + std::to_string(kNsmMaxResponse) + " bytes, found " + std::to_string(answer.size()));
  }
  return answer;
}

bool read_locked(CborReader& reader, std::set<unsigned>& locked) {
  if (!reader.array()) return false;
  while (reader.peek()) {
    const auto index = reader.unsigned_integer();
    if (!index || *index >= kNsmPcrs || !locked.insert(static_cast<unsigned>(*index)).second) return false;
  }
  return reader.end().has_value();
}

}  // namespace

Result<Bytes> NsmClient::attest(ByteView report_data, std::optional<ByteView> nonce) {
  NsmRequest request{.operation = NsmOperation::kAttestation};
  request.user_data = report_data;
  request.nonce = nonce;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, request));
  return read_single(answer, NsmOperation::kAttestation, "document");
}

Result<Bytes> Attester::attest_key(ByteView, ByteView) {
  return fail(ErrorCode::kUnsupported, "attester.no_key", "evidence of this platform has no field for a key");
}

Result<Bytes> NsmClient::attest_key(ByteView report_data, ByteView spki) {
  NsmRequest request{.operation = NsmOperation::kAttestation};
  request.user_data = report_data;
  request.public_key = spki;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, request));
  return read_single(answer, NsmOperation::kAttestation, "document");
}

Status NsmClient::extend_register(unsigned index, ByteView data) {
  NsmRequest request{.operation = NsmOperation::kExtendPcr, .index = index};
  request.data = data;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, request));
  GATEWAY_ASSIGN(const Bytes value, read_single(answer, NsmOperation::kExtendPcr, "data"));
  if (value.size() != kPcrSize) return bad_value(NsmOperation::kExtendPcr);
  return {};
}

Status NsmClient::lock_registers(unsigned count) {
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, {.operation = NsmOperation::kLockPcrs, .index = count}));
  GATEWAY_TRY(open_answer(answer, NsmOperation::kLockPcrs));
  return {};
}

Result<Bytes> NsmClient::random() {
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, {.operation = NsmOperation::kGetRandom}));
  GATEWAY_ASSIGN(Bytes random, read_single(answer, NsmOperation::kGetRandom, "random"));
  if (random.empty()) return bad_value(NsmOperation::kGetRandom);
  return random;
}

Result<Time> NsmClient::trusted_time() {
  // A nonce of its own shows that the document was made now: an old one from the same device would lack it.
  const auto nonce = crypto::random_array<32>();
  NsmRequest request{.operation = NsmOperation::kAttestation};
  request.nonce = nonce;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, request));
  GATEWAY_ASSIGN(const Bytes bytes, read_single(answer, NsmOperation::kAttestation, "document"));
  GATEWAY_ASSIGN(const auto document, attestation::nitro::parse_document(bytes));
  if (!document.nonce || !equal(*document.nonce, nonce)) {
    return bad_answer("nsm.response.value", "the document for the time does not carry the nonce that was asked for");
  }
  // On nitro only AWS's chain may tell the time; on local the virtual NSM's root, whichever it is, for what it is
  // worth.
  attestation::nitro::Anchors anchors;
  if (platform_ == attestation::Platform::kLocal) {
    anchors.local_root_sha256.push_back(crypto::sha256(document.cabundle.front()));
  }
  GATEWAY_ASSIGN(const auto claims, attestation::nitro::authenticate(document, anchors, document.timestamp));
  return claims.nitro().timestamp;
}

Result<NsmDescription> NsmClient::describe() {
  constexpr auto kOperation = NsmOperation::kDescribeNsm;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, {.operation = kOperation}));
  GATEWAY_ASSIGN(auto reader, open_answer(answer, kOperation));
  NsmDescription description;
  std::set<std::string_view> seen;
  if (!reader.map()) return bad_value(kOperation);
  while (reader.peek()) {
    const auto key = reader.text();
    if (!key) return bad_value(kOperation);
    seen.insert(*key);
    if (*key == "module_id" || *key == "digest") {
      const auto text = reader.text();
      if (!text || text->empty() || text->size() > attestation::nitro::kMaxModuleId) return bad_value(kOperation);
      (*key == "digest" ? description.digest : description.module_id) = std::string(*text);
    } else if (*key == "locked_pcrs") {
      if (!read_locked(reader, description.locked_pcrs)) return bad_value(kOperation);
    } else if (*key == "max_pcrs" || key->starts_with("version_")) {
      const auto value = reader.unsigned_integer();
      if (!value || *value > 0xffff) return bad_value(kOperation);
      if (*key == "max_pcrs") description.max_pcrs = static_cast<unsigned>(*value);
    } else {
      return bad_value(kOperation);
    }
  }
  for (const char* needed : {"module_id", "digest", "locked_pcrs", "max_pcrs"}) {
    if (!seen.contains(needed)) return bad_value(kOperation);
  }
  if (!finish(reader) || description.digest != "SHA384" || description.max_pcrs != kNsmPcrs)
    return bad_value(kOperation);
  return description;
}

Result<PcrState> NsmClient::describe_pcr(unsigned index) {
  constexpr auto kOperation = NsmOperation::kDescribePcr;
  GATEWAY_ASSIGN(const Bytes answer, transact(*device_, {.operation = kOperation, .index = index}));
  GATEWAY_ASSIGN(auto reader, open_answer(answer, kOperation));
  PcrState state;
  bool has_lock = false;
  if (!reader.map()) return bad_value(kOperation);
  while (reader.peek()) {
    const auto key = reader.text();
    if (key && *key == "lock") {
      const auto lock = reader.boolean();
      if (!lock) return bad_value(kOperation);
      state.locked = *lock;
      has_lock = true;
    } else if (key && *key == "data") {
      const auto value = reader.bytes();
      if (!value) return bad_value(kOperation);
      state.value = to_bytes(*value);
    } else {
      return bad_value(kOperation);
    }
  }
  if (!finish(reader) || !has_lock || state.value.size() != kPcrSize) return bad_value(kOperation);
  return state;
}

}  // namespace gateway::attester
