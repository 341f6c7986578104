#include "fetch/fetcher.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <filesystem>

#include "codec/json.h"
#include "crypto/vectors_for_test.h"
#include "fetch/testing/fake_vendors.h"

namespace gateway::fetch {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;
using ::testing::SizeIs;

constexpr const char* kFmspc = "90c06f000000";
constexpr const char* kIdentityTarget = "/tdx/certification/v4/qe/identity";

class FetcherTest : public ::testing::Test {
 protected:
  FetcherTest() {
    std::string name = (std::filesystem::temp_directory_path() / "gateway-fetcher-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FetcherTest() override { std::filesystem::remove_all(folder_); }

  Fetcher fetcher(RetryPolicy policy = {}) {
    return {http_,
            {.clock = clock_,
             .sleep =
                 [this](Duration time) {
                   slept_.push_back(time);
                   clock_.advance(time);
                 },
             .tell = [this](std::string words) { told_.push_back(std::move(words)); }},
            Cache(folder_),
            policy};
  }
  static std::vector<Want> tdx_wants(const FakeService& service) {
    Services services;
    services.use_pccs(service.url());
    return wants_of(
               DcapNeeds{.tee = attestation::dcap::Tee::kTdx, .fmspc = {{0x90, 0xc0, 0x6f, 0, 0, 0}}, .ca = "platform"},
               services)
        .value();
  }
  static Want identity_want(const FakeService& service) { return tdx_wants(service)[1]; }
  // Answers in turn; the last one again and again.
  static FakeService::Handler in_turn(std::vector<std::string> answers) {
    return [answers = std::move(answers), next = 0UZ](const std::string&) mutable {
      const std::size_t now = std::min(next++, answers.size() - 1);
      return answers[now];
    };
  }
  static std::string good() { return intel_answers(kFmspc).at(kIdentityTarget); }
  std::string refusal(std::vector<std::string> answers) {
    std::filesystem::remove_all(folder_);  // the next service may get the last one's port
    const FakeService service(in_turn(std::move(answers)));
    const auto fetched = fetcher().fetch(identity_want(service));
    return fetched ? "accepted" : std::string(fetched.error().id());
  }

  std::string folder_;
  FixedClock clock_;
  std::vector<Duration> slept_;
  std::vector<std::string> told_;
  HttpClient http_{channel::TlsContext::web_client().value(), {.timeout = 2s}};
};

TEST_F(FetcherTest, FetchesAllThatTdxEvidenceNeedsFromAPccs) {
  const FakeService service(handler_of(intel_answers(kFmspc)));
  auto fetch = fetcher();
  for (const Want& want : tdx_wants(service)) {
    const auto fetched = fetch.fetch(want);
    ASSERT_TRUE(fetched) << to_string(want.kind) << ": " << fetched.error().message();
    EXPECT_FALSE(fetched->cached);
    EXPECT_FALSE(fetched->stale);
    EXPECT_THAT(fetched->content.parts, SizeIs(want.kind == Kind::kRootCrl ? 1 : 2));
  }
  EXPECT_TRUE(slept_.empty());
}

TEST_F(FetcherTest, FetchesAllThatSnpEvidenceNeedsAtTheServicesPace) {
  const SnpNeeds needs{
      .product = SnpProduct::kMilan,
      .key = attestation::SnpSigningKey::kVcek,
      .chip_id = attestation::testing::fake_chip_id(SnpProduct::kMilan),
      .tcb = attestation::snp::tcb_of(attestation::testing::fake_tcb(SnpProduct::kMilan), SnpProduct::kMilan)};
  const FakeService service(handler_of(amd_answers(SnpProduct::kMilan)));
  Services services;
  services.use_kds(service.url());
  services.kds_pace = 10s;
  auto fetch = fetcher();
  const auto wants = wants_of(needs, services).value();
  for (const Want& want : wants) {
    const auto fetched = fetch.fetch(want);
    ASSERT_TRUE(fetched) << to_string(want.kind) << ": " << fetched.error().message();
  }
  EXPECT_THAT(slept_, ElementsAre(10s, 10s));
  EXPECT_THAT(told_[0], ::testing::StartsWith("waiting 10 s for 127.0.0.1:"));
  slept_.clear();
  for (const Want& want : wants) EXPECT_TRUE(fetch.fetch(want)->cached);
  EXPECT_TRUE(slept_.empty());  // the cache keeps no pace
}

TEST_F(FetcherTest, TriesAgainWhenAServiceIsBusy) {
  for (const int status : {429, 503, 500, 502, 504}) {
    slept_.clear();
    EXPECT_EQ(refusal({http_answer(status, {}, "later"), http_answer(status, {}, "later"), good()}), "accepted");
    EXPECT_THAT(slept_, ElementsAre(AllOf(Ge(500ms), Le(1s)), AllOf(Ge(1s), Le(2s)))) << status;
  }
}

TEST_F(FetcherTest, WaitsAsLongAsItIsTold) {
  EXPECT_EQ(refusal({http_answer(429, {{"Retry-After", "7"}}, ""), good()}), "accepted");
  EXPECT_THAT(slept_, ElementsAre(7s));
  slept_.clear();
  EXPECT_EQ(refusal({http_answer(429, {{"Retry-After", "nonsense"}}, ""), good()}), "accepted");
  EXPECT_THAT(slept_, ElementsAre(Le(1s)));
}

TEST_F(FetcherTest, GivesUpRatherThanWaitForHours) {
  EXPECT_EQ(refusal({http_answer(429, {{"Retry-After", "7200"}}, ""), good()}), "collateral.fetch.busy");
  EXPECT_TRUE(slept_.empty());
}

TEST_F(FetcherTest, GivesUpAfterItsAttempts) {
  const FakeService service(in_turn({http_answer(429, {}, "")}));
  EXPECT_EQ(fetcher().fetch(identity_want(service)).error().id(), "collateral.fetch.busy");
  EXPECT_EQ(service.requests().size(), 5U);
  EXPECT_EQ(slept_.size(), 4U);
}

TEST_F(FetcherTest, DoesNotWaitForASilentServiceAgainAndAgain) {
  const FakeService service(in_turn({"", "", "", "", "", "", http_answer(404, {}, ""), http_answer(503, {}, "")}));
  auto fetch = fetcher();
  const Want want = identity_want(service);
  EXPECT_EQ(fetch.fetch(want).error().id(), "collateral.fetch.truncated");
  EXPECT_EQ(slept_.size(), 4U);
  EXPECT_EQ(fetch.fetch(want).error().id(), "collateral.fetch.truncated");
  EXPECT_EQ(slept_.size(), 4U);
  EXPECT_EQ(service.requests().size(), 6U);
  EXPECT_EQ(fetch.fetch(want).error().id(), "collateral.fetch.not_found");
  EXPECT_EQ(fetch.fetch(want).error().id(), "collateral.fetch.busy");
  EXPECT_EQ(slept_.size(), 8U);  // it speaks again: as patient as before
}

TEST_F(FetcherTest, BacksOffAtTheServicesPaceAtLeast) {
  const FakeService service(in_turn({http_answer(429, {}, ""), good()}));
  Want want = identity_want(service);
  want.pace = 10s;
  ASSERT_TRUE(fetcher().fetch(want));
  EXPECT_THAT(slept_, ElementsAre(10s));
}

TEST_F(FetcherTest, TriesAgainAfterHalfABody) {
  const std::string whole = good();  // no two are equally long: signatures and their escapes differ
  const std::string half = whole.substr(0, whole.size() - 10);
  EXPECT_EQ(refusal({half, good()}), "accepted");
  EXPECT_EQ(refusal({half}), "collateral.fetch.truncated");
}

TEST_F(FetcherTest, DoesNotTryAgainWhatWillNotChange) {
  EXPECT_EQ(refusal({http_answer(404, {}, ""), good()}), "collateral.fetch.not_found");
  EXPECT_EQ(refusal({http_answer(400, {}, ""), good()}), "collateral.fetch.not_found");
  EXPECT_EQ(refusal({http_answer(403, {}, ""), good()}), "collateral.fetch.status");
  EXPECT_EQ(refusal({http_answer(200, {{"Content-Type", "text/html"}}, "<html>"), good()}),
            "collateral.fetch.content_type");
  EXPECT_EQ(refusal({http_answer(200, {}, "something else"), good()}), "collateral.fetch.content");
  EXPECT_EQ(refusal({http_answer(204, {}, ""), good()}), "collateral.fetch.status");
  EXPECT_TRUE(slept_.empty());
}

TEST_F(FetcherTest, CachesUntilTheContentExpiresOrADayHasPassed) {
  const FakeService service(handler_of(intel_answers(kFmspc)));
  const Want want = identity_want(service);
  EXPECT_FALSE(fetcher().fetch(want)->cached);
  EXPECT_TRUE(fetcher().fetch(want)->cached);
  EXPECT_THAT(fetcher().fetch(want)->content.parts, SizeIs(2));
  EXPECT_EQ(service.requests().size(), 1U);
  clock_.advance(24h);
  EXPECT_FALSE(fetcher().fetch(want)->cached);
}

TEST_F(FetcherTest, NeverCachesWhatIsStaleOrMayNotBeStored) {
  Answers answers = intel_answers(kFmspc);
  const std::string chain = Authority("root").certificate.to_pem();
  answers[kIdentityTarget] =
      json_answer("SGX-Enclave-Identity-Issuer-Chain", chain, identity("TD_QE", {kNow - 48h, kNow - 24h}));
  const FakeService service(handler_of(answers));
  const auto fetched = fetcher().fetch(identity_want(service));
  ASSERT_TRUE(fetched);
  EXPECT_TRUE(fetched->stale);
  EXPECT_FALSE(fetcher().fetch(identity_want(service))->cached);
  answers[kIdentityTarget] =
      http_answer(200, {{"Cache-Control", "no-store"}, {"SGX-Enclave-Identity-Issuer-Chain", percent_encoded(chain)}},
                  identity("TD_QE"));
  const FakeService private_service(handler_of(answers));
  EXPECT_FALSE(fetcher().fetch(identity_want(private_service))->stale);
  EXPECT_FALSE(fetcher().fetch(identity_want(private_service))->cached);
}

TEST_F(FetcherTest, DoesNotTakeFromTheCacheWhatIsNotWhatWasAskedFor) {
  const FakeService service(handler_of(intel_answers(kFmspc)));
  const Want want = identity_want(service);
  ASSERT_TRUE(
      Cache(folder_).insert(want.url, {.content_type = {}, .body = to_bytes("x"), .issuer_chain = {}}, kNow + 1h));
  EXPECT_FALSE(fetcher().fetch(want)->cached);
}

TEST(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("0", kNow), 0s);
  EXPECT_EQ(parse_retry_after("120", kNow), 120s);
  EXPECT_EQ(parse_retry_after("Wed, 20 May 2026 12:00:30 GMT", kNow), 30s);
  EXPECT_EQ(parse_retry_after("Wed, 20 May 2026 11:00:00 GMT", kNow), 0s);
  for (const char* text : {"", "-1", "1.5", "99999999999999999999", "31536001", "Wed, 20 Mai 2026 12:00:30 GMT",
                           "Wed, 20 ayJ 2026 12:00:30 GMT", "Wed, 40 May 2026 12:00:30 GMT",
                           "Wed, 20 May 2026 12:00:30 UTC", "Wed; 20 May 2026 12:00:30 GMT"}) {
    EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
  }
}

TEST(KeepUntil, IsTheEarliestOfAllThatLimitIt) {
  const auto until = [](Kind kind, Time not_after, const char* cache_control) {
    const Want want{.kind = kind, .url = Url::parse("https://a.example/").value()};
    return keep_until(want, {.parts = {}, .validity = {kNow - 1h, not_after}}, cache_control, kNow);
  };
  EXPECT_EQ(until(Kind::kRootCrl, kNow + 1h, ""), kNow + 1h);
  EXPECT_EQ(until(Kind::kRootCrl, kNow + 100h, ""), kNow + 24h);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, ""), kNow + 100h);
  EXPECT_EQ(until(Kind::kAmdChain, kNow + 100h, "public"), kNow + 100h);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, "public, Max-Age=3600"), kNow + 1h);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, "max-age=\"60\""), kNow + 60s);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, "max-age=0"), std::nullopt);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, "max-age=nonsense"), std::nullopt);
  EXPECT_EQ(until(Kind::kVcek, kNow + 100h, "no-store"), std::nullopt);
  EXPECT_EQ(until(Kind::kVcek, kNow, ""), std::nullopt);
}

// What Intel's service really sent, in its own URLs and headers, at the time when it did.
TEST_F(FetcherTest, FetchesWhatIntelsServiceReallySent) {
  GATEWAY_NEEDS_VECTORS();
  const auto recorded =
      codec::parse_json(crypto::read_vector("tdx/collateral/full_90c06f000000_2026-02-18_eval18_05e91466.json"), {})
          .value();
  const auto text = [&](const char* name) {
    const auto& value = recorded.at(name).as_string();
    return std::string(value.data(), value.size());
  };
  const auto signed_json = [&](const char* key, const std::string& field) {
    return std::string("{\"") + key + "\":" + text(field.c_str()) + ",\"signature\":\"" +
           text((field + "_signature").c_str()) + "\"}";
  };
  const auto list = [&](const char* name) { return text_of(from_hex(text(name)).value()); };
  const Answers answers{
      {"/tdx/certification/v4/tcb?fmspc=90c06f000000",
       json_answer("TCB-Info-Issuer-Chain", text("tcb_info_issuer_chain"), signed_json("tcbInfo", "tcb_info"))},
      {kIdentityTarget, json_answer("SGX-Enclave-Identity-Issuer-Chain", text("qe_identity_issuer_chain"),
                                    signed_json("enclaveIdentity", "qe_identity"))},
      {"/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
       http_answer(200, {{"SGX-PCK-CRL-Issuer-Chain", percent_encoded(text("pck_crl_issuer_chain"))}},
                   list("pck_crl"))},
      {"/sgx/certification/v4/rootcacrl", http_answer(200, {}, text("root_ca_crl"))}};
  const FakeService service(handler_of(answers));
  clock_ = FixedClock(from_rfc3339("2026-02-20T00:00:00Z").value());
  auto fetch = fetcher();
  for (const Want& want : tdx_wants(service)) {
    const auto fetched = fetch.fetch(want);
    ASSERT_TRUE(fetched) << to_string(want.kind) << ": " << fetched.error().message();
    EXPECT_FALSE(fetched->stale) << to_string(want.kind);
  }
}

}  // namespace
}  // namespace gateway::fetch
