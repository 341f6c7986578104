#include "fetch/needs.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "attestation/formats/bundle.h"
#include "attestation/testing/fake_amd.h"
#include "attestation/testing/fake_intel.h"
#include "crypto/vectors_for_test.h"

namespace gateway::fetch {
namespace {

using namespace attestation;
using namespace attestation::testing;

std::string refusal(ByteView evidence) {
  const auto needs = needs_of(evidence);
  return needs ? "accepted" : std::string(needs.error().id());
}

std::vector<SnpProduct> products(const Needs& needs) {
  std::vector<SnpProduct> out;
  for (const SnpNeeds& one : needs.snp) out.push_back(one.product);
  return out;
}

TEST(Needs, OfASnpReportAreItsChipAndTcb) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    const auto needs = needs_of(fake_amd().report({.product = product}));
    ASSERT_TRUE(needs) << needs.error().message();
    ASSERT_EQ(needs->snp.size(), 1U);
    EXPECT_FALSE(needs->dcap);
    EXPECT_EQ(needs->snp[0].product, product);
    EXPECT_EQ(needs->snp[0].key, SnpSigningKey::kVcek);
    EXPECT_EQ(needs->snp[0].chip_id, fake_chip_id(product));
    EXPECT_EQ(needs->snp[0].tcb, snp::tcb_of(fake_tcb(product), product));
    EXPECT_FALSE(needs->snp[0].vcek_at_hand);
  }
}

TEST(Needs, OfAnOldReportMayBeThoseOfSeveralProducts) {
  const Bytes report = fake_amd().report({.version = 2});
  EXPECT_THAT(products(needs_of(report).value()), ::testing::ElementsAre(SnpProduct::kMilan, SnpProduct::kGenoa));
  EXPECT_THAT(products(needs_of(report, SnpProduct::kGenoa).value()), ::testing::ElementsAre(SnpProduct::kGenoa));
  const Bytes turin = fake_amd().report({.version = 2, .product = SnpProduct::kTurin});
  EXPECT_THAT(products(needs_of(turin).value()), ::testing::ElementsAre(SnpProduct::kTurin));
}

TEST(Needs, LeaveOutAVcekThatCameAlong) {
  const AmdReport old{.version = 2, .product = SnpProduct::kGenoa};
  Bytes evidence = fake_amd().report(old);
  append(evidence, certificate_table({{kVcekGuid, fake_amd().endorsement(old).der()}}));
  const auto needs = needs_of(evidence);
  ASSERT_TRUE(needs) << needs.error().message();
  EXPECT_THAT(products(*needs), ::testing::ElementsAre(SnpProduct::kGenoa));
  EXPECT_TRUE(needs->snp[0].vcek_at_hand);
}

TEST(Needs, AskForTheVcekWhenAnotherCameAlong) {
  Bytes evidence = fake_amd().report();
  const auto other =
      fake_amd().endorsement({}, [](AmdCertificate& fields) { fields.extension("1.3.6.1.4.1.3704.1.4").back() ^= 1; });
  append(evidence, certificate_table({{kVcekGuid, other.der()}}));
  EXPECT_FALSE(needs_of(evidence)->snp.at(0).vcek_at_hand);
  Bytes broken = fake_amd().report();
  append(broken, certificate_table({{kVcekGuid, to_bytes("not a certificate")}}));
  EXPECT_FALSE(needs_of(broken)->snp.at(0).vcek_at_hand);
}

TEST(Needs, OfAVlekReportAreNoVcek) {
  const auto needs = needs_of(fake_amd().report({.key = SnpSigningKey::kVlek}));
  ASSERT_TRUE(needs) << needs.error().message();
  EXPECT_EQ(needs->snp.at(0).key, SnpSigningKey::kVlek);
}

TEST(Needs, OfAQuoteAreItsPlatformAndCa) {
  const auto tdx = needs_of(fake_intel().tdx_quote());
  ASSERT_TRUE(tdx) << tdx.error().message();
  ASSERT_TRUE(tdx->dcap);
  EXPECT_TRUE(tdx->snp.empty());
  EXPECT_EQ(tdx->dcap->tee, dcap::Tee::kTdx);
  EXPECT_EQ(to_hex(tdx->dcap->fmspc), "00806f050000");
  EXPECT_EQ(tdx->dcap->ca, "platform");
  EXPECT_EQ(needs_of(fake_intel().sgx_quote())->dcap->tee, dcap::Tee::kSgx);
  IntelOptions options;
  options.processor_ca = true;
  options.pck = FakeIntel::pck_fields();
  const FakeIntel client_platform(options);
  EXPECT_EQ(needs_of(client_platform.sgx_quote())->dcap->ca, "processor");
}

TEST(Needs, OfAQuoteWhoseChainBeginsAtTheRootAreTheSame) {
  QuoteParts parts = fake_intel().tdx_parts(4);
  parts.certification_data = to_bytes(fake_intel().root().to_pem() + fake_intel().pck_chain());
  EXPECT_EQ(to_hex(needs_of(fake_intel().build(parts))->dcap->fmspc), "00806f050000");
}

TEST(Needs, OfEvidenceInABundleAreThoseOfTheEvidence) {
  const Bytes bundle = formats::encode_bundle(fake_intel().tdx_quote(), {}).value();
  EXPECT_EQ(to_hex(needs_of(bundle)->dcap->fmspc), "00806f050000");
  Bytes cut = bundle;
  cut.pop_back();
  EXPECT_EQ(refusal(cut), "bundle.encoding");
}

TEST(Needs, OfANitroDocumentAreNone) {
  const FakeVendor vendor;
  const auto needs = needs_of(vendor.sign(encode_payload(vendor.fields())));
  ASSERT_TRUE(needs) << needs.error().message();
  EXPECT_TRUE(needs->snp.empty());
  EXPECT_FALSE(needs->dcap);
}

TEST(Needs, RefuseWhatIsNoEvidence) {
  EXPECT_EQ(refusal({}), "collateral.fetch.evidence");
  EXPECT_EQ(refusal(as_bytes("hello")), "collateral.fetch.evidence");
  Bytes cut = fake_intel().tdx_quote();
  cut.resize(700);
  EXPECT_EQ(refusal(cut), "dcap.quote.truncated");
}

TEST(Needs, RefuseQuotesThatNameNoPlatform) {
  QuoteParts parts = fake_intel().tdx_parts(4);
  parts.certification_data = to_bytes("no chain");
  EXPECT_EQ(refusal(fake_intel().build(parts)), "collateral.fetch.pck");
  parts.certification_data = to_bytes(fake_intel().root().to_pem());
  EXPECT_EQ(refusal(fake_intel().build(parts)), "collateral.fetch.pck");
  IntelOptions other_issuer;
  other_issuer.pck = FakeIntel::pck_fields();
  other_issuer.alter = [](IntelCertificate which, crypto::CertificateSpec& spec) {
    if (which == IntelCertificate::kPck) spec.issuer_common_name = "Another CA";
  };
  EXPECT_EQ(refusal(FakeIntel(other_issuer).tdx_quote()), "collateral.fetch.pck");
  IntelOptions broken;
  broken.pck = FakeIntel::pck_fields();
  broken.alter = [](IntelCertificate which, crypto::CertificateSpec& spec) {
    if (which != IntelCertificate::kPck) return;
    for (auto& extension : spec.extensions) {
      if (extension.oid == dcap::kSgxExtensionOid) extension.value = Bytes(2);
    }
  };
  EXPECT_EQ(refusal(FakeIntel(broken).tdx_quote()), "collateral.fetch.pck");
}

TEST(NeedsVectors, AreFoundInEveryRealReportAndQuote) {
  GATEWAY_NEEDS_VECTORS();
  std::size_t seen = 0;
  for (const char* folder : {"snp/reports", "tdx/quotes", "sgx/quotes"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(crypto::vectors_folder()) / folder)) {
      const std::string name = entry.path().filename();
      if (entry.path().extension() == ".der" || name.find("malformed") != std::string::npos) continue;
      const auto needs = needs_of(as_bytes(crypto::read_vector(entry.path())));
      if (name.find("nofmspc") == std::string::npos) {
        EXPECT_TRUE(needs) << name << ": " << needs.error().message();
      }
      if (!needs) continue;
      ++seen;
      if (!needs->dcap) continue;
      EXPECT_NE(name.find(to_hex(needs->dcap->fmspc)), std::string::npos) << name;
    }
  }
  EXPECT_GT(seen, 30U);
}

}  // namespace
}  // namespace gateway::fetch
