#include "fetch/obtain.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "attestation/testing/fake_intel.h"
#include "fetch/testing/fake_vendors.h"

namespace gateway::fetch {
namespace {

namespace fs = std::filesystem;
using namespace testing;
using attestation::Collateral;
using attestation::testing::fake_amd;
using attestation::testing::fake_intel;

class ObtainTest : public ::testing::Test {
 protected:
  ObtainTest() {
    std::string name = (fs::temp_directory_path() / "gateway-obtain-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ObtainTest() override { fs::remove_all(folder_); }

  Result<std::vector<Obtained>> run(ByteView evidence, const FakeService& service, const std::string& folder) {
    Services services;
    services.use_kds(service.url());
    services.use_pccs(service.url());
    Fetcher fetcher(http_, {.clock = clock_, .sleep = [](Duration) {}}, std::nullopt, {.attempts = 2});
    return obtain(needs_of(evidence).value(), services, fetcher, folder);
  }
  std::vector<Obtained> run(ByteView evidence, const FakeService& service) {
    return run(evidence, service, folder_).value();
  }
  // "certificates/CRLs/TCB infos/QE identities" of all that lies in the folder.
  std::string counts() const {
    Collateral found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::ifstream file(entry.path(), std::ios::binary);
      found.add(to_bytes(std::string(std::istreambuf_iterator<char>(file), {})));
    }
    return std::to_string(found.certificates.size()) + "/" + std::to_string(found.crls.size()) + "/" +
           std::to_string(found.tcb_infos.size()) + "/" + std::to_string(found.qe_identities.size());
  }

  std::string folder_;
  FixedClock clock_;
  HttpClient http_{channel::TlsContext::web_client().value(), {}};
};

TEST_F(ObtainTest, PutsAllThatAQuoteNeedsIntoTheFolder) {
  const FakeService service(handler_of(intel_answers("00806f050000")));
  const auto lines = run(fake_intel().tdx_quote(), service);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(complete(lines));
  EXPECT_EQ(counts(), "3/2/1/1");  // platform CA, root, TCB signing
  EXPECT_EQ(lines[0].kind, Kind::kTcbInfo);
  EXPECT_EQ(lines[0].url, service.url() + "/tdx/certification/v4/tcb?fmspc=00806f050000");
  EXPECT_EQ(lines[0].files.size(), 2U);
  EXPECT_EQ(lines[0].validity.not_after, kMonth.not_after);
  EXPECT_THAT(lines[0].files[0], ::testing::MatchesRegex(folder_ + "/tcb-info-tdx-00806f050000-[0-9a-f]{16}\\.json"));
}

TEST_F(ObtainTest, PutsAllThatAReportNeedsIntoTheFolder) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    const FakeService service(handler_of(amd_answers(product)));
    const auto lines = run(fake_amd().report({.product = product}), service);
    EXPECT_EQ(lines.size(), 3U);
    EXPECT_TRUE(complete(lines)) << attestation::to_string(product);
    EXPECT_EQ(counts(), "3/1/0/0");
  }
}

TEST_F(ObtainTest, FindsTheProductOfAnOldReport) {
  const FakeService service(handler_of(amd_answers(SnpProduct::kGenoa)));
  const auto lines = run(fake_amd().report({.version = 2, .product = SnpProduct::kGenoa}), service);
  EXPECT_TRUE(complete(lines));
  EXPECT_EQ(counts(), "3/1/0/0");
  EXPECT_EQ(service.requests().size(), 4U);  // Milan's VCEK was asked for first
}

TEST_F(ObtainTest, SaysOfAnOldReportWhatNobodyKnew) {
  const FakeService service(handler_of({}));
  const auto lines = run(fake_amd().report({.version = 2}), service);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].error->id(), "collateral.fetch.not_found");
  EXPECT_NE(lines[0].url.find("/Genoa/"), std::string::npos);
}

TEST_F(ObtainTest, DoesNotTakeASilentServiceForAnotherProduct) {
  const FakeService service([](const std::string&) { return http_answer(503, {}, ""); });
  const auto lines = run(fake_amd().report({.version = 2}), service);
  EXPECT_EQ(lines.at(0).error->id(), "collateral.fetch.busy");
  EXPECT_NE(lines[0].url.find("/Milan/"), std::string::npos);
}

TEST_F(ObtainTest, StoresNothingOfWhatIsWrongAndGoesOn) {
  Answers answers = intel_answers("00806f050000");
  answers["/sgx/certification/v4/rootcacrl"] = http_answer(200, {{"Content-Type", "text/html"}}, "<html>log in</html>");
  answers["/tdx/certification/v4/tcb?fmspc=00806f050000"] =
      json_answer("TCB-Info-Issuer-Chain", Authority("x").certificate.to_pem(), tcb_info("TDX", "90c06f000000"));
  const FakeService service(handler_of(answers));
  const auto lines = run(fake_intel().tdx_quote(), service);
  EXPECT_FALSE(complete(lines));
  EXPECT_EQ(lines.at(0).error->id(), "collateral.fetch.content");
  EXPECT_TRUE(lines[0].files.empty());
  EXPECT_EQ(lines.at(3).error->id(), "collateral.fetch.content_type");
  EXPECT_EQ(counts(), "3/1/0/1");
}

TEST_F(ObtainTest, StoresWhatIsStaleAndSaysSo) {
  Answers answers = intel_answers("00806f050000");
  const FakeService service(handler_of(answers));
  clock_.advance(std::chrono::days(30));
  const auto lines = run(fake_intel().tdx_quote(), service);
  EXPECT_FALSE(complete(lines));
  EXPECT_EQ(lines.at(0).error->id(), "collateral.fetch.stale");
  EXPECT_EQ(lines[0].files.size(), 2U);
  EXPECT_EQ(counts(), "3/2/1/1");
}

TEST_F(ObtainTest, FetchesNothingForANitroDocument) {
  const FakeService service(handler_of({}));
  const attestation::testing::FakeVendor vendor;
  EXPECT_TRUE(run(vendor.sign(attestation::testing::encode_payload(vendor.fields())), service).empty());
  EXPECT_TRUE(service.requests().empty());
}

TEST_F(ObtainTest, SaysWhenItsCacheCannotBeWritten) {
  const FakeService service(handler_of(intel_answers("00806f050000")));
  std::ofstream(folder_ + "/cache") << "a file where a folder should be";
  Services services;
  services.use_pccs(service.url());
  Fetcher fetcher(http_, {.clock = clock_, .sleep = [](Duration) {}}, Cache(folder_ + "/cache"));
  const auto lines = obtain(needs_of(fake_intel().tdx_quote()).value(), services, fetcher, folder_);
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().id(), "collateral.fetch.write");
}

TEST_F(ObtainTest, SaysWhenItCannotWrite) {
  const FakeService service(handler_of(intel_answers("00806f050000")));
  const auto lines = run(fake_intel().tdx_quote(), service, folder_ + "/missing");
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().id(), "collateral.fetch.write");
}

}  // namespace
}  // namespace gateway::fetch
