#include "attestation/nitro/chain.h"

#include <algorithm>
#include <array>

#include "attestation/model/path_refusals.h"

namespace gateway::attestation::nitro {
namespace {

using crypto::Certificate;

constexpr std::size_t kMaxPath = kMaxCabundle + 1;
constexpr std::string_view kAwsSuffix = ".aws.nitro-enclaves";

constexpr const char* kForged =
    "do not trust this document; its chain was not issued as AWS's NSM (or a virtual NSM) does";
// What is wrong with a path, under this format's ids.
constexpr std::array kRefusals{
    PathRefusal{"x509.signature", ErrorCode::kNotAuthentic, "nitro.chain.signature",
                "every certificate signed by the one above it", kForged},
    PathRefusal{"x509.issuer_name", ErrorCode::kNotAuthentic, "nitro.chain.name",
                "every certificate naming the one above it as issuer", kForged},
    PathRefusal{"x509.not_ca", ErrorCode::kNotAuthentic, "nitro.chain.not_ca",
                "only certificate authorities above the leaf", kForged},
    PathRefusal{"x509.key_usage", ErrorCode::kNotAuthentic, "nitro.chain.key_usage",
                "keyCertSign in every certificate above the leaf", kForged},
    PathRefusal{"x509.path_length", ErrorCode::kNotAuthentic, "nitro.chain.path_length", "path lengths kept", kForged},
    PathRefusal{"x509.not_yet_valid", ErrorCode::kExpired, "nitro.chain.validity",
                "every certificate valid at the given time", "check the clock, or ask for a fresh document"},
    PathRefusal{"x509.expired", ErrorCode::kExpired, "nitro.chain.validity",
                "every certificate valid at the given time",
                "ask for a fresh document (leaves live three hours), or give --at inside its window"},
    PathRefusal{"x509.parse", ErrorCode::kNotAuthentic, "nitro.chain.certificate", "X.509 certificates", kForged},
};

constexpr PathRefusal kUnsupported{
    {}, ErrorCode::kNotAuthentic, "nitro.chain.unsupported", "a chain of plain P-384 certificates", kForged};

std::unexpected<Error> translate(const Error& cause, CheckList& checks) {
  return refuse_path(cause, kRefusals, kUnsupported, checks);
}

struct Anchor {
  Platform platform = Platform::kLocal;
  const Certificate* known = nullptr;  // null: accepted by hash, the certificate is cabundle[0] itself
  crypto::Sha256 sha256{};
};

// cabundle[0] is compared and otherwise ignored: the certificate used is the caller's own, or one with the hash that
// the caller named, which is the same bytes.
Result<Anchor> find_anchor(ByteView claimed_root, const Certificate& vendor_root,
                           const crypto::Sha256& vendor_root_sha256, const Anchors& anchors, CheckList& checks) {
  const crypto::Sha256 found = crypto::sha256(claimed_root);
  const std::string actual = "sha256:" + to_hex(found);
  if (found == vendor_root_sha256) {
    checks.held("nitro.chain.anchor", "AWS Nitro Enclaves root G1, sha256:" + to_hex(vendor_root_sha256), actual);
    return Anchor{Platform::kNitro, &vendor_root, found};
  }
  const auto root = std::ranges::find_if(
      anchors.local_roots, [&](const Certificate& candidate) { return equal(candidate.der(), claimed_root); });
  const bool named = std::ranges::find(anchors.local_root_sha256, found) != anchors.local_root_sha256.end();
  if (root == anchors.local_roots.end() && !named) {
    const bool none = anchors.local_roots.empty() && anchors.local_root_sha256.empty();
    return checks.refused(
        ErrorCode::kNotAuthentic, "nitro.chain.anchor",
        "AWS Nitro Enclaves root G1, sha256:" + to_hex(vendor_root_sha256) +
            (none ? "" : ", or one of the local roots given"),
        actual,
        "this is not AWS hardware; for a local enclave that you trust give its root (--root FILE, "
        "--root-digest sha256:… beside --release, or root = \"sha256:…\" in a policy entry with platform = \"local\")");
  }
  checks.held("nitro.chain.anchor", "a local root that the caller named", actual);
  return Anchor{Platform::kLocal, root == anchors.local_roots.end() ? nullptr : &*root, found};
}

Result<std::vector<Certificate>> parse_certificates(const UnverifiedDocument& document, bool with_root,
                                                    CheckList& checks) {
  std::vector<Certificate> certificates;  // [root,] intermediates…, leaf
  for (std::size_t i = with_root ? 0 : 1; i < document.cabundle.size(); ++i) {
    auto certificate = Certificate::from_der(document.cabundle[i], kMaxCertificateSize);
    if (!certificate) return translate(certificate.error(), checks);
    certificates.push_back(std::move(*certificate));
  }
  auto leaf = Certificate::from_der(document.certificate, kMaxCertificateSize);
  if (!leaf) return translate(leaf.error(), checks);
  certificates.push_back(std::move(*leaf));
  return certificates;
}

Status check_leaf(const Certificate& leaf, CheckList& checks) {
  const Certificate::KeyUsage usage = leaf.key_usage();
  std::string found = usage.present ? "keyUsage:" : "no keyUsage";
  if (usage.digital_signature) found += " digitalSignature";
  if (usage.key_cert_sign) found += " keyCertSign";
  if (usage.crl_sign) found += " cRLSign";
  if (leaf.is_ca()) found += ", cA";
  return checks.require(
      usage.present && usage.digital_signature && !usage.key_cert_sign && !usage.crl_sign && !leaf.is_ca(),
      ErrorCode::kNotAuthentic, "nitro.chain.leaf_usage",
      "digitalSignature and neither keyCertSign nor cRLSign, no authority", std::move(found), kForged);
}

// Present when every issuer's name below the root carries the same region.
std::optional<std::string> region_of_chain(std::span<const Certificate> intermediates) {
  std::optional<std::string> region;
  for (const Certificate& issuer : intermediates) {
    const auto name = issuer.subject_common_name();
    const auto found = name ? region_of(*name) : std::nullopt;
    if (!found || (region && *region != *found)) return std::nullopt;
    region = found;
  }
  return region;
}

}  // namespace

std::optional<std::string> region_of(std::string_view common_name) {
  if (!common_name.ends_with(kAwsSuffix)) return std::nullopt;
  common_name.remove_suffix(kAwsSuffix.size());
  const std::size_t dot = common_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view region = common_name.substr(dot + 1);
  // us-east-1, us-gov-west-1, …: lower-case words and a number, joined by '-'.
  const bool shaped =
      region.size() >= 6 && region.size() <= 32 && region.find('-') != std::string_view::npos &&
      region.front() >= 'a' && region.front() <= 'z' && region.back() >= '0' && region.back() <= '9' &&
      std::ranges::all_of(region, [](char c) { return c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (!shaped) return std::nullopt;
  return std::string(region);
}

Result<VerifiedChain> verify_chain(const UnverifiedDocument& document, const Certificate& vendor_root,
                                   const crypto::Sha256& vendor_root_sha256, const Anchors& anchors, Time at,
                                   CheckList& checks) {
  GATEWAY_ASSIGN(const Anchor anchor,
                 find_anchor(document.cabundle.front(), vendor_root, vendor_root_sha256, anchors, checks));
  const bool by_hash = anchor.known == nullptr;
  GATEWAY_ASSIGN(const auto certificates, parse_certificates(document, by_hash, checks));
  const std::span<const Certificate> all(certificates);
  const Certificate& root = by_hash ? all.front() : *anchor.known;
  const Certificate& leaf = all.back();
  const auto intermediates = all.subspan(by_hash ? 1 : 0, all.size() - (by_hash ? 2 : 1));

  auto window = crypto::validate_path(leaf, intermediates, root, {.at = at, .max_length = kMaxPath});
  if (!window) return translate(window.error(), checks);
  const std::size_t length = intermediates.size() + 2;
  checks.held("nitro.chain.signature", "every certificate signed by the one above it",
              std::to_string(length - 1) + " signatures");
  checks.held("nitro.chain.validity", "every certificate valid at " + to_rfc3339(at),
              to_rfc3339(window->not_before) + " to " + to_rfc3339(window->not_after));
  GATEWAY_TRY(check_leaf(leaf, checks));
  GATEWAY_TRY(checks.require(leaf.public_key().type() == crypto::KeyType::kP384, ErrorCode::kNotAuthentic,
                             "nitro.chain.key", "a P-384 key in the leaf",
                             leaf.public_key().type() == crypto::KeyType::kP384 ? "P-384" : "another key", kForged));
  return VerifiedChain{.platform = anchor.platform,
                       .root_sha256 = anchor.sha256,
                       .validity = *window,
                       .leaf_validity = leaf.validity(),
                       .region = anchor.platform == Platform::kNitro ? region_of_chain(intermediates) : std::nullopt,
                       .length = length,
                       .leaf_key = leaf.public_key()};
}

crypto::Sha256 ChainCache::key_of(const UnverifiedDocument& document) {
  // Lengths before contents, so that no byte can move from one certificate to the next under the same hash.
  ByteWriter lengths;
  lengths.u32be(static_cast<std::uint32_t>(document.certificate.size()));
  for (ByteView der : document.cabundle) lengths.u32be(static_cast<std::uint32_t>(der.size()));
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  hasher.update(lengths.bytes());
  hasher.update(document.certificate);
  for (ByteView der : document.cabundle) hasher.update(der);
  const Bytes digest = hasher.finish();
  crypto::Sha256 key{};
  std::ranges::copy(digest, key.begin());
  return key;
}

std::shared_ptr<ChainCache> make_chain_cache(std::size_t capacity) { return std::make_shared<ChainCache>(capacity); }

}  // namespace gateway::attestation::nitro
