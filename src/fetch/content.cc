#include "fetch/content.h"

#include <algorithm>
#include <boost/json.hpp>

#include "attestation/collateral/collateral.h"
#include "attestation/snp/endorsement.h"
#include "codec/json.h"

namespace gateway::fetch {
namespace {

namespace json = boost::json;
using attestation::Collateral;

constexpr codec::JsonLimits kJson{.bytes = Collateral::kMaxFile, .depth = 32, .values = 100'000};

std::unexpected<Error> other(const char* expected) {
  return fail(ErrorCode::kMalformed, "collateral.fetch.content",
              std::string("expected ") + expected + ", found another thing",
              "check the service's address; a proxy or a login page may have answered in its place");
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

bool same_levels(const attestation::SnpTcb& a, const attestation::SnpTcb& b) {
  return a.fmc == b.fmc && a.boot_loader == b.boot_loader && a.tee == b.tee && a.snp == b.snp &&
         a.microcode == b.microcode;
}

Result<Content> one_certificate(const Want& want, const Collateral& found) {
  if (found.certificates.size() != 1 || !found.crls.empty()) return other("a VCEK certificate");
  const crypto::Certificate& certificate = found.certificates.front();
  const auto vcek = attestation::snp::read_endorsement(certificate);
  if (!vcek || vcek->kind != attestation::SnpSigningKey::kVcek) return other("a VCEK certificate");
  if (!want.vcek || vcek->product != want.vcek->product || vcek->chip_id != want.vcek->chip_id ||
      !same_levels(vcek->tcb, want.vcek->tcb)) {
    return other("a VCEK certificate of this chip and TCB");
  }
  return Content{.parts = {{want.name, "der", certificate.der()}}, .validity = certificate.validity()};
}

Result<Content> amd_chain(const Want& want, const Collateral& found) {
  if (found.certificates.size() != 2 || !found.crls.empty()) return other("a chain of two certificates, ASK and ARK");
  Content content{.parts = {{want.name, "pem", {}}}, .validity = {}};
  bool root = false;
  for (const crypto::Certificate& certificate : found.certificates) {
    content.validity.intersect(certificate.validity());
    append(content.parts[0].bytes, certificate.to_pem());
    root = root || certificate.subject_common_name() == want.authority;
  }
  if (!root) return other("a chain of this product's ARK");
  return content;
}

Result<Content> one_list(const Want& want, const Collateral& found) {
  if (found.crls.size() != 1 || !found.certificates.empty()) return other("one revocation list");
  const crypto::Crl& list = found.crls.front();
  if (list.issuer_common_name() != want.issuer) return other("a revocation list of another issuer");
  return Content{.parts = {{want.name, "der", list.der()}}, .validity = list.validity()};
}

// {"tcbInfo":{…}} or {"enclaveIdentity":{…}}: who it is about, and its dates.
Result<Content> document(const Want& want, const std::vector<Bytes>& documents, const char* key) {
  if (documents.size() != 1) return other("one JSON document of Intel's");
  const auto parsed = codec::parse_json(as_text(documents.front()), kJson);
  const auto* outer = parsed ? parsed->if_object() : nullptr;
  const auto* member = outer != nullptr ? outer->if_contains(key) : nullptr;
  const auto* body = member != nullptr ? member->if_object() : nullptr;
  if (body == nullptr || !outer->contains("signature")) return other("a signed JSON document of Intel's");
  const auto text = [&](const char* name) {
    const auto* value = body->if_contains(name);
    return value != nullptr && value->is_string() ? view(value->get_string()) : std::string_view();
  };
  if (text("id") != want.id) return other("a document about this kind of TEE");
  if (!want.fmspc.empty() && lower(text("fmspc")) != want.fmspc) return other("TCB data of this platform (FMSPC)");
  const auto issued = from_rfc3339(text("issueDate"));
  const auto next = from_rfc3339(text("nextUpdate"));
  if (!issued || !next) return other("a document with its dates");
  return Content{.parts = {{want.name, "json", documents.front()}}, .validity = {*issued, *next}};
}

Result<Content> asked_for(const Want& want, ByteView body) {
  Collateral found;
  found.add(body);
  switch (want.kind) {
    case Kind::kVcek: return one_certificate(want, found);
    case Kind::kAmdChain: return amd_chain(want, found);
    case Kind::kAmdCrl:
    case Kind::kPckCrl:
    case Kind::kRootCrl: return one_list(want, found);
    case Kind::kTcbInfo: return document(want, found.tcb_infos, "tcbInfo");
    case Kind::kQeIdentity: return document(want, found.qe_identities, "enclaveIdentity");
  }
  return fail(ErrorCode::kInternal, "collateral.fetch.kind", "a kind without a reader");
}

Status add_chain(const Want& want, const std::string& header, Content& content) {
  const auto bad = [] {
    return fail(ErrorCode::kMalformed, "collateral.fetch.issuer_chain",
                "expected the chain of the issuer's certificates in the answer's head, found none that can be read",
                "check the service's address: Intel's PCS and every PCCS send it");
  };
  const auto pem = percent_decoded(header);
  if (!pem) return bad();
  Collateral found;
  found.add(as_bytes(*pem));
  if (found.certificates.empty() || !found.crls.empty()) return bad();
  Part part{want.name + "-issuer-chain", "pem", {}};
  for (const crypto::Certificate& certificate : found.certificates) append(part.bytes, certificate.to_pem());
  content.parts.push_back(std::move(part));
  return {};
}

}  // namespace

Result<Content> recognise(const Want& want, const Answer& answer) {
  if (lower(answer.content_type).starts_with("text/html")) {
    return fail(ErrorCode::kMalformed, "collateral.fetch.content_type", "expected collateral, found a page for people",
                "check the service's address; a proxy or a login page may have answered in its place");
  }
  GATEWAY_ASSIGN(Content content, asked_for(want, answer.body));
  if (!want.chain_in.empty()) GATEWAY_TRY(add_chain(want, answer.issuer_chain, content));
  return content;
}

}  // namespace gateway::fetch
