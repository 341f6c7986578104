#include "crypto/x509.h"

#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/x509_impl.h"

namespace gateway::crypto {

Result<Certificate> Certificate::from_der(ByteView der, std::size_t max_size) {
  if (der.size() > max_size) {
    return fail(ErrorCode::kLimitExceeded, "x509.size",
                "expected a certificate of at most " + std::to_string(max_size) + " bytes, found " +
                    std::to_string(der.size()));
  }
  auto impl = std::make_shared<Impl>(to_bytes(der));
  GATEWAY_TRY(parse_certificate(*impl));
  return Certificate(std::move(impl));
}

Result<std::vector<Certificate>> Certificate::from_pem(std::string_view pem, std::size_t max_count) {
  auto blocks = codec::parse_pem(pem, max_count);
  if (!blocks && blocks.error().code() == ErrorCode::kLimitExceeded) {
    return fail(ErrorCode::kLimitExceeded, "x509.chain_length",
                "expected at most " + std::to_string(max_count) + " certificates, found more");
  }
  if (!blocks) return fail(ErrorCode::kMalformed, "x509.parse", blocks.error().detail(), blocks.error().remedy());
  std::vector<Certificate> certificates;
  for (const codec::PemBlock& block : *blocks) {
    if (block.label != "CERTIFICATE") {
      return fail(ErrorCode::kMalformed, "x509.parse", "expected only CERTIFICATE blocks in the PEM, found another",
                  "give a file that holds certificates alone");
    }
    GATEWAY_ASSIGN(auto certificate, from_der(block.bytes));
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) {
    return fail(ErrorCode::kMalformed, "x509.parse", "expected a CERTIFICATE block in the PEM, found none",
                "give the certificate in PEM form, with its BEGIN and END lines");
  }
  return certificates;
}

const Bytes& Certificate::der() const { return impl_->der; }
const PublicKey& Certificate::public_key() const { return *impl_->key; }
ByteView Certificate::serial() const { return impl_->serial; }
TimeWindow Certificate::validity() const { return impl_->validity; }
std::string Certificate::subject() const { return name_text(impl_->subject); }
std::string Certificate::issuer() const { return name_text(impl_->issuer); }
std::optional<std::string> Certificate::subject_common_name() const { return common_name(impl_->subject); }
std::optional<std::string> Certificate::issuer_common_name() const { return common_name(impl_->issuer); }
ByteView Certificate::subject_name() const { return impl_->subject; }
bool Certificate::same_subject(const Certificate& other) const { return equal(impl_->subject, other.impl_->subject); }
bool Certificate::issued_by_name(const Certificate& issuer) const {
  return equal(impl_->issuer, issuer.impl_->subject);
}
bool Certificate::is_ca() const { return impl_->is_ca; }
std::optional<std::int64_t> Certificate::path_length() const { return impl_->path_length; }
Certificate::KeyUsage Certificate::key_usage() const { return impl_->key_usage; }
std::vector<std::string> Certificate::dns_names() const { return impl_->dns_names; }
std::string Certificate::to_pem() const { return codec::write_pem("CERTIFICATE", impl_->der); }

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  const auto wanted = codec::der_oid(oid);
  if (!wanted) return std::nullopt;
  const auto content = codec::DerReader(*wanted).oid();
  for (const Extension& extension : impl_->extensions) {
    if (content && equal(extension.oid, *content)) return to_bytes(extension.value);
  }
  return std::nullopt;
}

// Over the bytes of tbsCertificate as received.
Status Certificate::verify_signed_by(const PublicKey& issuer_key) const {
  if (impl_->signed_with.kind == SignatureKind::kRsaPkcs1) {
    return fail(ErrorCode::kUnsupported, "x509.algorithm",
                "expected a signature by ECDSA or RSA-PSS, found RSA PKCS #1 v1.5, which is read but never trusted");
  }
  if (signature_holds(impl_->signed_with, issuer_key, impl_->tbs, impl_->signature)) return {};
  return fail(ErrorCode::kNotAuthentic, "x509.signature", "the certificate was not signed by its issuer's key");
}

x509_st* Certificate::native() const {
  std::call_once(impl_->native_once, [this] {
    const ErrorScope scope;
    const unsigned char* at = impl_->der.data();
    impl_->native.reset(d2i_X509(nullptr, &at, static_cast<long>(impl_->der.size())));
  });
  return impl_->native.get();
}

}  // namespace gateway::crypto
