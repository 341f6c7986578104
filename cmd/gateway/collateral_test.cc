// gateway collateral fetch as people and scripts meet it.
#include "collateral.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/formats/bundle.h"
#include "attestation/testing/fake_intel.h"
#include "fetch/testing/fake_vendors.h"
#include "terminal.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace fetch::testing;
using attestation::testing::fake_amd;
using attestation::testing::fake_intel;
using ::testing::HasSubstr;

struct Ran {
  int status = -1;
  std::string out, err;
  json::object object() const { return json::parse(out).as_object(); }
};

class CollateralCommand : public ::testing::Test {
 protected:
  CollateralCommand() {
    std::string name = (fs::temp_directory_path() / "gateway-collateral-XXXXXX").string();
    folder_ = std::string(::mkdtemp(name.data())) + "/";
    for (const char* variable : {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}) ::unsetenv(variable);
  }
  ~CollateralCommand() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(folder_ + name, std::ios::binary) << content;
    return folder_ + name;
  }
  CollateralFetchOptions options(const Bytes& evidence, const std::string& url) const {
    CollateralFetchOptions made;
    made.evidence = write("evidence.bin", as_text(evidence));
    made.output = folder_ + "out/below";
    made.pccs = url;
    made.kds = url;
    made.at = "2026-05-20T12:00:00Z";
    made.json = true;
    return made;
  }
  static Ran run(const CollateralFetchOptions& given) {
    Ran ran;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    ran.status = run_collateral_fetch(given);
    ran.out = ::testing::internal::GetCapturedStdout();
    ran.err = ::testing::internal::GetCapturedStderr();
    return ran;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_ + "out/below"), fs::directory_iterator()));
  }

  std::string folder_;
};

TEST_F(CollateralCommand, FetchesForAQuote) {
  const FakeService service(handler_of(intel_answers("00806f050000")));
  const Ran ran = run(options(fake_intel().tdx_quote(), service.url()));
  EXPECT_EQ(ran.status, kDone) << ran.err;
  EXPECT_EQ(ran.object().at("complete"), true);
  const auto object = ran.object();
  const auto& lines = object.at("collateral").as_array();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].at("kind"), "tcb_info");
  EXPECT_EQ(lines[0].at("files").as_array().size(), 2U);
  EXPECT_EQ(lines[0].at("not_after"), boost::json::value(to_rfc3339(kMonth.not_after).c_str()));
  EXPECT_EQ(lines[0].at("cached"), false);
  EXPECT_TRUE(lines[0].at("error").is_null());
  EXPECT_EQ(files(), 7U);
}

TEST_F(CollateralCommand, FetchesForAReportAndPrintsTheFiles) {
  const FakeService service(handler_of(amd_answers(SnpProduct::kGenoa)));
  auto given = options(fake_amd().report({.product = SnpProduct::kGenoa}), service.url());
  given.json = false;
  const Ran ran = run(given);
  EXPECT_EQ(ran.status, kDone) << ran.err;
  EXPECT_EQ(std::ranges::count(ran.out, '\n'), 3);
  EXPECT_THAT(ran.out, HasSubstr(folder_ + "out/below/vcek-genoa-"));
  EXPECT_THAT(ran.err, HasSubstr("vcek: holds until "));
}

TEST_F(CollateralCommand, KeepsACache) {
  auto service = std::make_unique<FakeService>(handler_of(intel_answers("00806f050000")));
  auto given = options(fake_intel().tdx_quote(), service->url());
  given.cache = folder_ + "cache";
  EXPECT_EQ(run(given).status, kDone);
  service.reset();
  const Ran again = run(given);
  EXPECT_EQ(again.status, kDone) << again.err;
  EXPECT_EQ(again.object().at("collateral").at(0).at("cached"), true);
  EXPECT_EQ(files(), 7U);
}

TEST_F(CollateralCommand, IsUndecidedWhenSomethingIsMissing) {
  Answers answers = intel_answers("00806f050000");
  answers.erase("/sgx/certification/v4/rootcacrl");
  const FakeService service(handler_of(answers));
  auto given = options(fake_intel().sgx_quote(), service.url());
  const Ran ran = run(given);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_EQ(ran.object().at("complete"), false);
  EXPECT_EQ(ran.object().at("collateral").at(3).at("error").at("id"), "collateral.fetch.not_found");
  EXPECT_TRUE(ran.object().at("collateral").at(3).at("not_after").is_null());
  given.json = false;
  EXPECT_THAT(run(given).err, HasSubstr("collateral.fetch.not_found"));
}

TEST_F(CollateralCommand, SaysWhatIsStaleAtTheTimeGiven) {
  const FakeService service(handler_of(intel_answers("00806f050000")));
  auto given = options(fake_intel().tdx_quote(), service.url());
  given.at = "2026-08-01T00:00:00Z";
  const Ran ran = run(given);
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_EQ(ran.object().at("collateral").at(0).at("error").at("id"), "collateral.fetch.stale");
  EXPECT_EQ(files(), 7U);
}

TEST_F(CollateralCommand, NeedsNothingForANitroDocument) {
  const attestation::testing::FakeVendor vendor;
  auto given = options(vendor.sign(attestation::testing::encode_payload(vendor.fields())), "https://unused.example");
  EXPECT_EQ(run(given).status, kDone);
  given.json = false;
  EXPECT_THAT(run(given).err, HasSubstr("carries all that it needs"));
}

TEST_F(CollateralCommand, AsksForTheProductThatItIsTold) {
  const FakeService service(handler_of(amd_answers(SnpProduct::kGenoa)));
  auto given = options(fake_amd().report({.version = 2, .product = SnpProduct::kGenoa}), service.url());
  given.product = "genoa";
  EXPECT_EQ(run(given).status, kDone);
  EXPECT_EQ(service.requests().size(), 3U);
  given.product = "Genoa";
  EXPECT_EQ(run(given).status, kDone);
}

TEST_F(CollateralCommand, RefusesWhatCannotBeMeant) {
  const auto refused = [&](auto change) {
    auto given = options(fake_intel().tdx_quote(), "https://pccs.example");
    change(given);
    const Ran ran = run(given);
    return std::string(ran.object().at("error").at("id").as_string().c_str()) + " " + std::to_string(ran.status);
  };
  EXPECT_EQ(refused([](auto& o) { o.product = "Rome"; }), "collateral.usage 2");
  EXPECT_EQ(refused([](auto& o) { o.timeout = "soon"; }), "collateral.usage 2");
  EXPECT_EQ(refused([](auto& o) { o.timeout = "0s"; }), "collateral.usage 2");
  EXPECT_EQ(refused([](auto& o) { o.at = "yesterday"; }), "collateral.usage 2");
  EXPECT_EQ(refused([](auto& o) { o.pccs = "http://pccs.example"; }), "collateral.fetch.insecure 2");
  EXPECT_EQ(refused([](auto& o) { o.kds = "kds.example"; }), "collateral.fetch.url 2");
  EXPECT_EQ(refused([](auto& o) { o.proxy = "socks5://x"; }), "collateral.fetch.proxy_url 2");
  EXPECT_EQ(refused([](auto& o) { o.evidence += ".missing"; }), "file.not_found 3");
  EXPECT_EQ(refused([&](auto& o) { o.evidence = write("other", "hello"); }), "collateral.fetch.evidence 1");
  EXPECT_EQ(refused([&](auto& o) {
              o.evidence = write("large", std::string(attestation::formats::kMaxBundleSize + 1, 'x'));
            }),
            "collateral.fetch.evidence_size 1");
  EXPECT_EQ(refused([&](auto& o) { o.output = write("file", "") + "/below"; }), "collateral.fetch.write 3");
  EXPECT_EQ(refused([&](auto& o) { o.tls_roots = {write("root", "x")}; }), "verify.root 2");
}

TEST_F(CollateralCommand, UsesTheProxyOfItsEnvironment) {
  ::setenv("https_proxy", "socks5://proxy.example", 1);
  auto given = options(fake_intel().tdx_quote(), "https://pccs.example");
  EXPECT_EQ(run(given).object().at("error").at("id"), "collateral.fetch.proxy_url");
  const FakeProxy proxy(http_answer(403, {}, ""));
  ::setenv("https_proxy", proxy.url().c_str(), 1);
  ::setenv("no_proxy", "other.example", 1);
  given.timeout = "1s";
  const Ran ran = run(given);
  ::unsetenv("https_proxy");
  ::unsetenv("no_proxy");
  EXPECT_EQ(ran.status, kUndecided);
  EXPECT_EQ(ran.object().at("collateral").at(0).at("error").at("id"), "collateral.fetch.proxy");
  EXPECT_FALSE(proxy.requests().empty());
}

}  // namespace
}  // namespace gateway::cli
