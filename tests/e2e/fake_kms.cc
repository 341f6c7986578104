#include "e2e/fake_kms.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "attestation/nitro/authenticate.h"
#include "channel/tls.h"
#include "codec/json.h"
#include "crypto/aead.h"
#include "crypto/oaep.h"
#include "crypto/random.h"
#include "keys/kms_for_test.h"

namespace gateway::harness {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr std::string_view kSecretKey = "the-roles-secret";
constexpr std::string_view kScope = "/eu-central-1/kms/aws4_request";
constexpr seconds kRequestWindow{300};
constexpr seconds kDocumentWindow{300};

std::string header(const std::string& head, const std::string& name) {
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + ": ")) continue;
    line.erase(0, name.size() + 2);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return line;
  }
  return {};
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t start = text.find(from);
  if (start == std::string::npos) return {};
  const std::size_t at = start + from.size();
  return text.substr(at, text.find(to, at) - at);
}

Bytes mac(ByteView key, std::string_view text) {
  return crypto::hmac(crypto::HashAlgorithm::kSha256, key, as_bytes(text));
}

std::string canonical_context(const json::object& context) {
  std::map<std::string, std::string> sorted;
  for (const auto& entry : context) sorted[std::string(entry.key())] = std::string(entry.value().get_string());
  std::string out;
  for (const auto& [name, value] : sorted) out += name + "=" + value + "\n";
  return out;
}

std::string http(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Bad Request") +
         "\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

}  // namespace

FakeKms::FakeKms(const std::string& address) : master_(crypto::random_bytes(32)) {
  certify();
  service_ = std::make_unique<TcpService>(address, [this](int socket) { serve(socket); });
}

void FakeKms::change_root() { certify(); }

void FakeKms::certify() {
  root_key_ = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  key_ = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  const Time now = SystemClock().now();
  const auto issue = [&](const std::string& name, const crypto::PrivateKey& subject, bool is_ca) {
    return crypto::issue_certificate({.subject_common_name = name,
                                      .issuer_common_name = "fake-trust-services.example",
                                      .subject_key = subject.public_key(),
                                      .validity = {now - std::chrono::hours(1), now + std::chrono::hours(24)},
                                      .is_ca = is_ca,
                                      .dns_names = {name}},
                                     *root_key_)
        .value();
  };
  root_ = issue("fake-trust-services.example", *root_key_, true);
  certificate_ = issue(kName, *key_, false);
}

void FakeKms::serve(int socket) {
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  auto stream = channel::TlsStream::accept(channel::TlsContext::server(*certificate_, *key_).value(),
                                           net::Descriptor(::dup(socket)));
  const auto wait = [socket](channel::Progress progress) {
    pollfd one{socket, static_cast<short>(progress == channel::Progress::kWantWrite ? POLLOUT : POLLIN), 0};
    return ::poll(&one, 1, 5'000) == 1;
  };
  for (auto step = stream->handshake(); !step || *step != channel::Progress::kDone; step = stream->handshake()) {
    if (!step || !wait(*step)) return;
  }
  std::string request;
  for (ByteArray<4096> chunk{};;) {
    const std::size_t end = request.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::string length = header(request, "content-length");
      if (request.size() >= end + 4 + std::strtoul(length.c_str(), nullptr, 10)) break;
    }
    const auto got = stream->read(chunk);
    if (!got || got->progress == channel::Progress::kClosedInOrder) return;
    request += as_text(ByteView(chunk).first(got->bytes));
    if (got->bytes == 0 && !wait(got->progress)) return;
  }
  const std::string whole = answer(request);
  for (ByteView rest = as_bytes(whole); !rest.empty();) {
    const auto sent = stream->write(rest);
    if (!sent) return;
    rest = rest.subspan(sent->bytes);
    if (sent->bytes == 0 && !wait(sent->progress)) return;
  }
  (void)stream->shut_down();
}

std::string FakeKms::answer(const std::string& request) {
  const std::size_t end = request.find("\r\n\r\n");
  const std::string head = request.substr(0, end + 2);
  const std::string body = request.substr(end + 4);
  const std::string target = header(head, "x-amz-target");
  std::string out;
  if (const auto refusal = check_signature(head, body)) {
    out = http(400, R"({"__type":")" + refusal->type + R"(","message":")" + refusal->why + "\"}");
  } else {
    out = operate(target, body);
  }
  const std::lock_guard lock(mutex_);
  last_request_ = request;
  return out;
}

std::string FakeKms::last_request() const {
  const std::lock_guard lock(mutex_);
  return last_request_;
}

// As the service does it: from what came, header by header, not by the code that signed.
std::optional<FakeKms::Refusal> FakeKms::check_signature(const std::string& head, const std::string& body) const {
  const std::string authorization = header(head, "authorization");
  const std::string date = header(head, "x-amz-date");
  const std::string credential = between(authorization, "Credential=", ",");
  const std::string signed_headers = between(authorization, "SignedHeaders=", ",");
  const std::string signature = between(authorization, "Signature=", "\r");
  if (!credential.starts_with("ASIAEXAMPLE/") || !credential.ends_with(kScope) ||
      header(head, "x-amz-security-token") != "the-session-token") {
    return Refusal{"UnrecognizedClientException", "the security token is invalid"};
  }
  for (const char* needed : {"host", "x-amz-date", "x-amz-target", "x-amz-security-token"}) {
    if ((";" + signed_headers + ";").find(";" + std::string(needed) + ";") == std::string::npos) {
      return Refusal{"IncompleteSignatureException", std::string(needed) + " is not signed"};
    }
  }
  std::string canonical = "POST\n/\n\n";
  std::istringstream names(signed_headers);
  for (std::string name; std::getline(names, name, ';');) canonical += name + ":" + header(head, name) + "\n";
  canonical += "\n" + signed_headers + "\n" + to_hex(crypto::sha256(as_bytes(body)));
  const std::string day = date.substr(0, 8);
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + day + std::string(kScope) + "\n" +
                              to_hex(crypto::sha256(as_bytes(canonical)));
  Bytes key = mac(as_bytes("AWS4" + std::string(kSecretKey)), day);
  for (const char* part : {"eu-central-1", "kms", "aws4_request"}) key = mac(key, part);
  if (to_hex(mac(key, to_sign)) != signature || day != between(credential, "/", "/")) {
    return Refusal{"SignatureDoesNotMatch", "the signature does not match"};
  }
  const std::string rfc = date.substr(0, 4) + "-" + date.substr(4, 2) + "-" + date.substr(6, 2) + "T" +
                          date.substr(9, 2) + ":" + date.substr(11, 2) + ":" + date.substr(13, 2) + "Z";
  const auto at = from_rfc3339(rfc);
  const Time now = SystemClock().now() + ahead_;
  if (!at || now - *at > kRequestWindow || *at - now > kRequestWindow) {
    return Refusal{"InvalidSignatureException", "the signature has expired"};
  }
  return std::nullopt;
}

std::optional<FakeKms::Refusal> FakeKms::check_document(const std::string& text, std::string& spki) const {
  const auto denied = [](const std::string& why) { return Refusal{"AccessDeniedException", why}; };
  const auto bytes = from_base64(text);
  if (!bytes) return Refusal{"ValidationException", "the attestation document is no base64"};
  const auto document = attestation::nitro::parse_document(*bytes);
  if (!document) return denied("the attestation document is malformed: " + std::string(document.error().id()));
  attestation::nitro::Anchors anchors;
  const auto root = from_hex(root_sha256_);
  if (root && root->size() == 32) std::copy_n(root->begin(), 32, anchors.local_root_sha256.emplace_back().begin());
  const Time now = SystemClock().now() + ahead_;
  const auto claims = attestation::nitro::authenticate(*document, anchors, document->timestamp);
  if (!claims) return denied("the attestation document is not authentic: " + std::string(claims.error().id()));
  if (now - document->timestamp > kDocumentWindow) return denied("the attestation document has expired");
  if (!document->public_key) return denied("the attestation document names no key");
  for (const auto& [index, value] : pcrs_) {
    const auto& pcr = document->pcrs[index];
    if (!pcr || to_hex(*pcr) != value)
      return denied("kms:RecipientAttestation:PCR" + std::to_string(index) + " does not match");
  }
  spki = std::string(as_text(*document->public_key));
  return std::nullopt;
}

std::string FakeKms::operate(const std::string& target, const std::string& body) {
  const auto refuse = [](const std::string& type, const std::string& why) {
    return http(400, R"({"__type":")" + type + R"(","message":")" + why + "\"}");
  };
  auto parsed = codec::parse_json(body, {});
  if (!parsed || !parsed->is_object()) return refuse("SerializationException", "no JSON");
  const json::object& request = parsed->get_object();
  const auto text = [](const json::object& object, const char* name) {
    const json::value* const value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  const json::value* const recipient = request.if_contains("Recipient");
  std::string spki;
  if (recipient == nullptr || text(recipient->get_object(), "KeyEncryptionAlgorithm") != "RSAES_OAEP_SHA_256") {
    return refuse("AccessDeniedException", "the key is for attested recipients alone");
  }
  if (const auto refusal = check_document(text(recipient->get_object(), "AttestationDocument"), spki)) {
    return refuse(refusal->type, refusal->why);
  }
  json::object context;
  if (const json::value* const given = request.if_contains("EncryptionContext")) context = given->get_object();
  std::string plaintext;
  json::object answer;
  if (target == "TrentService.GenerateRandom") {
    plaintext =
        std::string(as_text(crypto::random_bytes(static_cast<std::size_t>(request.at("NumberOfBytes").as_int64()))));
  } else if (text(request, "KeyId") != kArn) {
    return refuse("NotFoundException", "there is no such key");
  } else if (target == "TrentService.GenerateDataKey") {
    const json::value* const count = request.if_contains("NumberOfBytes");
    const std::size_t size = count != nullptr                        ? static_cast<std::size_t>(count->as_int64())
                             : text(request, "KeySpec") == "AES_128" ? 16
                                                                     : 32;
    plaintext = std::string(as_text(crypto::random_bytes(size)));
    std::map<std::string, std::string> entries;
    for (const auto& entry : context) entries[std::string(entry.key())] = std::string(entry.value().get_string());
    answer["CiphertextBlob"] = encrypt(plaintext, entries);
  } else if (target == "TrentService.Decrypt") {
    const auto blob = from_base64(text(request, "CiphertextBlob"));
    if (!blob || blob->size() < 12) return refuse("InvalidCiphertextException", "");
    const auto opened = crypto::aead_open(crypto::AeadAlgorithm::kAes256Gcm, master_, ByteView(*blob).first(12),
                                          as_bytes(canonical_context(context)), ByteView(*blob).subspan(12));
    if (!opened) return refuse("InvalidCiphertextException", "");
    plaintext = std::string(as_text(*opened));
    answer["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT";
  } else {
    return refuse("UnknownOperationException", "");
  }
  if (target != "TrentService.GenerateRandom") {
    answer["KeyId"] = lie_ == Lie::kOtherKey ? "arn:aws:kms:eu-central-1:999999999999:key/0" : kArn;
  }
  if (lie_ == Lie::kOtherRecipient) {
    const auto other = crypto::EnvelopeKey::generate().value();
    spki = std::string(as_text(other.spki()));
  }
  Bytes envelope = keys::envelope_for(as_bytes(spki), plaintext, true);
  if (lie_ == Lie::kGarbage) envelope[envelope.size() / 2] ^= 1U;
  answer["CiphertextForRecipient"] = to_base64(envelope);
  answer["Plaintext"] = lie_ == Lie::kPlaintext ? to_base64(as_bytes(plaintext)) : "";
  return http(200, codec::write_json(answer));
}

std::string FakeKms::encrypt(const std::string& plaintext, const std::map<std::string, std::string>& entries) const {
  json::object context;
  for (const auto& [name, value] : entries) context[name] = value;
  Bytes blob = crypto::random_bytes(12);
  append(blob, crypto::aead_seal(crypto::AeadAlgorithm::kAes256Gcm, master_, blob, as_bytes(canonical_context(context)),
                                 as_bytes(plaintext))
                   .value());
  return to_base64(blob);
}

}  // namespace gateway::harness
