#include "runtime/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/nitro/document.h"
#include "crypto/random.h"
#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

using attestation::Nonce;

// The attester, with a gate in front of it: quotes wait until the test lets them through.
class SlowAttester final : public attester::Attester {
 public:
  explicit SlowAttester(attester::NsmClient& inner) : inner_(inner) {}
  attestation::Platform platform() const override { return inner_.platform(); }
  Result<Bytes> attest(ByteView report_data, std::optional<ByteView> nonce) override {
    {
      std::unique_lock lock(mutex_);
      ++started_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      if (broken_) return fail(ErrorCode::kUnavailable, "nsm.device", "the device is gone");
    }
    return inner_.attest(report_data, nonce);
  }
  Status extend_register(unsigned index, ByteView data) override { return inner_.extend_register(index, data); }
  Status lock_registers(unsigned count) override { return inner_.lock_registers(count); }
  Result<Bytes> random() override { return inner_.random(); }
  Result<Time> trusted_time() override { return inner_.trusted_time(); }

  void set(bool open, bool broken = false) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    broken_ = broken;
    changed_.notify_all();
  }
  void wait_until_started(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ >= count; });
  }
  int started() {
    const std::lock_guard lock(mutex_);
    return started_;
  }

 private:
  attester::NsmClient& inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int started_ = 0;
  bool open_ = true;
  bool broken_ = false;
};

class EvidenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto identity = make_identity(nsm_, crypto::Sha384{}, SystemClock().now());
    ASSERT_TRUE(identity) << identity.error().message();
    identity_.emplace(std::move(*identity));
    auto service = EvidenceService::start(loop_, attester_, *identity_);
    ASSERT_TRUE(service) << service.error().message();
    service_ = std::move(*service);
    session_.exporter = [](const Nonce& nonce) -> Result<ByteArray<32>> {
      return crypto::sha256({as_bytes("session"), nonce});
    };
  }
  void TearDown() override { attester_.set(true); }

  static std::string query(const Nonce& nonce, bool fresh) {
    return "nonce=" + to_hex(nonce) + (fresh ? "&fresh=1" : "");
  }
  // Starts a fresh request; its answer is appended to answers_.
  void ask(const Nonce& nonce) {
    server::Decision decision = service_->answer(query(nonce, true), session_);
    if (auto* now = std::get_if<server::LocalResponse>(&decision)) {
      answers_.push_back(std::move(*now));
      return;
    }
    std::get<server::DeferredResponse>(decision).start([this](server::LocalResponse response) {
      answers_.push_back(std::move(response));
      if (answers_.size() >= expected_) loop_.stop();
    });
  }
  void run_until(std::size_t answers) {
    expected_ = answers;
    if (answers_.size() < expected_) loop_.run();
  }
  std::vector<Nonce> nonces_in(const server::LocalResponse& response) {
    const auto parsed = attestation::parse_response(response.body);
    EXPECT_TRUE(parsed);
    return attestation::parse_quote(parsed->q)->nonces;
  }

  TestNsm device_;
  attester::NsmClient nsm_{device_.device(), attestation::Platform::kLocal};
  SlowAttester attester_{nsm_};
  net::Loop loop_;
  std::optional<Identity> identity_;
  std::unique_ptr<EvidenceService> service_;
  server::SessionContext session_;
  std::vector<server::LocalResponse> answers_;
  std::size_t expected_ = 0;
};

TEST_F(EvidenceTest, TheCurrentQuoteIsAnsweredAtOnce) {
  const Nonce nonce = crypto::random_array<32>();
  const server::Decision decision = service_->answer(query(nonce, false), session_);
  const auto* response = std::get_if<server::LocalResponse>(&decision);
  ASSERT_NE(response, nullptr);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->media_type, "application/cbor");
  EXPECT_TRUE(nonces_in(*response).empty());
  const auto parsed = attestation::parse_response(response->body);
  const auto session = attestation::parse_session(parsed->s);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->nonce, nonce);
  EXPECT_EQ(session->keys_digest, identity_->k_digest);
  EXPECT_TRUE(identity_->identity_key.public_key().verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw,
                                                          parsed->s, parsed->signature));
}

TEST_F(EvidenceTest, AnIdleServiceQuotesAtOnceAndALoadedOneInBatches) {
  attester_.set(false);
  const int before = attester_.started();
  ask(crypto::random_array<32>());
  attester_.wait_until_started(before + 1);
  std::vector<Nonce> later;
  for (int i = 0; i < 70; ++i) {
    later.push_back(crypto::random_array<32>());
    ask(later.back());
  }
  attester_.set(true);
  run_until(71);
  EXPECT_EQ(attester_.started() - before, 3);  // 1, then 64, then 6
  EXPECT_EQ(nonces_in(answers_[0]).size(), 1U);
  EXPECT_EQ(nonces_in(answers_[1]), std::vector<Nonce>(later.begin(), later.begin() + 64));
  EXPECT_EQ(nonces_in(answers_[70]).size(), 6U);
  // The document's own nonce field is the first nonce of the batch.
  const auto parsed = attestation::parse_response(answers_[1].body);
  const auto document = attestation::nitro::parse_document(parsed->evidence);
  EXPECT_TRUE(equal(*document->nonce, later[0]));
  EXPECT_TRUE(equal(*document->user_data, attestation::report_data_of(parsed->q)));
}

TEST_F(EvidenceTest, TheSameNonceTwiceStandsInTheQuoteOnce) {
  attester_.set(false);
  const int before = attester_.started();
  ask(crypto::random_array<32>());
  attester_.wait_until_started(before + 1);
  const Nonce nonce = crypto::random_array<32>();
  ask(nonce);
  ask(nonce);
  attester_.set(true);
  run_until(3);
  EXPECT_EQ(nonces_in(answers_[2]).size(), 1U);
}

TEST_F(EvidenceTest, TheQueueIsBounded) {
  attester_.set(false);
  for (std::size_t i = 0; i < kMaxWaitingForQuote; ++i) ask(crypto::random_array<32>());
  EXPECT_TRUE(answers_.empty());
  ask(crypto::random_array<32>());
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].status, 503);
  EXPECT_THAT(std::string(as_text(answers_[0].body)), ::testing::HasSubstr("evidence.busy"));
  EXPECT_EQ(answers_[0].extra_headers, "Retry-After: 1\r\n");
  attester_.set(true);
  run_until(kMaxWaitingForQuote + 1);
}

TEST_F(EvidenceTest, ABrokenDeviceIsSaidAndTheCurrentQuoteStays) {
  attester_.set(true, true);
  ask(crypto::random_array<32>());
  run_until(1);
  EXPECT_EQ(answers_[0].status, 503);
  EXPECT_THAT(std::string(as_text(answers_[0].body)), ::testing::HasSubstr("evidence.unavailable"));
  const server::Decision current = service_->answer(query(crypto::random_array<32>(), false), session_);
  EXPECT_EQ(std::get<server::LocalResponse>(current).status, 200);
  EXPECT_EQ(service_->metrics().failures, 1U);
}

TEST_F(EvidenceTest, ASessionWithoutAnExporterGetsNoStatement) {
  session_.exporter = [](const Nonce&) -> Result<ByteArray<32>> {
    return fail(ErrorCode::kInternal, "tls.setup", "no exporter");
  };
  const server::Decision decision = service_->answer(query(Nonce{}, false), session_);
  EXPECT_EQ(std::get<server::LocalResponse>(decision).status, 500);
  EXPECT_THAT(std::string(as_text(std::get<server::LocalResponse>(decision).body)),
              ::testing::HasSubstr("evidence.session"));
}

TEST_F(EvidenceTest, CallersThatStillWaitAtTheEndAreForgotten) {
  attester_.set(false);
  const int before = attester_.started();
  ask(crypto::random_array<32>());
  attester_.wait_until_started(before + 1);
  std::thread opener([this] { attester_.set(true); });
  service_.reset();
  opener.join();
  EXPECT_TRUE(answers_.empty());
}

TEST(Identity, TheInteroperableExtensionIsNoQuote) {
  TestNsm device;
  attester::NsmClient nsm(device.device(), attestation::Platform::kLocal);
  const auto identity = make_identity(nsm, crypto::Sha384{}, SystemClock().now());
  ASSERT_TRUE(identity);
  const auto keys = attestation::parse_keys(identity->k);
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_EQ(keys->ik_spki, identity->identity_key.public_key().spki());
  EXPECT_NE(keys->ik_spki, identity->tls.key.public_key().spki());
  EXPECT_TRUE(identity->tls.certificate.extension("2.23.133.5.4.9"));
  EXPECT_FALSE(keys->hpke_config.empty());
}

}  // namespace
}  // namespace gateway::runtime
