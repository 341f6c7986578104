#include "attestation/formats/certificate.h"

#include "attestation/formats/open_enclave.h"
#include "attestation/formats/ra_tls.h"
#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/hash.h"

namespace gateway::attestation::formats {
namespace {

using crypto::Certificate;

constexpr std::string_view kRaTlsOid = "2.23.133.5.4.9";
constexpr std::string_view kCmwOid = "1.3.6.1.5.5.7.1.35";
constexpr std::string_view kOeReportOid = "1.2.840.113556.10.1.1";
constexpr std::string_view kOeEvidenceOid = "1.2.840.113556.10.1.2";
constexpr std::string_view kOeReportOidNew = "1.3.6.1.4.1.311.105.1";
constexpr std::string_view kOeEvidenceOidNew = "1.3.6.1.4.1.311.105.2";
constexpr std::string_view kDstackOid = "1.3.6.1.4.1.62397.1.1";
// Gramine puts the encoding of an OID, tag and length included, where its content belongs; the second is what was
// meant.
constexpr std::string_view kGramineOid = "0.6.9.42.840.113741.1337.6";
constexpr std::string_view kGramineOidMeant = "1.2.840.113741.1337.6";

Bytes bytes_of(ByteView view) { return to_bytes(view); }

CarriedEvidence carried(Carrier format, Bytes evidence, const Certificate& certificate) {
  return {.format = format,
          .evidence = std::move(evidence),
          .binding = {},
          .public_key = certificate.public_key().spki(),
          .nonce = {}};
}

// A DER OCTET STRING with the quote.
Result<CarriedEvidence> from_dstack(ByteView value, const Certificate& certificate) {
  codec::DerReader reader(value);
  const auto quote = reader.element(codec::der_tag::kOctetString);
  if (!quote || !reader.finish()) {
    return fail(ErrorCode::kMalformed, "carrier.dstack.encoding", "the extension's value is not one OCTET STRING",
                "the certificate was made by something that is not dstack");
  }
  GATEWAY_ASSIGN(Bytes evidence, take_evidence(quote->content));
  CarriedEvidence out = carried(Carrier::kDstack, std::move(evidence), certificate);
  out.binding.rule = "SHA-512 of \"ratls-cert:\" and the certificate's public key";
  out.binding.report_data.push_back(
      bytes_of(crypto::sha512({as_bytes("ratls-cert:"), certificate.public_key().spki()})));
  return out;
}

Result<CarriedEvidence> from_gramine(ByteView value, const Certificate& certificate) {
  GATEWAY_ASSIGN(Bytes evidence, take_evidence(value));
  CarriedEvidence out = carried(Carrier::kGramineLegacy, std::move(evidence), certificate);
  out.binding.rule = "SHA-256 of the certificate's public key";
  out.binding.report_data.push_back(bytes_of(crypto::sha256(certificate.public_key().spki())));
  return out;
}

// A Nitro document in hexadecimal as the first label of a DNS name.
std::optional<Bytes> document_in_name(std::string_view name) {
  constexpr std::size_t kLongestLabel = 63;  // of an honest DNS name
  const std::string_view label = name.substr(0, name.find('.'));
  if (label.size() <= kLongestLabel) return std::nullopt;
  auto bytes = from_hex(label);
  if (!bytes || platform_hint(*bytes) != Platform::kNitro) return std::nullopt;
  return bytes;
}

Result<CarriedEvidence> from_names(const Certificate& certificate) {
  for (const std::string& name : certificate.dns_names()) {
    const auto document = document_in_name(name);
    if (!document) continue;
    GATEWAY_ASSIGN(Bytes evidence, take_evidence(*document));
    CarriedEvidence out = carried(Carrier::kEvervault, std::move(evidence), certificate);
    out.binding.rule = "certificate's public key";
    out.binding.report_data.push_back(certificate.public_key().spki());
    return out;
  }
  return fail(ErrorCode::kUnsupported, "carrier.none",
              "the certificate carries no evidence of a kind that is known here",
              "ask the endpoint's operator how it hands out evidence; a certificate without it proves no TEE");
}

}  // namespace

Result<CarriedEvidence> evidence_in(const Certificate& certificate) {
  for (const std::string_view oid : {kRaTlsOid, kCmwOid}) {
    if (const auto value = certificate.extension(oid)) return parse_ra_tls(*value, certificate.public_key());
  }
  for (const std::string_view oid : {kOeEvidenceOid, kOeEvidenceOidNew, kOeReportOid, kOeReportOidNew}) {
    if (const auto value = certificate.extension(oid)) return carried_open_enclave(*value, certificate.public_key());
  }
  if (const auto value = certificate.extension(kDstackOid)) return from_dstack(*value, certificate);
  for (const std::string_view oid : {kGramineOid, kGramineOidMeant}) {
    if (const auto value = certificate.extension(oid)) return from_gramine(*value, certificate);
  }
  return from_names(certificate);
}

Result<CarriedEvidence> evidence_in_certificate(ByteView der_or_pem) {
  if (der_or_pem.size() > kMaxCarrierCertificate) {
    return fail(ErrorCode::kLimitExceeded, "carrier.certificate_size",
                "expected a certificate of at most " + std::to_string(kMaxCarrierCertificate) + " bytes, found " +
                    std::to_string(der_or_pem.size()),
                "give the endpoint's own certificate alone");
  }
  const auto bad = [](const Error& cause) {
    return fail(ErrorCode::kMalformed, "carrier.certificate", "this is not a readable certificate: " + cause.message(),
                "give the endpoint's certificate in DER or PEM");
  };
  Bytes decoded;
  if (!der_or_pem.empty() && der_or_pem.front() != codec::der_tag::kSequence) {
    auto blocks = codec::parse_pem(as_text(der_or_pem), 16);
    if (!blocks) return bad(blocks.error());
    if (blocks->empty() || blocks->front().label != "CERTIFICATE") {
      return bad(Error(ErrorCode::kMalformed, "carrier.certificate", "no certificate in PEM"));
    }
    decoded = std::move(blocks->front().bytes);
    der_or_pem = decoded;
  }
  const auto certificate = Certificate::from_der(der_or_pem, kMaxCarrierCertificate);
  if (!certificate) return bad(certificate.error());
  return evidence_in(*certificate);
}

}  // namespace gateway::attestation::formats
