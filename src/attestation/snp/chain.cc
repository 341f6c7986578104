#include "attestation/snp/chain.h"

#include <algorithm>
#include <array>

#include "attestation/model/path_refusals.h"

namespace gateway::attestation::snp {
namespace {

using crypto::Certificate;

constexpr std::size_t kPathLength = 3;
constexpr std::size_t kMaxOtherIssuers = 4;
constexpr const char* kForged = "do not trust this report; its key was not certified as AMD does it";

// What is wrong with a path, under this format's ids.
constexpr std::array kRefusals{
    PathRefusal{"x509.signature", ErrorCode::kNotAuthentic, "snp.chain.signature",
                "every certificate signed by the one above it", kForged},
    PathRefusal{"x509.issuer_name", ErrorCode::kNotAuthentic, "snp.chain.name",
                "every certificate naming the one above it as issuer", kForged},
    PathRefusal{"x509.not_ca", ErrorCode::kNotAuthentic, "snp.chain.not_ca",
                "only certificate authorities above the leaf", kForged},
    PathRefusal{"x509.key_usage", ErrorCode::kNotAuthentic, "snp.chain.key_usage",
                "keyCertSign in every certificate above the leaf", kForged},
    PathRefusal{"x509.path_length", ErrorCode::kNotAuthentic, "snp.chain.path_length", "path lengths kept", kForged},
    PathRefusal{"x509.not_yet_valid", ErrorCode::kExpired, "snp.chain.validity",
                "every certificate valid at the given time", "check the clock, or judge at a time inside the window"},
    PathRefusal{"x509.expired", ErrorCode::kExpired, "snp.chain.validity", "every certificate valid at the given time",
                "fetch the endorsement again, or judge at a time inside its window"},
};

constexpr PathRefusal kUnsupported{
    {}, ErrorCode::kNotAuthentic, "snp.chain.unsupported", "a chain as AMD issues it", kForged};

std::unexpected<Error> translate(const Error& cause, CheckList& checks) {
  return refuse_path(cause, kRefusals, kUnsupported, checks);
}

// Certificates of the sources that may have issued the leaf where the built-in one did not.
std::vector<Certificate> other_issuers(const Certificate& leaf, const Certificate& built_in, const Sources& sources) {
  std::vector<Certificate> found;
  const auto consider = [&](const Certificate& candidate) {
    if (found.size() == kMaxOtherIssuers || !leaf.issued_by_name(candidate)) return;
    if (!equal(candidate.der(), built_in.der())) found.push_back(candidate);
  };
  if (sources.table.ask) {
    if (const auto parsed = Certificate::from_der(*sources.table.ask)) consider(*parsed);
  }
  for (const Certificate& candidate : sources.collateral.certificates) consider(candidate);
  return found;
}

std::string root_name(const ProductRoots& roots) {
  return "ARK-" + std::string(to_string(roots.product)) + ", sha256:" + to_hex(roots.ark_sha256);
}

// Whether the list is the issuer's own and current: one that is not says nothing, for or against.
bool counts(const crypto::Crl& list, const Certificate& issuer, Time at, ChainCache* cache) {
  if (!list.issued_by_name(issuer) || !list.validity().contains(at)) return false;
  if (cache == nullptr) return list.verify_signed_by(issuer).has_value();
  ByteWriter lengths;
  lengths.u64be(list.der().size());
  const crypto::Sha256 key = crypto::sha256({lengths.bytes(), list.der(), issuer.der()});
  if (cache->lists.find(key)) return true;
  if (!list.verify_signed_by(issuer)) return false;
  cache->lists.insert(key, {});
  return true;
}

}  // namespace

Result<VerifiedChain> verify_chain(const Certificate& leaf, const Endorsement& endorsement, const ProductRoots& roots,
                                   const Sources& sources, Time at, CheckList& checks) {
  const bool vcek = endorsement.kind == SnpSigningKey::kVcek;
  const Certificate& built_in = vcek ? roots.ask : roots.asvk;
  const auto validate = [&](const Certificate& intermediate) {
    return crypto::validate_path(leaf, {&intermediate, 1}, roots.ark, {.at = at, .max_length = kPathLength});
  };
  auto window = validate(built_in);
  Certificate intermediate = built_in;
  if (!window && (window.error().id() == "x509.signature" || window.error().id() == "x509.issuer_name")) {
    for (const Certificate& other : other_issuers(leaf, built_in, sources)) {
      if (auto better = validate(other)) {
        window = *better;
        intermediate = other;
        break;
      }
    }
  }
  if (!window) return translate(window.error(), checks);
  checks.held("snp.chain.anchor", root_name(roots), "sha256:" + to_hex(roots.ark_sha256));
  checks.held("snp.chain.signature", "every certificate signed by the one above it", "2 signatures");
  checks.held("snp.chain.validity", "every certificate valid at " + to_rfc3339(at),
              to_rfc3339(window->not_before) + " to " + to_rfc3339(window->not_after));
  return VerifiedChain{.endorsement = endorsement,
                       .leaf = leaf,
                       .intermediate = std::move(intermediate),
                       .ark_sha256 = roots.ark_sha256,
                       .validity = *window};
}

Status recheck_chain(const VerifiedChain& chain, const ProductRoots& roots, Time at, CheckList& checks) {
  GATEWAY_TRY(checks.require(chain.ark_sha256 == roots.ark_sha256, ErrorCode::kNotAuthentic, "snp.chain.anchor",
                             root_name(roots), "sha256:" + to_hex(chain.ark_sha256), kForged));
  checks.held("snp.chain.signature", "every certificate signed by the one above it", "2 signatures, verified before");
  return checks.require(chain.validity.contains(at), ErrorCode::kExpired, "snp.chain.validity",
                        "every certificate valid at " + to_rfc3339(at),
                        to_rfc3339(chain.validity.not_before) + " to " + to_rfc3339(chain.validity.not_after),
                        "fetch the endorsement again, or judge at a time inside its window");
}

Result<Revocation> check_revocation(const VerifiedChain& chain, const ProductRoots& roots, const Sources& sources,
                                    Time at, ChainCache* cache, CheckList& checks) {
  std::size_t current = 0;  // lists of the root's
  bool revoked = false;
  const auto judge = [&](const crypto::Crl& list) {
    if (counts(list, roots.ark, at, cache)) {
      ++current;
      revoked = revoked || list.revokes(chain.intermediate);
    }
    if (counts(list, chain.intermediate, at, cache)) revoked = revoked || list.revokes(chain.leaf);
  };
  for (const crypto::Crl& list : sources.collateral.crls) judge(list);
  if (sources.table.crl) {
    if (const auto parsed = crypto::Crl::from_der(*sources.table.crl, kMaxTableSize)) judge(*parsed);
  }
  if (revoked) {
    return checks.refused(ErrorCode::kNotAuthentic, "snp.chain.revoked", "no certificate of the chain revoked",
                          "one that is", "AMD withdrew the key that this report rests on; do not trust it");
  }
  if (current == 0) return Revocation::kUnknown;
  checks.held("snp.chain.revoked", "no certificate of the chain revoked",
              "none, by " + std::to_string(current) + " current lists of ARK-" + std::string(to_string(roots.product)));
  return Revocation::kChecked;
}

Status check_root(const CertificateTable& table, const ProductRoots& roots, CheckList& checks) {
  if (!table.ark) return {};
  const crypto::Sha256 found = crypto::sha256(*table.ark);
  bool same = found == roots.ark_sha256;
  if (!same) {  // the key counts: AMD may certify it again
    const auto parsed = Certificate::from_der(*table.ark);
    same = parsed && equal(parsed->public_key().spki(), roots.ark.public_key().spki());
  }
  if (same) return {};
  return checks.refused(ErrorCode::kNotAuthentic, "snp.chain.anchor", root_name(roots), "sha256:" + to_hex(found),
                        "the evidence brings a root that is not AMD's; do not trust it");
}

std::shared_ptr<ChainCache> make_chain_cache(std::size_t capacity) { return std::make_shared<ChainCache>(capacity); }

}  // namespace gateway::attestation::snp
