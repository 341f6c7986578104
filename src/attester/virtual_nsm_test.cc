#include "attester/virtual_nsm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "attestation/nitro/authenticate.h"
#include "attester/nsm.h"
#include "attester/nsm_protocol.h"
#include "codec/cbor.h"

namespace gateway::attester {
namespace {

constexpr Time kNow{std::chrono::milliseconds(1'779'278'400'123)};

class FixedClock final : public Clock {
 public:
  Time now() const override { return now_; }
  void set(Time now) { now_ = now; }

 private:
  Time now_ = kNow;
};

const LocalRoot& local_root() {
  static const LocalRoot root = LocalRoot::create(kNow).value();
  return root;
}

ByteArray<48> filled(std::uint8_t value) {
  ByteArray<48> out{};
  out.fill(value);
  return out;
}

class InProcess final : public NsmDevice {
 public:
  explicit InProcess(VirtualNsm& nsm) : nsm_(nsm) {}
  Result<Bytes> transact(ByteView request) override { return nsm_.answer(request); }

 private:
  VirtualNsm& nsm_;
};

// The virtual device behind the real client: the same client drives /dev/nsm.
struct Local {
  explicit Local(NsmMode mode = NsmMode::kProduction)
      : nsm(local_root(), "i-0local-enc01", {filled(1), filled(2), filled(3)}, clock, mode),
        client(std::make_unique<InProcess>(nsm), attestation::Platform::kLocal) {}
  FixedClock clock;
  VirtualNsm nsm;
  NsmClient client;

  attestation::Claims claims(ByteView document) const {
    attestation::nitro::Anchors anchors;
    anchors.local_roots.push_back(local_root().certificate);
    return attestation::nitro::authenticate(attestation::nitro::parse_document(document).value(), anchors, clock.now())
        .value();
  }
};

template <class T>
std::string id(const Result<T>& result) {
  return result ? "" : std::string(result.error().id());
}

TEST(VirtualNsm, DescribesItselfAsTheRealDeviceDoes) {
  Local local;
  const auto description = local.client.describe();
  ASSERT_TRUE(description) << description.error().message();
  EXPECT_EQ(description->module_id, "i-0local-enc01");
  EXPECT_EQ(description->max_pcrs, 32U);
  EXPECT_EQ(description->digest, "SHA384");
  EXPECT_EQ(description->locked_pcrs.size(), 16U);
  EXPECT_EQ(*description->locked_pcrs.rbegin(), 15U);
}

TEST(VirtualNsm, StartsWithTheMeasuredRegistersLocked) {
  Local local;
  for (unsigned index = 0; index < 32; ++index) {
    const auto state = local.client.describe_pcr(index);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->locked, index < 16);
    EXPECT_EQ(state->value, to_bytes(ByteView(filled(index < 3 ? static_cast<std::uint8_t>(index + 1) : 0))));
  }
}

TEST(VirtualNsm, ExtendsByHashingOldAndNew) {
  Local local;
  ASSERT_TRUE(local.client.extend_register(16, as_bytes("one")));
  const auto once = crypto::sha384({ByteView(filled(0)), as_bytes("one")});
  EXPECT_EQ(local.client.describe_pcr(16)->value, to_bytes(ByteView(once)));
  ASSERT_TRUE(local.client.extend_register(16, as_bytes("two")));
  EXPECT_EQ(local.client.describe_pcr(16)->value,
            to_bytes(ByteView(crypto::sha384({ByteView(once), as_bytes("two")}))));
}

TEST(VirtualNsm, RefusesToTouchLockedRegisters) {
  Local local;
  for (const unsigned index : {0U, 1U, 2U, 15U}) {
    EXPECT_EQ(id(local.client.extend_register(index, as_bytes("x"))), "nsm.error.read_only_index");
  }
  ASSERT_TRUE(local.client.extend_register(16, as_bytes("x")));
  ASSERT_TRUE(local.client.lock_registers(32));
  for (const unsigned index : {16U, 31U}) {
    EXPECT_EQ(id(local.client.extend_register(index, as_bytes("y"))), "nsm.error.read_only_index");
  }
  EXPECT_EQ(local.client.describe()->locked_pcrs.size(), 32U);
}

TEST(VirtualNsm, RefusesIndicesThatItDoesNotHave) {
  Local local;
  EXPECT_EQ(id(local.client.describe_pcr(32)), "nsm.error.invalid_index");
  EXPECT_EQ(id(local.client.extend_register(32, {})), "nsm.error.invalid_index");
  EXPECT_EQ(id(local.client.lock_registers(33)), "nsm.error.invalid_index");
}

TEST(VirtualNsm, LocksOneRegisterOnce) {
  Local local;
  const Bytes lock16 = encode_request({.operation = NsmOperation::kLockPcr, .index = 16});
  EXPECT_EQ(to_hex(local.nsm.answer(lock16)), "674c6f636b504352");  // "LockPCR"
  EXPECT_EQ(to_hex(local.nsm.answer(lock16)), "a1654572726f726d526561644f6e6c79496e646578");
  const Bytes lock32 = encode_request({.operation = NsmOperation::kLockPcr, .index = 32});
  EXPECT_EQ(to_hex(local.nsm.answer(lock32)), "a1654572726f726c496e76616c6964496e646578");
}

TEST(VirtualNsm, GivesFreshRandomness) {
  Local local;
  const auto one = local.client.random();
  const auto two = local.client.random();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->size(), 256U);
  EXPECT_NE(*one, *two);
}

TEST(VirtualNsm, MakesDocumentsThatVerifyUnderItsRootAlone) {
  Local local;
  const Bytes data(64, 0x5a);
  const Bytes nonce(32, 0x6b);
  const auto document = local.client.attest(data, nonce);
  ASSERT_TRUE(document) << document.error().message();
  const auto claims = local.claims(*document);
  EXPECT_EQ(claims.platform(), attestation::Platform::kLocal);
  EXPECT_FALSE(claims.debug());
  EXPECT_EQ(claims.nitro().module_id, "i-0local-enc01");
  EXPECT_EQ(claims.nitro().timestamp, kNow);
  EXPECT_EQ(claims.nitro().user_data, data);
  EXPECT_EQ(claims.nitro().nonce, nonce);
  EXPECT_FALSE(claims.nitro().public_key);
  EXPECT_FALSE(claims.nitro().region);
  EXPECT_EQ(claims.nitro().root_sha256, crypto::sha256(local_root().certificate.der()));

  const auto parsed = attestation::nitro::parse_document(*document).value();
  EXPECT_EQ(id(attestation::nitro::authenticate(parsed, {}, kNow)), "nitro.chain.anchor");
  ASSERT_EQ(parsed.cabundle.size(), 3U);
  EXPECT_TRUE(equal(parsed.cabundle[0], local_root().certificate.der()));
}

TEST(VirtualNsm, NeverUsesAwsNames) {
  Local local;
  const auto parsed_bytes = local.client.attest({}, {}).value();
  const auto parsed = attestation::nitro::parse_document(parsed_bytes).value();
  std::vector<ByteView> chain = parsed.cabundle;
  chain.push_back(parsed.certificate);
  for (const ByteView der : chain) {
    const auto certificate = crypto::Certificate::from_der(der, 1024).value();
    EXPECT_THAT(certificate.subject(), ::testing::HasSubstr("gateway-local"));
    EXPECT_THAT(certificate.subject() + certificate.issuer(), ::testing::Not(::testing::HasSubstr("aws")));
  }
}

TEST(VirtualNsm, ShowsLockedRegistersAlone) {
  Local local;
  ASSERT_TRUE(local.client.extend_register(16, as_bytes("config")));
  EXPECT_EQ(local.claims(local.client.attest({}, {}).value()).nitro().pcrs.size(), 16U);
  ASSERT_TRUE(local.client.lock_registers(32));
  const auto pcrs = local.claims(local.client.attest({}, {}).value()).nitro().pcrs;
  EXPECT_EQ(pcrs.size(), 32U);
  EXPECT_EQ(pcrs.at(16), local.client.describe_pcr(16)->value);
}

TEST(VirtualNsm, LeavesOutFieldsThatNobodyGave) {
  Local local;
  const Bytes request = encode_request({.operation = NsmOperation::kAttestation});
  const Bytes answer = local.nsm.answer(request);
  auto reader = codec::CborReader::open(answer, {}, codec::CborProfile::kGeneral).value();
  ASSERT_TRUE(reader.map() && reader.text() && reader.map() && reader.text());
  const auto claims = local.claims(reader.bytes().value());
  EXPECT_FALSE(claims.nitro().user_data || claims.nitro().nonce || claims.nitro().public_key);
}

TEST(VirtualNsm, RefusesFieldsThatAreTooLarge) {
  Local local;
  EXPECT_EQ(id(local.client.attest(Bytes(512), Bytes(512))), "");
  EXPECT_EQ(id(local.client.attest(Bytes(513), std::nullopt)), "nsm.error.input_too_large");
  EXPECT_EQ(id(local.client.attest({}, Bytes(513))), "nsm.error.input_too_large");
  const Bytes key(1025);
  NsmRequest request{.operation = NsmOperation::kAttestation};
  request.public_key = key;
  EXPECT_EQ(to_hex(local.nsm.answer(encode_request(request))), "a1654572726f726d496e707574546f6f4c61726765");
}

TEST(VirtualNsm, AnswersNonsenseWithInvalidOperation) {
  Local local;
  const std::string invalid = "a1654572726f7270496e76616c69644f7065726174696f6e";
  const auto text = [](std::string_view value) {
    codec::CborWriter writer;
    writer.text(value);
    return std::move(writer).take();
  };
  codec::CborWriter two, extra, missing, wrong;
  two.map(2).text("LockPCR").map(1).text("index").unsigned_integer(16).text("GetRandom").null();
  extra.map(1).text("LockPCR").map(2).text("index").unsigned_integer(16).text("x").null();
  missing.map(1).text("ExtendPCR").map(1).text("index").unsigned_integer(16);
  wrong.map(1).text("DescribePCR").map(1).text("index").unsigned_integer(65536);
  for (const Bytes& request :
       {Bytes{}, Bytes{0xff}, Bytes{0xa0}, Bytes{0x80}, text("Attestation"), text("Nothing"),
        Bytes(kNsmMaxRequest + 1, 0x60), two.view(), extra.view(), missing.view(), wrong.view()}) {
    EXPECT_EQ(to_hex(local.nsm.answer(request)), invalid)
        << to_hex(ByteView(request).first(std::min(request.size(), 20UZ)));
  }
}

TEST(VirtualNsm, ShowsZerosInDebugMode) {
  Local local(NsmMode::kDebug);
  const auto claims = local.claims(local.client.attest({}, {}).value());
  EXPECT_TRUE(claims.debug());
  EXPECT_EQ(claims.nitro().pcrs.at(0), Bytes(48));
}

TEST(VirtualNsm, KeepsALeafWhileItIsFreshAndRenewsItInTime) {
  Local local;
  const auto leaf = [&] {
    const auto bytes = local.client.attest({}, {}).value();
    return to_bytes(attestation::nitro::parse_document(bytes).value().certificate);
  };
  const Bytes first = leaf();
  local.clock.set(kNow + std::chrono::hours(2));
  EXPECT_EQ(leaf(), first);
  // From minute to minute over two days every document verifies.
  for (int quarter = 9; quarter < 192; quarter += 13) {
    local.clock.set(kNow + std::chrono::minutes(15) * quarter);
    const auto claims = local.claims(local.client.attest({}, {}).value());
    EXPECT_GE(claims.validity().not_after, local.clock.now() + std::chrono::minutes(29));
  }
  EXPECT_NE(leaf(), first);
}

TEST(VirtualNsm, RenewsWhenTheClockGoesBack) {
  Local local;
  ASSERT_TRUE(local.client.attest({}, {}));
  local.clock.set(kNow - std::chrono::minutes(30));
  EXPECT_EQ(local.claims(local.client.attest({}, {}).value()).nitro().timestamp, kNow - std::chrono::minutes(30));
}

TEST(VirtualNsm, TellsTheTimeByADocumentOfItsOwn) {
  Local local;
  EXPECT_EQ(local.client.trusted_time().value(), kNow);
  local.clock.set(kNow + std::chrono::hours(5));
  EXPECT_EQ(local.client.trusted_time().value(), kNow + std::chrono::hours(5));
}

TEST(VirtualNsm, DoesNotTellTheTimeToAnEnclaveThatBelievesItselfOnNitro) {
  Local local;
  NsmClient fooled(std::make_unique<InProcess>(local.nsm), attestation::Platform::kNitro);
  EXPECT_EQ(id(fooled.trusted_time()), "nitro.chain.anchor");
}

// Always the same document, made for somebody else's nonce.
class Replaying final : public NsmDevice {
 public:
  explicit Replaying(VirtualNsm& nsm)
      : answer_(nsm.answer(encode_request({.operation = NsmOperation::kAttestation}))) {}
  Result<Bytes> transact(ByteView) override { return answer_; }

 private:
  Bytes answer_;
};

TEST(VirtualNsm, DoesNotTellTheTimeByAReplayedDocument) {
  Local local;
  NsmClient client(std::make_unique<Replaying>(local.nsm), attestation::Platform::kLocal);
  EXPECT_EQ(id(client.trusted_time()), "nsm.response.value");
}

TEST(VirtualNsm, ServesASocketUntilThePeerLeaves) {
  Local local;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  std::thread server([&] { serve_virtual_nsm(local.nsm, ends[1]); });
  {
    NsmClient client(make_socket_nsm(ends[0]), attestation::Platform::kLocal);
    EXPECT_TRUE(client.describe());
    EXPECT_EQ(local.claims(client.attest(Bytes(64, 1), std::nullopt).value()).nitro().user_data, Bytes(64, 1));
    EXPECT_EQ(client.trusted_time().value(), kNow);
  }
  server.join();
  ::close(ends[1]);
}

TEST(VirtualNsm, StopsServingAPeerThatBreaksTheFraming) {
  Local local;
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Bytes head{0x00, 0x00, 0x10, 0x01};
  ASSERT_EQ(::send(ends[0], head.data(), head.size(), 0), 4);
  serve_virtual_nsm(local.nsm, ends[1]);  // returns
  for (const int end : ends) ::close(end);
}

TEST(VirtualNsm, IsSafeForConcurrentUse) {
  Local local;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      NsmClient client(std::make_unique<InProcess>(local.nsm), attestation::Platform::kLocal);
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(client.extend_register(20, as_bytes("x")));
        EXPECT_TRUE(client.attest({}, {}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace gateway::attester
