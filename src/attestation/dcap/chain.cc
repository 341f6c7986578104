#include "attestation/dcap/chain.h"

#include <algorithm>
#include <array>

#include "attestation/model/path_refusals.h"
#include "codec/pem.h"

namespace gateway::attestation::dcap {
namespace {

using crypto::Certificate;

constexpr std::size_t kChainLength = 3;
constexpr std::size_t kMaxCertificateSize = 4096;  // PCK certificates have about 1250 bytes
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

constexpr const char* kForged = "do not trust this quote; its chain was not issued as Intel does";

// What is wrong with a path, under this format's ids.
constexpr std::array kRefusals{
    PathRefusal{"x509.signature", ErrorCode::kNotAuthentic, "dcap.chain.signature",
                "every certificate signed by the one above it", kForged},
    PathRefusal{"x509.issuer_name", ErrorCode::kNotAuthentic, "dcap.chain.name",
                "every certificate naming the one above it as issuer", kForged},
    PathRefusal{"x509.not_ca", ErrorCode::kNotAuthentic, "dcap.chain.not_ca",
                "only certificate authorities above the leaf", kForged},
    PathRefusal{"x509.key_usage", ErrorCode::kNotAuthentic, "dcap.chain.key_usage",
                "keyCertSign in every certificate above the leaf", kForged},
    PathRefusal{"x509.path_length", ErrorCode::kNotAuthentic, "dcap.chain.path_length", "path lengths kept", kForged},
    PathRefusal{"x509.not_yet_valid", ErrorCode::kExpired, "dcap.chain.validity",
                "every certificate valid at the given time", "check the clock, or ask for a fresh quote"},
    PathRefusal{"x509.expired", ErrorCode::kExpired, "dcap.chain.validity", "every certificate valid at the given time",
                "have the platform provisioned with a current PCK certificate, or give --at inside the window"},
    PathRefusal{"x509.parse", ErrorCode::kNotAuthentic, "dcap.chain.certificate", "X.509 certificates", kForged},
    PathRefusal{"x509.size", ErrorCode::kNotAuthentic, "dcap.chain.certificate",
                "X.509 certificates of at most 4096 bytes", kForged},
};

constexpr PathRefusal kUnsupported{
    {}, ErrorCode::kNotAuthentic, "dcap.chain.unsupported", "a chain of plain P-256 certificates", kForged};

std::unexpected<Error> translate(const Error& cause, CheckList& checks) {
  return refuse_path(cause, kRefusals, kUnsupported, checks);
}

std::unexpected<Error> bad_pem(CheckList& checks, std::string actual) {
  return checks.refused(ErrorCode::kMalformed, "dcap.chain.pem", "three PEM certificates and nothing beside them",
                        std::move(actual), "have the attester's quote provider send the PCK certificate chain as PEM");
}

void skip(std::string_view& text, std::string_view any_of) {
  text.remove_prefix(std::min(text.find_first_not_of(any_of), text.size()));
}

// The PEM blocks, each with its BEGIN and END lines. Nothing may stand beside them.
Result<std::array<std::string_view, kChainLength>> split_pem(std::string_view text, CheckList& checks) {
  constexpr std::string_view kWhite = " \t\r\n";
  std::array<std::string_view, kChainLength> blocks;
  std::size_t count = 0;
  for (skip(text, kWhite); text.starts_with(kBegin); skip(text, kWhite)) {
    const std::size_t end = text.find(kEnd);
    if (end == std::string_view::npos) break;
    const std::string_view block = text.substr(0, end + kEnd.size());
    if (count < kChainLength) blocks.at(count) = block;
    ++count;
    text.remove_prefix(block.size());
  }
  skip(text, std::string_view("\0 \t\r\n", 5));
  if (!text.empty()) return bad_pem(checks, "something else");
  GATEWAY_TRY(checks.require(count == kChainLength, ErrorCode::kMalformed, "dcap.chain.count",
                             "three certificates: PCK, its authority, the root", std::to_string(count), kForged));
  return blocks;
}

Result<Bytes> decode_block(std::string_view block, CheckList& checks) {
  auto blocks = codec::parse_pem(block, 1);
  if (!blocks || blocks->size() != 1) return bad_pem(checks, "a block that is not base64");
  return std::move(blocks->front().bytes);
}

Result<Certificate> parse_block(std::string_view block, CheckList& checks) {
  GATEWAY_ASSIGN(const Bytes der, decode_block(block, checks));
  auto parsed = Certificate::from_der(der, kMaxCertificateSize);
  if (!parsed) return translate(parsed.error(), checks);
  return parsed;
}

// The root in the quote is compared by its key and otherwise ignored: the certificate used is the caller's.
Status check_anchor(std::string_view block, const Certificate& root, CheckList& checks) {
  const Bytes& key = root.public_key().spki();
  const auto require = [&](ByteView claimed) {
    const bool same = equal(claimed, key);
    return checks.require(same, ErrorCode::kNotAuthentic, "dcap.chain.anchor",
                          "Intel's SGX root key, sha256:" + to_hex(crypto::sha256(key)),
                          same ? "that key" : "sha256:" + to_hex(crypto::sha256(claimed)),
                          "this is no production hardware of Intel's (pre-production roots carry the same name)");
  };
  GATEWAY_ASSIGN(const Bytes der, decode_block(block, checks));
  if (equal(der, root.der())) return require(key);  // the usual case costs no parsing
  auto claimed = Certificate::from_der(der, kMaxCertificateSize);
  if (!claimed) return translate(claimed.error(), checks);
  return require(claimed->public_key().spki());
}

std::optional<PckCa> ca_of(const Certificate& intermediate) {
  const auto name = intermediate.subject_common_name();
  if (name == "Intel SGX PCK Processor CA") return PckCa::kProcessor;
  if (name == "Intel SGX PCK Platform CA") return PckCa::kPlatform;
  return std::nullopt;
}

Status check_leaf(const Certificate& leaf, CheckList& checks) {
  const Certificate::KeyUsage usage = leaf.key_usage();
  const bool good =
      usage.present && usage.digital_signature && !usage.key_cert_sign && !usage.crl_sign && !leaf.is_ca();
  GATEWAY_TRY(checks.require(good, ErrorCode::kNotAuthentic, "dcap.chain.leaf_usage",
                             "digitalSignature and neither keyCertSign nor cRLSign, no authority",
                             good ? "digitalSignature" : "another usage", kForged));
  const bool p256 = leaf.public_key().type() == crypto::KeyType::kP256;
  return checks.require(p256, ErrorCode::kNotAuthentic, "dcap.chain.key", "a P-256 key in the leaf",
                        p256 ? "P-256" : "another key", kForged);
}

Result<PckExtensions> read_extensions(const Certificate& leaf, CheckList& checks) {
  const auto value = leaf.extension(kSgxExtensionOid);
  auto pck = value ? parse_pck_extensions(*value)
                   : fail(ErrorCode::kMalformed, "dcap.pck.extension", "no SGX extension in the PCK certificate");
  if (!pck) {
    return checks.refused(ErrorCode::kMalformed, "dcap.pck.extension", "the SGX extension of a PCK certificate",
                          pck.error().detail(), kForged);
  }
  checks.held("dcap.pck.extension", "the SGX extension of a PCK certificate", "FMSPC " + to_hex(pck->fmspc));
  return pck;
}

std::string window_text(const TimeWindow& window) {
  return to_rfc3339(window.not_before) + " to " + to_rfc3339(window.not_after);
}

}  // namespace

std::string_view to_string(PckCa ca) { return ca == PckCa::kProcessor ? "processor" : "platform"; }

Result<VerifiedPck> verify_pck_chain(ByteView certification_data, const Certificate& root, Time at, CheckList& checks) {
  GATEWAY_ASSIGN(const auto blocks, split_pem(as_text(certification_data), checks));
  GATEWAY_ASSIGN(Certificate leaf, parse_block(blocks[0], checks));
  GATEWAY_ASSIGN(Certificate intermediate, parse_block(blocks[1], checks));
  GATEWAY_TRY(check_anchor(blocks[2], root, checks));
  const auto ca = ca_of(intermediate);
  const bool named = ca && leaf.subject_common_name() == "Intel SGX PCK Certificate";
  GATEWAY_TRY(checks.require(named, ErrorCode::kNotAuthentic, "dcap.chain.common_name",
                             "a PCK certificate by the PCK Processor CA or the PCK Platform CA",
                             ca ? "by the " + std::string(to_string(*ca)) + " CA" : "another authority", kForged));
  auto window = crypto::validate_path(leaf, {&intermediate, 1}, root, {.at = at, .max_length = kChainLength});
  if (!window) return translate(window.error(), checks);
  checks.held("dcap.chain.signature", "every certificate signed by the one above it", "2 signatures");
  checks.held("dcap.chain.validity", "every certificate valid at " + to_rfc3339(at), window_text(*window));
  GATEWAY_TRY(check_leaf(leaf, checks));
  GATEWAY_ASSIGN(const PckExtensions pck, read_extensions(leaf, checks));
  return VerifiedPck{.leaf = std::move(leaf),
                     .intermediate = std::move(intermediate),
                     .pck = pck,
                     .ca = *ca,
                     .validity = *window,
                     .root_key = crypto::sha256(root.public_key().spki())};
}

Status recheck_pck_chain(const VerifiedPck& chain, const Certificate& root, Time at, CheckList& checks) {
  const bool same = crypto::sha256(root.public_key().spki()) == chain.root_key;
  GATEWAY_TRY(checks.require(same, ErrorCode::kNotAuthentic, "dcap.chain.anchor", "the root key of this caller",
                             same ? "that key" : "sha256:" + to_hex(chain.root_key),
                             "do not share a cache between roots"));
  checks.held("dcap.chain.signature", "every certificate signed by the one above it", "2 signatures, verified before");
  return checks.require(chain.validity.contains(at), ErrorCode::kExpired, "dcap.chain.validity",
                        "every certificate valid at " + to_rfc3339(at), window_text(chain.validity),
                        "have the platform provisioned with a current PCK certificate, or give --at inside the window");
}

}  // namespace gateway::attestation::dcap
