#include "attestation/formats/unwrap.h"

#include "attestation/formats/bundle.h"
#include "attestation/formats/testing.h"
#include "crypto/vectors_for_test.h"

namespace gateway::attestation::formats {
namespace {

using testing::good_claims;
using testing::ra_tls;
using testing::refusal;

const Bytes kEvidence(100, 0x42);

crypto::Certificate carrier() {
  return testing::certificate({{"2.23.133.5.4.9", ra_tls(kEvidence, good_claims()), false}});
}

TEST(Unwrap, PassesRawBytesOnUnchanged) {
  Bytes snp(1184, 0);
  snp[0] = 3;
  const std::string json = "{\"cert\":\"-----BEGIN CERTIFICATE-----\"}";
  for (const Bytes& raw : {testing::fake_nitro().document(), snp, testing::sgx_quote(Bytes(64, 1)), Bytes{},
                           Bytes{0x30}, Bytes{0x30, 0x00, 0x00}, Bytes{0x83, 0x71}, to_bytes(json),
                           to_bytes(std::string_view("text")), Bytes(kMaxEvidenceSize + 1, 7)}) {
    const auto found = unwrap(raw);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->evidence().data(), raw.data());  // not even copied
    EXPECT_EQ(found->evidence().size(), raw.size());
    EXPECT_FALSE(found->carried());
    EXPECT_FALSE(found->bundled());
    EXPECT_TRUE(found->collateral().empty());
  }
}

TEST(Unwrap, OpensCertificatesInDerAndPem) {
  const Bytes der = carrier().der();
  const Bytes pem = to_bytes(carrier().to_pem());
  const Bytes text = to_bytes("Certificate chain\n 0 s:CN = endpoint\n" + carrier().to_pem());
  for (const Bytes& file : {der, pem, text}) {
    const auto found = unwrap(file);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_TRUE(equal(found->evidence(), kEvidence));
    EXPECT_EQ(found->carried().value().format, Carrier::kRaTls);
  }
}

TEST(Unwrap, RefusesCertificatesWithoutEvidence) {
  const Bytes der = testing::certificate({}).der();
  EXPECT_EQ(refusal(unwrap(der)), "carrier.none");
  EXPECT_EQ(refusal(unwrap(Bytes{0x30, 0x00})), "carrier.certificate");
}

TEST(Unwrap, OpensOpenEnclavesEvidence) {
  const Bytes claims = to_bytes(std::string_view("claims"));
  Bytes file = testing::sgx_quote(crypto::sha256(claims));
  append(file, claims);
  const auto found = unwrap(file);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->carried().value().format, Carrier::kOpenEnclaveEvidence);
  EXPECT_TRUE(equal(found->evidence(), testing::sgx_quote(crypto::sha256(claims))));
}

TEST(Unwrap, OpensABundleAndWhatItHolds) {
  const std::vector<Bytes> collateral = {Bytes(10, 1), Bytes(10, 2)};
  const Bytes raw = encode_bundle(kEvidence, collateral).value();
  const auto plain = unwrap(raw);
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_TRUE(plain->bundled());
  EXPECT_TRUE(equal(plain->evidence(), kEvidence));
  EXPECT_EQ(plain->collateral().size(), 2U);
  const Bytes certified = encode_bundle(carrier().der(), collateral).value();
  auto nested = unwrap(certified);
  ASSERT_TRUE(nested) << nested.error().message();
  const auto moved = std::move(*nested);  // views stay good
  EXPECT_TRUE(equal(moved.evidence(), kEvidence));
  EXPECT_EQ(moved.carried().value().format, Carrier::kRaTls);
}

TEST(Unwrap, RefusesDamagedAndNestedBundles) {
  const Bytes inner = encode_bundle(kEvidence, {}).value();
  EXPECT_EQ(refusal(unwrap(encode_bundle(inner, {}).value())), "bundle.nested");
  EXPECT_EQ(refusal(unwrap(ByteView(inner).first(inner.size() - 1))), "bundle.encoding");
}

// Nothing that is evidence already is taken for something that wraps it.
TEST(Unwrap, LeavesEveryRealPieceOfEvidenceAlone) {
  GATEWAY_NEEDS_VECTORS();
  std::size_t seen = 0;
  for (const char* const folder : {"nitro", "snp/reports", "sgx/quotes", "tdx/quotes", "sgx/padded", "tdx/padded"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(crypto::vectors_folder()) / folder)) {
      if (entry.path().extension() == ".der") continue;
      const std::string file = crypto::read_vector(entry.path());
      const auto found = unwrap(as_bytes(file));
      ASSERT_TRUE(found) << entry.path() << " " << found.error().message();
      EXPECT_FALSE(found->carried()) << entry.path();
      EXPECT_EQ(found->evidence().size(), file.size());
      const auto hint = platform_hint(found->evidence());
      const std::string name = entry.path().filename();
      if (name.find("malformed") == std::string::npos) {
        EXPECT_TRUE(hint && std::string(folder).starts_with(to_string(*hint))) << entry.path();
      }
      ++seen;
    }
  }
  EXPECT_GE(seen, 70U);
}

}  // namespace
}  // namespace gateway::attestation::formats
