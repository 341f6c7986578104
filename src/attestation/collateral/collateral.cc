#include "attestation/collateral/collateral.h"

#include <algorithm>
#include <boost/json.hpp>

#include "codec/json.h"
#include "codec/pem.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPemBlocks = Collateral::kMaxCertificates + Collateral::kMaxCrls;
constexpr codec::JsonLimits kJson{.bytes = Collateral::kMaxFile, .depth = 32, .values = 100'000};
constexpr unsigned kMaxNesting = 3;  // JSON in a string of JSON in a string of JSON

constexpr std::string_view kTcbInfo = "tcbInfo";
constexpr std::string_view kEnclaveIdentity = "enclaveIdentity";

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

class Recogniser {
 public:
  explicit Recogniser(Collateral& found) : found_(found) {}

  void file(ByteView bytes, unsigned nesting) {
    if (bytes.size() > Collateral::kMaxFile || nesting > kMaxNesting) return;
    if (!bytes.empty() && bytes[0] == 0x30 && der(bytes)) return;
    const std::string_view text = trimmed(as_text(bytes));
    if (text.starts_with('{') || text.starts_with('[')) return json_text(text, nesting);
    if (text.find("-----BEGIN ") != std::string_view::npos) return pem(text);
    if (const auto decoded = from_hex(text)) {
      der(*decoded);
    } else if (const auto other = from_base64(text)) {
      der(*other);
    }
  }

 private:
  bool room(std::size_t bytes) {
    if (bytes > Collateral::kMaxKept - found_.kept) return false;
    found_.kept += bytes;
    return true;
  }

  void keep(crypto::Certificate certificate) {
    const auto same = [&](const auto& other) { return other.der() == certificate.der(); };
    if (std::ranges::any_of(found_.certificates, same)) return;
    if (!room(certificate.der().size())) return;
    found_.certificates.push_back(std::move(certificate));
  }

  void keep(crypto::Crl list) {
    const auto same = [&](const auto& other) { return other.der() == list.der(); };
    if (std::ranges::any_of(found_.crls, same)) return;
    if (!room(list.der().size())) return;
    found_.crls.push_back(std::move(list));
  }

  void keep(std::vector<Bytes>& documents, std::string_view text) {
    if (documents.size() == Collateral::kMaxDocuments || !room(text.size())) return;
    documents.push_back(to_bytes(text));
  }

  bool certificate(ByteView bytes) {
    if (found_.certificates.size() == Collateral::kMaxCertificates) return false;
    auto read = crypto::Certificate::from_der(bytes);
    if (!read) return false;
    keep(*std::move(read));
    return true;
  }

  bool list(ByteView bytes) {
    if (found_.crls.size() == Collateral::kMaxCrls) return false;
    auto read = crypto::Crl::from_der(bytes);
    if (!read) return false;
    keep(*std::move(read));
    return true;
  }

  bool der(ByteView bytes) { return certificate(bytes) || list(bytes); }

  void pem(std::string_view text) {
    const auto blocks = codec::parse_pem(text, kMaxPemBlocks);
    if (!blocks) return;
    for (const codec::PemBlock& block : *blocks) {
      if (block.label == "CERTIFICATE") certificate(block.bytes);
      if (block.label == "X509 CRL") list(block.bytes);
    }
  }

  void json_text(std::string_view text, unsigned nesting) {
    const auto value = codec::parse_json(text, kJson);
    if (!value) {
      if (begins_with_key(text, kTcbInfo)) keep(found_.tcb_infos, text);
      if (begins_with_key(text, kEnclaveIdentity)) keep(found_.qe_identities, text);
      return;
    }
    if (const auto* object = value->if_object(); object != nullptr && is_document(*object)) {
      document(*object, text);
    } else {
      walk(*value, nesting);
    }
  }

  static bool begins_with_key(std::string_view text, std::string_view key) {
    const std::string_view rest = trimmed(text.substr(1));
    return rest.starts_with('"') && rest.substr(1).starts_with(key) && rest.substr(1 + key.size()).starts_with('"');
  }

  static bool is_document(const json::object& object) {
    return object.contains(kTcbInfo) || object.contains(kEnclaveIdentity);
  }

  void document(const json::object& object, std::string_view text) {
    if (object.contains(kTcbInfo)) keep(found_.tcb_infos, text);
    if (object.contains(kEnclaveIdentity)) keep(found_.qe_identities, text);
  }

  // Whatever the strings hold. The depth is bounded by the parser's limit.
  void walk(const json::value& value, unsigned nesting) {
    if (const auto* text = value.if_string()) {
      file(as_bytes(view(*text)), nesting + 1);
    } else if (const auto* array = value.if_array()) {
      for (const json::value& element : *array) walk(element, nesting);
    } else if (const auto* object = value.if_object()) {
      if (is_document(*object)) return document(*object, codec::write_json(value));
      joined(*object, "tcb_info", "tcb_info_signature", kTcbInfo, found_.tcb_infos);
      joined(*object, "qe_identity", "qe_identity_signature", kEnclaveIdentity, found_.qe_identities);
      for (const auto& member : *object) {
        walk(member.value(), nesting);
      }
    }
  }

  // A body and its signature that were taken apart: put together again as Intel serves them.
  void joined(const json::object& object, std::string_view body_name, std::string_view signature_name,
              std::string_view key, std::vector<Bytes>& documents) {
    const auto* body = object.if_contains(body_name);
    const auto* signature = object.if_contains(signature_name);
    if (body == nullptr || !body->is_string() || signature == nullptr || !signature->is_string()) return;
    const std::string_view body_text = trimmed(view(body->get_string()));
    const std::string_view signature_text = view(signature->get_string());
    const auto parsed = codec::parse_json(body_text, kJson);
    if (!parsed || !parsed->is_object() || !from_hex(signature_text)) return;
    std::string text("{\"");
    text.append(key).append("\":").append(body_text).append(",\"signature\":\"");
    text.append(signature_text).append("\"}");
    keep(documents, text);
  }

  Collateral& found_;
};

}  // namespace

Collateral Collateral::recognise(std::span<const Bytes> files) {
  Collateral found;
  for (const Bytes& file : files.first(std::min(files.size(), kMaxFiles))) found.add(file);
  return found;
}

void Collateral::add(ByteView file) { Recogniser(*this).file(file, 0); }

}  // namespace gateway::attestation
