#include "attestation/snp/az_vtpm.h"

#include <algorithm>
#include <boost/json.hpp>

#include "attestation/snp/tpm_quote.h"
#include "codec/der.h"
#include "codec/json.h"
#include "codec/pem.h"
#include "crypto/keys.h"

namespace gateway::attestation::snp {
namespace {

namespace json = boost::json;
namespace tag = codec::der_tag;

constexpr codec::JsonLimits kLimits{.bytes = kMaxAzureSize, .depth = 8, .values = 20'000};
constexpr const char* kSender = "ask the sender for az-snp-vtpm evidence, or for the vTPM's NV index 0x01400001 alone";
constexpr std::string_view kAttestationKey = "HCLAkPub";

const json::value* member(const json::object& object, std::string_view name) { return object.if_contains(name); }

std::optional<std::string_view> text_of(const json::value* value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string());
}

// base64url with or without its padding: both are in use.
std::optional<Bytes> from_any_base64url(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return from_base64url(text);
}

std::optional<Bytes> from_numbers(const json::value* value) {
  if (value == nullptr || !value->is_array()) return std::nullopt;
  Bytes bytes;
  for (const json::value& number : value->get_array()) {
    if (!number.is_int64() || number.get_int64() < 0 || number.get_int64() > 255) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(number.get_int64()));
  }
  return bytes;
}

std::optional<Bytes> from_hex_text(const json::value* value) {
  const auto text = text_of(value);
  return text ? from_hex(*text) : std::nullopt;
}

std::optional<Bytes> from_base64url_text(const json::value* value) {
  const auto text = text_of(value);
  return text ? from_any_base64url(*text) : std::nullopt;
}

// PEM, or base64url of DER.
std::optional<Bytes> certificate_of(const json::value* value) {
  const auto text = text_of(value);
  if (!text) return std::nullopt;
  if (text->find("-----BEGIN") == std::string_view::npos) return from_any_base64url(*text);
  auto blocks = codec::parse_pem(*text, 1);
  if (!blocks || blocks->size() != 1 || blocks->front().label != "CERTIFICATE") return std::nullopt;
  return std::move(blocks->front().bytes);
}

struct Reader {
  CheckList& checks;

  std::unexpected<Error> bad(std::string_view name) {
    return checks.refused(ErrorCode::kMalformed, "snp.vtpm.member", "a member " + std::string(name) + " of bytes",
                          "none, or something else", kSender);
  }
  Status take(Bytes& to, std::optional<Bytes> from, std::string_view name) {
    if (!from) return bad(name);
    to = *std::move(from);
    return {};
  }
};

using Decode = std::optional<Bytes> (*)(const json::value*);

Result<AzureVtpm> read_members(const json::object& object, bool plain, CheckList& checks) {
  Reader reader{checks};
  const Decode small = plain ? from_numbers : from_hex_text;
  const std::string_view quote_name = plain ? "quote" : "tpm_quote";
  const json::value* quote = member(object, quote_name);
  if (quote == nullptr || !quote->is_object()) return reader.bad(quote_name);
  AzureVtpm evidence;
  GATEWAY_TRY(reader.take(evidence.quote_message, small(member(quote->get_object(), "message")), "message"));
  GATEWAY_TRY(reader.take(evidence.quote_signature, small(member(quote->get_object(), "signature")), "signature"));
  const json::value* pcrs = member(quote->get_object(), "pcrs");
  if (pcrs == nullptr || !pcrs->is_array() || pcrs->get_array().size() > kVtpmPcrs) return reader.bad("pcrs");
  for (const json::value& pcr : pcrs->get_array()) {
    GATEWAY_TRY(reader.take(evidence.pcrs.emplace_back(), small(&pcr), "pcrs"));
  }
  const std::string_view report_name = plain ? "report" : "hcl_report";
  const json::value* report = member(object, report_name);
  GATEWAY_TRY(
      reader.take(evidence.hcl_report, plain ? from_numbers(report) : from_base64url_text(report), report_name));
  if (const json::value* vcek = member(object, "vcek"); vcek != nullptr && !vcek->is_null()) {
    GATEWAY_TRY(reader.take(evidence.vcek.emplace(), certificate_of(vcek), "vcek"));
  }
  return evidence;
}

// The one RSA key of this name among the runtime data's JSON Web Keys.
std::optional<crypto::PublicKey> attestation_key(ByteView runtime_data) {
  const auto document = codec::parse_json(as_text(runtime_data), kLimits);
  if (!document || !document->is_object()) return std::nullopt;
  const json::value* keys = member(document->get_object(), "keys");
  if (keys == nullptr || !keys->is_array()) return std::nullopt;
  const json::object* found = nullptr;
  for (const json::value& key : keys->get_array()) {
    if (!key.is_object() || text_of(member(key.get_object(), "kid")) != kAttestationKey) continue;
    if (found != nullptr) return std::nullopt;
    found = &key.get_object();
  }
  if (found == nullptr || text_of(member(*found, "kty")) != "RSA") return std::nullopt;
  const auto modulus = from_base64url_text(member(*found, "n"));
  const auto exponent = from_base64url_text(member(*found, "e"));
  const auto rsa_encryption = codec::der_oid("1.2.840.113549.1.1.1");
  if (!modulus || !exponent || modulus->empty() || exponent->empty() || !rsa_encryption) return std::nullopt;
  const Bytes numbers = codec::der(tag::kSequence, {codec::der_unsigned(*modulus), codec::der_unsigned(*exponent)});
  const Bytes algorithm = codec::der(tag::kSequence, {*rsa_encryption, codec::der(tag::kNull, {})});
  auto key = crypto::PublicKey::from_spki(codec::der(tag::kSequence, {algorithm, codec::der_bit_string(numbers)}));
  if (!key) return std::nullopt;
  return *std::move(key);
}

}  // namespace

bool looks_like_azure_vtpm(ByteView input) {
  const std::string_view text = as_text(input.first(std::min(input.size(), kMaxAzureSize)));
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{') return false;
  const auto has = [&](std::string_view name) { return text.find(name) != std::string_view::npos; };
  if (has("\"td_quote\"")) return false;
  return has("\"hcl_report\"") || (has("\"quote\"") && has("\"pcrs\"") && has("\"report\""));
}

Result<AzureVtpm> parse_azure_vtpm(ByteView input, CheckList& checks) {
  const auto document = codec::parse_json(as_text(input), kLimits);
  const bool object = document && document->is_object();
  GATEWAY_TRY(checks.require(object, ErrorCode::kMalformed, "snp.vtpm.json", "one JSON object",
                             document ? (object ? "an object" : "another value") : std::string(document.error().id()),
                             kSender));
  // The first version had no number.
  const json::value* version = member(document->get_object(), "version");
  const bool plain = version == nullptr;
  const bool known = plain || (version->is_int64() && (version->get_int64() == 1 || version->get_int64() == 2));
  GATEWAY_TRY(checks.require(known, ErrorCode::kUnsupported, "snp.vtpm.version", "no version, 1 or 2",
                             plain ? "none" : (known ? std::to_string(version->get_int64()) : "another"), kSender));
  GATEWAY_ASSIGN(AzureVtpm evidence, read_members(document->get_object(), plain, checks));
  checks.held("snp.vtpm.member", "the members of az-snp-vtpm evidence", "all of them");
  return evidence;
}

Result<SnpVtpm> bind_azure_vtpm(const AzureVtpm& evidence, ByteView runtime_data, CheckList& checks) {
  const auto key = attestation_key(runtime_data);
  GATEWAY_TRY(checks.require(key.has_value(), ErrorCode::kMalformed, "snp.vtpm.key",
                             "one RSA key HCLAkPub in the runtime data", key ? "one" : "none, or more", kSender));
  return verify_tpm_quote(evidence.quote_message, evidence.quote_signature, evidence.pcrs, *key, checks);
}

}  // namespace gateway::attestation::snp
