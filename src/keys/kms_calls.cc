#include "keys/kms_calls.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "codec/json.h"
#include "keys/kms_envelope.h"

namespace gateway::keys {
namespace {

namespace json = boost::json;

constexpr std::string_view kService = "TrentService.";
constexpr std::size_t kMaxRandom = 1024;
constexpr codec::JsonLimits kRequestLimits{.bytes = kMaxKmsRequest, .depth = 4, .values = 256};
constexpr codec::JsonLimits kAnswerLimits{.bytes = kMaxKmsAnswer, .depth = 4, .values = 256};

std::unexpected<Error> bad_request(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "kms.request", std::move(what), "see docs/platforms/nitro.md, AWS KMS");
}

Result<json::object> parse_object(std::string_view text, const codec::JsonLimits& limits) {
  auto value = codec::parse_json(text.empty() ? "{}" : text, limits);
  if (!value || !value->is_object()) return bad_request("the request is no JSON object");
  return std::move(value->get_object());
}

Status only(const json::object& object, std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    if (std::ranges::find(known, std::string_view(member.key())) != known.end()) continue;
    return fail(
        ErrorCode::kPolicyRejected, "kms.member",
        "the request has \"" + std::string(member.key().substr(0, 64)) + "\", which the runtime does not pass on",
        "leave it out; Recipient is the runtime's to add");
  }
  return {};
}

// The ARN that the call is for: one that the image names, written whole or by its id alone.
Result<std::string> judge_key(const json::object& object, std::string_view member, const image::KmsDescription& kms) {
  const json::value* const value = object.if_contains(member);
  if (value == nullptr) {
    if (kms.keys.size() == 1) return kms.keys.front();
    return fail(ErrorCode::kPolicyRejected, "kms.key", "the request names no key, and the image names several",
                "name one of the image's keys by its ARN");
  }
  if (!value->is_string()) return bad_request("the key's name is no string");
  const std::string_view wanted = value->get_string();
  for (const std::string& arn : kms.keys) {
    if (wanted == arn || (!wanted.empty() && wanted == std::string_view(arn).substr(arn.find("key/") + 4))) return arn;
  }
  return fail(ErrorCode::kPolicyRejected, "kms.key", "the request is for a key that the image does not name",
              "add its full ARN to [kms] keys in the image's specification and build it again; an alias is no key");
}

Result<json::object> read_context(const json::object& object, std::string_view member) {
  const json::value* const value = object.if_contains(member);
  if (value == nullptr) return json::object{};
  if (!value->is_object()) return bad_request("the encryption context is no object");
  for (const auto& entry : value->get_object()) {
    if (!entry.value().is_string()) return bad_request("an entry of the encryption context is no string");
  }
  return value->get_object();
}

Status judge_context(const json::object& context, const image::KmsDescription& kms) {
  for (const auto& [name, value] : kms.context) {
    const json::value* const found = context.if_contains(name);
    if (found != nullptr && found->get_string() == value) continue;
    return fail(ErrorCode::kPolicyRejected, "kms.context",
                "the request's encryption context lacks \"" + name + "\" as the image has it",
                "send EncryptionContext with every entry of the image's [kms] context");
  }
  return {};
}

Result<std::int64_t> read_count(const json::object& object, std::string_view member) {
  const json::value* const value = object.if_contains(member);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 1 ||
      value->get_int64() > static_cast<std::int64_t>(kMaxRandom)) {
    return bad_request(std::string(member) + " must be a number from 1 to 1024");
  }
  return value->get_int64();
}

Status check_blob(const json::object& object, std::string_view member) {
  const json::value* const value = object.if_contains(member);
  if (value != nullptr && value->is_string() && !value->get_string().empty() && from_base64(value->get_string()))
    return {};
  return bad_request(std::string(member) + " must be base64");
}

Result<KmsCall> judge_decrypt(json::object request, const image::KmsDescription& kms) {
  GATEWAY_TRY(only(request, {"CiphertextBlob", "EncryptionContext", "KeyId", "EncryptionAlgorithm", "GrantTokens"}));
  GATEWAY_TRY(check_blob(request, "CiphertextBlob"));
  if (const json::value* const algorithm = request.if_contains("EncryptionAlgorithm");
      algorithm != nullptr && *algorithm != "SYMMETRIC_DEFAULT") {
    return bad_request("EncryptionAlgorithm must be SYMMETRIC_DEFAULT: others have no encryption context");
  }
  GATEWAY_ASSIGN(std::string key, judge_key(request, "KeyId", kms));
  GATEWAY_ASSIGN(const json::object context, read_context(request, "EncryptionContext"));
  GATEWAY_TRY(judge_context(context, kms));
  request["KeyId"] = key;
  return KmsCall{KmsOperation::kDecrypt, std::move(key), codec::write_json(request)};
}

Result<KmsCall> judge_data_key(json::object request, const image::KmsDescription& kms) {
  GATEWAY_TRY(only(request, {"EncryptionContext", "KeyId", "KeySpec", "NumberOfBytes", "GrantTokens"}));
  const json::value* const spec = request.if_contains("KeySpec");
  if (spec != nullptr && *spec != "AES_256" && *spec != "AES_128") {
    return bad_request("KeySpec must be AES_256 or AES_128");
  }
  if ((spec != nullptr) == request.contains("NumberOfBytes")) {
    return bad_request("one of KeySpec and NumberOfBytes is needed");
  }
  if (spec == nullptr) GATEWAY_TRY(read_count(request, "NumberOfBytes"));
  GATEWAY_ASSIGN(std::string key, judge_key(request, "KeyId", kms));
  GATEWAY_ASSIGN(const json::object context, read_context(request, "EncryptionContext"));
  GATEWAY_TRY(judge_context(context, kms));
  request["KeyId"] = key;
  return KmsCall{KmsOperation::kGenerateDataKey, std::move(key), codec::write_json(request)};
}

Result<KmsCall> judge_random(const json::object& request) {
  GATEWAY_TRY(only(request, {"NumberOfBytes"}));
  GATEWAY_TRY(read_count(request, "NumberOfBytes"));
  return KmsCall{KmsOperation::kGenerateRandom, {}, codec::write_json(request)};
}

// The image's entries, and what else was said. An entry that contradicts the image's stays, to be refused.
Result<json::object> whole_context(const json::object& request, const image::KmsDescription& kms) {
  GATEWAY_ASSIGN(json::object context, read_context(request, "context"));
  for (const auto& [name, value] : kms.context) {
    if (!context.contains(name)) context[name] = value;
  }
  return context;
}

// What AWS says of itself, for people: a name and a sentence, printable and short.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 300));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

std::unexpected<Error> refused_by_kms(int status, ByteView body) {
  std::string what = "KMS answers with status " + std::to_string(status);
  const auto value = codec::parse_json(as_text(body), kAnswerLimits);
  if (value && value->is_object()) {
    for (const char* member : {"__type", "message", "Message"}) {
      const json::value* const field = value->get_object().if_contains(member);
      if (field != nullptr && field->is_string()) what += ": " + printable(field->get_string());
    }
  }
  return fail(ErrorCode::kUnavailable, "kms.refused", std::move(what),
              "look at the key's policy (kms:RecipientAttestation:…), the role's permissions and the region");
}

std::unexpected<Error> bad_answer(const char* what) { return fail(ErrorCode::kMalformed, "kms.answer", what); }

Result<Bytes> read_blob(const json::object& object, std::string_view member) {
  const json::value* const value = object.if_contains(member);
  auto bytes = value != nullptr && value->is_string() ? from_base64(value->get_string()) : std::nullopt;
  if (!bytes) return bad_answer("a blob of KMS's answer is missing or no base64");
  return *std::move(bytes);
}

// Text around a secret, in memory that is wiped.
class SecretText {
 public:
  void put(std::string_view text) { append(bytes_, as_bytes(text)); }
  void put_base64(ByteView bytes) {
    std::string text = to_base64(bytes);
    put(text);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  }
  Secret take() { return Secret::take(std::move(bytes_)); }

 private:
  Bytes bytes_ = reserved();
  // Never moved while it grows: a move would leave a copy behind.
  static Bytes reserved() {
    Bytes out;
    out.reserve(64UZ * 1024);
    return out;
  }
};

}  // namespace

std::string_view to_string(KmsOperation operation) {
  switch (operation) {
    case KmsOperation::kDecrypt: return "Decrypt";
    case KmsOperation::kGenerateDataKey: return "GenerateDataKey";
    case KmsOperation::kGenerateRandom: return "GenerateRandom";
  }
  return "";
}

Result<KmsCall> judge_kms_call(std::string_view target, std::string_view text, const image::KmsDescription& kms) {
  std::string_view name = target;
  if (name.starts_with(kService)) name.remove_prefix(kService.size());
  GATEWAY_ASSIGN(json::object request, parse_object(text, kRequestLimits));
  if (name == "Decrypt") return judge_decrypt(std::move(request), kms);
  if (name == "GenerateDataKey") return judge_data_key(std::move(request), kms);
  if (name == "GenerateRandom") return judge_random(request);
  return fail(ErrorCode::kPolicyRejected, "kms.operation",
              "the runtime passes on Decrypt, GenerateDataKey and GenerateRandom alone",
              "only these answer to an attested recipient with a symmetric key");
}

Result<KmsCall> judge_local_call(std::string_view name, std::string_view text, const image::KmsDescription& kms) {
  GATEWAY_ASSIGN(const json::object request, parse_object(text, kRequestLimits));
  json::object call;
  if (const json::value* const key = request.if_contains("key")) call["KeyId"] = *key;
  if (name == "decrypt") {
    GATEWAY_TRY(only(request, {"ciphertext", "key", "context"}));
    GATEWAY_TRY(check_blob(request, "ciphertext"));
    call["CiphertextBlob"] = request.at("ciphertext");
    GATEWAY_ASSIGN(call["EncryptionContext"], whole_context(request, kms));
    return judge_decrypt(std::move(call), kms);
  }
  if (name == "data-key") {
    GATEWAY_TRY(only(request, {"bytes", "key", "context"}));
    const json::value* const bytes = request.if_contains("bytes");
    call["NumberOfBytes"] = bytes != nullptr ? *bytes : json::value(32);
    GATEWAY_ASSIGN(call["EncryptionContext"], whole_context(request, kms));
    return judge_data_key(std::move(call), kms);
  }
  if (name == "random") {
    GATEWAY_TRY(only(request, {"bytes"}));
    const json::value* const bytes = request.if_contains("bytes");
    return judge_random({{"NumberOfBytes", bytes != nullptr ? *bytes : json::value(32)}});
  }
  return fail(ErrorCode::kPolicyRejected, "kms.operation", "the runtime's own API has decrypt, data-key and random");
}

Result<AwsCredentials> parse_credentials(ByteView bytes) {
  const auto bad = [](const char* what) {
    return fail(ErrorCode::kUnavailable, "kms.credentials", what,
                "set aws_credentials in gatewayd's [egress], and give the instance a role");
  };
  auto value = codec::parse_json(as_text(bytes), {.bytes = 16UZ * 1024, .depth = 2, .values = 32});
  if (!value || !value->is_object()) return bad("what the host passed on are no credentials");
  json::object& object = value->get_object();
  // These go into a request's head: nothing in them may end a line.
  const auto text = [&](std::string_view member) -> std::string_view {
    const json::value* const field = object.if_contains(member);
    if (field == nullptr || !field->is_string()) return {};
    const std::string_view found = field->get_string();
    return std::ranges::all_of(found, [](char c) { return c > 0x20 && c < 0x7f; }) ? found : std::string_view{};
  };
  if (text("AccessKeyId").empty() || text("SecretAccessKey").empty()) return bad("the credentials lack a key");
  AwsCredentials out{.access_key_id = std::string(text("AccessKeyId")),
                     .secret_access_key = Secret(as_bytes(text("SecretAccessKey"))),
                     .session_token = std::string(text("Token"))};
  json::string& secret = object["SecretAccessKey"].get_string();
  wipe({reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()});
  return out;
}

Bytes encode_kms_request(const KmsCall& call, ByteView document, const image::KmsDescription& kms,
                         const AwsCredentials& credentials, Time at) {
  json::object body = codec::parse_json(call.body, kRequestLimits)->get_object();
  body["Recipient"] =
      json::object{{"AttestationDocument", to_base64(document)}, {"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"}};
  const std::string text = codec::write_json(body);
  std::string host = kms.endpoint;
  if (host.ends_with(":443")) host.resize(host.size() - 4);
  AwsRequest request{.headers = {{"host", host},
                                 {"content-type", "application/x-amz-json-1.1"},
                                 {"x-amz-target", std::string(kService) + std::string(to_string(call.operation))}},
                     .body = as_bytes(text)};
  sign_aws_request(request, {.region = kms.region, .service = "kms"}, credentials, at);
  std::string head = "POST / HTTP/1.1\r\n";
  for (const auto& [name, value] : request.headers) head += name + ": " + value + "\r\n";
  head += "content-length: " + std::to_string(text.size()) + "\r\nconnection: close\r\n\r\n";
  Bytes out = to_bytes(head);
  append(out, as_bytes(text));
  return out;
}

Result<KmsAnswer> read_kms_answer(const KmsCall& call, int status, ByteView body, const crypto::EnvelopeKey& key) {
  if (status != 200) return refused_by_kms(status, body);
  const auto value = codec::parse_json(as_text(body), kAnswerLimits);
  if (!value || !value->is_object()) return bad_answer("KMS's answer is no JSON object");
  const json::object& object = value->get_object();
  if (const json::value* const plaintext = object.if_contains("Plaintext");
      plaintext != nullptr && !plaintext->is_null() && *plaintext != "") {
    return fail(ErrorCode::kNotAuthentic, "kms.plaintext",
                "the answer carries a plaintext that is not encrypted to this enclave",
                "whoever answered ignored the recipient: it is not KMS, or the request was changed");
  }
  KmsAnswer out;
  if (call.operation != KmsOperation::kGenerateRandom) {
    const json::value* const key_id = object.if_contains("KeyId");
    if (key_id == nullptr || !key_id->is_string() || key_id->get_string() != call.key) {
      return fail(ErrorCode::kNotAuthentic, "kms.answer_key", "the answer is for another key than the request",
                  "the ciphertext belongs to another key, or the answer to another account");
    }
    out.key = call.key;
  }
  if (call.operation == KmsOperation::kGenerateDataKey) {
    GATEWAY_ASSIGN(out.ciphertext, read_blob(object, "CiphertextBlob"));
  }
  GATEWAY_ASSIGN(const Bytes envelope, read_blob(object, "CiphertextForRecipient"));
  GATEWAY_ASSIGN(out.plaintext, open_kms_envelope(envelope, key));
  return out;
}

Secret encode_aws_answer(const KmsCall& call, const KmsAnswer& answer) {
  SecretText out;
  out.put("{");
  if (!answer.key.empty()) out.put("\"KeyId\":\"" + answer.key + "\",");
  if (call.operation == KmsOperation::kDecrypt) out.put("\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",");
  if (call.operation == KmsOperation::kGenerateDataKey) {
    out.put("\"CiphertextBlob\":\"" + to_base64(answer.ciphertext) + "\",");
  }
  out.put("\"Plaintext\":\"");
  out.put_base64(answer.plaintext.reveal());
  out.put("\"}");
  return out.take();
}

Secret encode_local_answer(const KmsCall& call, const KmsAnswer& answer) {
  SecretText out;
  out.put("{");
  if (!answer.key.empty()) out.put("\"key\":\"" + answer.key + "\",");
  if (call.operation == KmsOperation::kGenerateDataKey) {
    out.put("\"ciphertext\":\"" + to_base64(answer.ciphertext) + "\",");
  }
  out.put("\"plaintext\":\"");
  out.put_base64(answer.plaintext.reveal());
  out.put("\"}\n");
  return out.take();
}

}  // namespace gateway::keys
