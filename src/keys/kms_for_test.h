// For tests: what KMS answers an attested call with, made by OpenSSL's CMS.
#pragma once

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "base/bytes.h"

namespace gateway::keys {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};

// KMS's side, by OpenSSL's CMS: `streamed` gives BER of indefinite lengths with the ciphertext in pieces.
inline Bytes envelope_for(ByteView spki_der, std::string_view plaintext, bool streamed,
                          const EVP_CIPHER* cipher = EVP_aes_256_cbc(), const EVP_MD* digest = EVP_sha256()) {
  const unsigned char* at = spki_der.data();
  EVP_PKEY* const spki = d2i_PUBKEY(nullptr, &at, static_cast<long>(spki_der.size()));
  // CMS wants a certificate; what of it goes into the envelope is the key identifier alone.
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  X509_set_pubkey(certificate, spki);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  ASN1_OCTET_STRING* const identifier = ASN1_OCTET_STRING_new();
  ASN1_OCTET_STRING_set(identifier, spki_der.data(), 32);
  X509_add1_ext_i2d(certificate, NID_subject_key_identifier, identifier, 0, 0);
  ASN1_OCTET_STRING_free(identifier);
  EVP_PKEY* const signer = EVP_EC_gen("P-256");  // anybody: nothing of the signature goes anywhere
  X509_sign(certificate, signer, EVP_sha256());
  EVP_PKEY_free(signer);
  const unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_USE_KEYID | CMS_KEY_PARAM;
  CMS_ContentInfo* const cms = CMS_encrypt(nullptr, nullptr, cipher, flags);
  CMS_RecipientInfo* const recipient = CMS_add1_recipient_cert(cms, certificate, flags);
  EVP_PKEY_CTX* const context = CMS_RecipientInfo_get0_pkey_ctx(recipient);
  EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING);
  EVP_PKEY_CTX_set_rsa_oaep_md(context, digest);
  EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest);
  const std::unique_ptr<BIO, BioFree> data(BIO_new_mem_buf(plaintext.data(), static_cast<int>(plaintext.size())));
  const std::unique_ptr<BIO, BioFree> out(BIO_new(BIO_s_mem()));
  if (streamed) {
    i2d_CMS_bio_stream(out.get(), cms, data.get(), CMS_STREAM | CMS_BINARY);
  } else {
    CMS_final(cms, data.get(), nullptr, CMS_BINARY);
    i2d_CMS_bio(out.get(), cms);
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  Bytes made = to_bytes(std::string_view(bytes, static_cast<std::size_t>(size)));
  CMS_ContentInfo_free(cms);
  X509_free(certificate);
  EVP_PKEY_free(spki);
  return made;
}

}  // namespace gateway::keys
