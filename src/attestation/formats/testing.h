// What the tests and seeds of this folder share: certificates that carry anything, quotes that say anything.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "attestation/appraisal/policy.h"
#include "attestation/formats/carried.h"
#include "attestation/testing/fake_vendor.h"
#include "codec/cbor.h"
#include "codec/der.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace gateway::attestation::formats::testing {

using attestation::testing::fake_nitro;
using attestation::testing::kNow;

inline const crypto::PrivateKey& tls_key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  return key;
}
inline const crypto::PublicKey& public_key() {
  static const crypto::PublicKey key = tls_key().public_key();
  return key;
}
inline const crypto::PublicKey& other_key() {
  static const crypto::PublicKey key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value().public_key();
  return key;
}

inline crypto::Certificate certificate(std::vector<crypto::CertificateSpec::Extension> extensions,
                                       const std::vector<std::string>& names = {}) {
  if (!names.empty()) {  // longer than honest ones
    Bytes list;
    for (const std::string& name : names) append(list, codec::der(codec::der_tag::context(2), {as_bytes(name)}));
    extensions.push_back({"2.5.29.17", codec::der(codec::der_tag::kSequence, {list}), false});
  }
  crypto::CertificateSpec spec{.subject_common_name = "endpoint",
                               .issuer_common_name = "endpoint",
                               .subject_key = public_key(),
                               .validity = {kNow, kNow + std::chrono::hours(1)},
                               .is_ca = false,
                               .path_length = {},
                               .dns_names = {},
                               .extensions = std::move(extensions)};
  return crypto::issue_certificate(spec, tls_key()).value();
}

// The outline of an SGX quote of version 3: nothing but the report data and the lengths is right.
inline Bytes sgx_quote(ByteView report_data) {
  Bytes quote(436, 0);
  quote[0] = 3;
  quote[2] = 2;
  std::ranges::copy(report_data, quote.begin() + 368);
  quote[432] = 10;
  quote.insert(quote.end(), 10, 0xaa);
  return quote;
}

inline Bytes key_hash_entry(std::uint64_t algorithm, ByteView hash) {
  codec::CborWriter writer;
  writer.array(2).unsigned_integer(algorithm).bytes(hash);
  return std::move(writer).take();
}
inline Bytes ra_tls_claims(ByteView entry) {
  codec::CborWriter writer;
  writer.map(1).text("pubkey-hash").bytes(entry);
  return std::move(writer).take();
}
inline Bytes good_claims() { return ra_tls_claims(key_hash_entry(1, crypto::sha256(public_key().spki()))); }
inline Bytes ra_tls(ByteView evidence, ByteView claims, std::uint64_t tag = 60'000) {
  codec::CborWriter writer;
  writer.tag(tag).array(2).bytes(evidence).bytes(claims);
  return std::move(writer).take();
}

// Authentic claims whose report data (user_data) is this.
inline Claims claims_saying(std::optional<Bytes> report_data) {
  const Bytes document =
      fake_nitro().document([&](attestation::testing::DocumentFields& fields) { fields.user_data = report_data; });
  return fake_nitro().authenticate(document).value();
}

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "accepted" : std::string(result.error().id());
}

// Whether check_binding() accepts evidence that says this, and under which id not.
inline std::string bound(const CarriedEvidence& carried, std::optional<Bytes> report_data) {
  CheckList checks;
  const Status status = check_binding(carried, claims_saying(std::move(report_data)), checks);
  EXPECT_EQ(checks.lines().size(), 1U);
  return refusal(status);
}

inline Bytes padded(ByteView statement) {
  Bytes out = to_bytes(statement);
  out.resize(64, 0);
  return out;
}

// Accepts the fake local root's documents; `more` are further lines of its entry.
inline Policy local_policy(const std::string& more = {}) {
  const auto& vendor = attestation::testing::fake_local();
  std::string text = "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(vendor.root_sha256()) + "\"\n" +
                     more + "measurements = { ";
  for (const auto& [index, value] : vendor.fields().pcrs) {
    if (index <= 2) text += "\"" + std::to_string(index) + "\" = \"" + to_hex(value) + "\", ";
  }
  text.resize(text.size() - 2);
  return Policy::parse(text + " }\n", "policy").value();
}

}  // namespace gateway::attestation::formats::testing
