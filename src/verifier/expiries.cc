#include "verifier/expiries.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "codec/json.h"

namespace gateway::verifier {
namespace {

namespace json = boost::json;

constexpr codec::JsonLimits kLimits{.bytes = attestation::Collateral::kMaxFile, .depth = 32, .values = 1'000'000};
constexpr std::size_t kMaxName = 120;

// As a label's value of Prometheus may stand, without escapes.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, kMaxName));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') c = '?';
  }
  return out;
}

std::optional<std::string> text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

// {"tcbInfo":{"fmspc":…,"nextUpdate":…}} and {"enclaveIdentity":{"id":…,"nextUpdate":…}}
std::optional<Expiry> expiry_of_json(ByteView document, std::string_view member, std::string_view name_key,
                                     std::string kind) {
  const auto parsed = codec::parse_json(as_text(document), kLimits);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::value* inner = parsed->get_object().if_contains(member);
  if (inner == nullptr || !inner->is_object()) return std::nullopt;
  const auto next_update = text_at(inner->get_object(), "nextUpdate");
  const auto at = next_update ? from_rfc3339(*next_update) : std::nullopt;
  if (!at) return std::nullopt;
  std::string name = text_at(inner->get_object(), name_key).value_or("?");
  if (const auto id = text_at(inner->get_object(), "id"); id && name_key != "id") name = *id + " " + name;
  return Expiry{.kind = std::move(kind), .name = printable(name), .at = *at};
}

}  // namespace

std::vector<Expiry> expiries_of(const attestation::Collateral& collateral) {
  std::map<std::pair<std::string, std::string>, Time> latest;
  const auto note = [&](const Expiry& one) {
    const auto [at, added] = latest.emplace(std::pair(one.kind, one.name), one.at);
    if (!added) at->second = std::max(at->second, one.at);
  };
  for (const auto& crl : collateral.crls) {
    note({.kind = "crl", .name = printable(crl.issuer()), .at = crl.validity().not_after});
  }
  for (const auto& certificate : collateral.certificates) {
    note({.kind = "certificate", .name = printable(certificate.subject()), .at = certificate.validity().not_after});
  }
  for (const Bytes& document : collateral.tcb_infos) {
    if (const auto one = expiry_of_json(document, "tcbInfo", "fmspc", "tcb_info")) note(*one);
  }
  for (const Bytes& document : collateral.qe_identities) {
    if (const auto one = expiry_of_json(document, "enclaveIdentity", "id", "qe_identity")) note(*one);
  }
  std::vector<Expiry> all;
  for (const auto& [key, at] : latest) all.push_back({.kind = key.first, .name = key.second, .at = at});
  std::ranges::stable_sort(all, {}, &Expiry::at);
  return all;
}

}  // namespace gateway::verifier
