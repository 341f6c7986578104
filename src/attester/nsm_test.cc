#include "attester/nsm.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "attestation/nitro/document.h"
#include "attester/nsm_frames.h"
#include "attester/nsm_protocol.h"
#include "attester/virtual_nsm.h"
#include "codec/cbor.h"

namespace gateway::attester {
namespace {

using codec::CborWriter;

// A device that answers every request with the same bytes and remembers the last request.
class ScriptedNsm final : public NsmDevice {
 public:
  explicit ScriptedNsm(Bytes answer) : answer_(std::move(answer)) {}
  Result<Bytes> transact(ByteView request) override {
    last_ = to_bytes(request);
    return answer_;
  }
  const Bytes& last() const { return last_; }

 private:
  Bytes answer_;
  Bytes last_;
};

Bytes cbor(const std::function<void(CborWriter&)>& write) {
  CborWriter writer;
  write(writer);
  return std::move(writer).take();
}

struct Scripted {
  explicit Scripted(Bytes answer)
      : device(new ScriptedNsm(std::move(answer))),
        client(std::unique_ptr<NsmDevice>(device), attestation::Platform::kNitro) {}
  ScriptedNsm* device;
  NsmClient client;
};

template <class T>
std::string id(const Result<T>& result) {
  return result ? "" : std::string(result.error().id());
}

Bytes pcr_answer(const std::function<void(CborWriter&)>& fields) {
  return cbor([&](CborWriter& writer) {
    writer.map(1).text("DescribePCR");
    fields(writer);
  });
}

TEST(NsmClient, WritesRequestsAsTheRealDeviceReadsThem) {
  Scripted scripted(cbor([](CborWriter& w) { w.text("LockPCRs"); }));
  ASSERT_TRUE(scripted.client.lock_registers(32));
  // {"LockPCRs": {"range": 32}}
  EXPECT_EQ(to_hex(scripted.device->last()), "a1684c6f636b50435273a16572616e67651820");
  Scripted describe(cbor([](CborWriter& w) { w.text("x"); }));
  (void)describe.client.describe();
  EXPECT_EQ(to_hex(describe.device->last()), "6b44657363726962654e534d");  // "DescribeNSM"
  (void)describe.client.random();
  EXPECT_EQ(to_hex(describe.device->last()), "6947657452616e646f6d");  // "GetRandom"
  (void)describe.client.describe_pcr(3);
  EXPECT_EQ(to_hex(describe.device->last()), "a16b4465736372696265504352a165696e64657803");
  (void)describe.client.attest(Bytes{1}, std::nullopt);
  const auto request = parse_request(describe.device->last());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->operation, NsmOperation::kAttestation);
  EXPECT_TRUE(equal(*request->user_data, Bytes{1}));
  EXPECT_FALSE(request->nonce || request->public_key);
}

TEST(NsmClient, ReadsARegister) {
  Scripted scripted(
      pcr_answer([](CborWriter& w) { w.map(2).text("lock").boolean(true).text("data").bytes(Bytes(48, 7)); }));
  const auto state = scripted.client.describe_pcr(3);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_TRUE(state->locked);
  EXPECT_EQ(state->value, Bytes(48, 7));
}

TEST(NsmClient, AcceptsIndefiniteLengthsFromTheDevice) {
  const Bytes inner = cbor([](CborWriter& w) { w.text("data").bytes(Bytes(48, 7)).text("lock").boolean(false); });
  Bytes answer{0xbf};
  append(answer, cbor([](CborWriter& w) { w.text("DescribePCR"); }));
  answer.push_back(0xbf);
  append(answer, inner);
  answer.push_back(0xff);
  answer.push_back(0xff);
  Scripted scripted(answer);
  EXPECT_EQ(id(scripted.client.describe_pcr(3)), "");
}

TEST(NsmClient, RefusesAnswersThatAreNoCbor) {
  for (const Bytes& answer : {Bytes{}, Bytes{0xff}, Bytes{0xa1}, Bytes{0x80}, Bytes{0xa0}, Bytes{0xa1, 0x01, 0x02}}) {
    EXPECT_EQ(id(Scripted(answer).client.describe_pcr(0)), "nsm.response.structure") << to_hex(answer);
  }
}

TEST(NsmClient, RefusesTheAnswerToAnotherRequest) {
  const Bytes lock = cbor([](CborWriter& w) { w.text("LockPCRs"); });
  EXPECT_EQ(id(Scripted(lock).client.describe_pcr(0)), "nsm.response.operation");
  EXPECT_EQ(id(Scripted(lock).client.random()), "nsm.response.operation");
  const Bytes random = cbor([](CborWriter& w) { w.map(1).text("GetRandom").map(1).text("random").bytes(Bytes(256)); });
  EXPECT_EQ(id(Scripted(random).client.lock_registers(1)), "nsm.response.operation");
  EXPECT_EQ(id(Scripted(random).client.attest({}, {})), "nsm.response.operation");
  // The right name as a bare text, or the wrong shape the other way round.
  EXPECT_EQ(id(Scripted(cbor([](CborWriter& w) { w.text("GetRandom"); })).client.random()), "nsm.response.operation");
  EXPECT_EQ(id(Scripted(cbor([](CborWriter& w) { w.map(1).text("LockPCRs").map(0); })).client.lock_registers(1)),
            "nsm.response.operation");
}

TEST(NsmClient, RefusesFieldsThatAreWrong) {
  const std::vector<std::function<void(CborWriter&)>> wrong{
      [](CborWriter& w) { w.map(0); },
      [](CborWriter& w) { w.map(1).text("data").bytes(Bytes(48)); },
      [](CborWriter& w) { w.map(1).text("lock").boolean(true); },
      [](CborWriter& w) { w.map(2).text("data").bytes(Bytes(32)).text("lock").boolean(true); },
      [](CborWriter& w) { w.map(2).text("data").bytes(Bytes(48)).text("lock").unsigned_integer(1); },
      [](CborWriter& w) { w.map(2).text("data").text("x").text("lock").boolean(true); },
      [](CborWriter& w) { w.map(3).text("data").bytes(Bytes(48)).text("lock").boolean(true).text("more").null(); },
      [](CborWriter& w) { w.array(0); },
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_EQ(id(Scripted(pcr_answer(wrong[i])).client.describe_pcr(0)), "nsm.response.value") << i;
  }
  const auto single = [](const char* name, const char* field, std::size_t size) {
    return cbor([=](CborWriter& w) { w.map(1).text(name).map(1).text(field).bytes(Bytes(size)); });
  };
  EXPECT_EQ(id(Scripted(single("ExtendPCR", "data", 47)).client.extend_register(16, {})), "nsm.response.value");
  EXPECT_EQ(id(Scripted(single("ExtendPCR", "pcr", 48)).client.extend_register(16, {})), "nsm.response.value");
  EXPECT_EQ(id(Scripted(single("GetRandom", "random", 0)).client.random()), "nsm.response.value");
  EXPECT_EQ(id(Scripted(single("Attestation", "doc", 10)).client.attest({}, {})), "nsm.response.value");
  EXPECT_EQ(id(Scripted(cbor([](CborWriter& w) {
                 w.map(2).text("GetRandom").map(1).text("random").bytes(Bytes(9)).text("x").null();
               })).client.random()),
            "nsm.response.value");
}

Bytes description(const std::function<void(CborWriter&)>& fields) {
  return cbor([&](CborWriter& writer) {
    writer.map(1).text("DescribeNSM");
    fields(writer);
  });
}

TEST(NsmClient, ReadsADescription) {
  const auto good = [](CborWriter& w) {
    w.map(5)
        .text("version_major")
        .unsigned_integer(1)
        .text("module_id")
        .text("i-1")
        .text("max_pcrs")
        .unsigned_integer(32);
    w.text("locked_pcrs").array(2).unsigned_integer(0).unsigned_integer(1).text("digest").text("SHA384");
  };
  Scripted scripted(description(good));
  const auto read = scripted.client.describe();
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->module_id, "i-1");
  EXPECT_EQ(read->max_pcrs, 32U);
  EXPECT_EQ(read->locked_pcrs, (std::set<unsigned>{0, 1}));
}

TEST(NsmClient, RefusesADescriptionOfAnotherDevice) {
  const auto with = [](const char* digest, std::uint64_t pcrs, std::uint64_t locked, const char* module) {
    return id(Scripted(description([=](CborWriter& w) {
                w.map(4).text("module_id").text(module).text("max_pcrs").unsigned_integer(pcrs);
                w.text("locked_pcrs").array(1).unsigned_integer(locked).text("digest").text(digest);
              })).client.describe());
  };
  EXPECT_EQ(with("SHA384", 32, 0, "i"), "");
  EXPECT_EQ(with("SHA256", 32, 0, "i"), "nsm.response.value");
  EXPECT_EQ(with("SHA384", 16, 0, "i"), "nsm.response.value");
  EXPECT_EQ(with("SHA384", 32, 32, "i"), "nsm.response.value");
  EXPECT_EQ(with("SHA384", 32, 0, ""), "nsm.response.value");
  EXPECT_EQ(id(Scripted(description([](CborWriter& w) { w.map(1).text("digest").text("SHA384"); })).client.describe()),
            "nsm.response.value");
  EXPECT_EQ(id(Scripted(description([](CborWriter& w) { w.map(1).text("other").null(); })).client.describe()),
            "nsm.response.value");
}

TEST(NsmClient, ReportsTheDevicesOwnRefusals) {
  const std::vector<std::pair<std::string, std::string>> codes{
      {"InvalidArgument", "nsm.error.invalid_argument"}, {"InvalidIndex", "nsm.error.invalid_index"},
      {"ReadOnlyIndex", "nsm.error.read_only_index"},    {"InvalidOperation", "nsm.error.invalid_operation"},
      {"InputTooLarge", "nsm.error.input_too_large"},    {"BufferTooSmall", "nsm.error.internal"},
      {"InvalidResponse", "nsm.error.internal"},         {"InternalError", "nsm.error.internal"},
      {"SomethingElse", "nsm.response.structure"}};
  for (const auto& [text, expected] : codes) {
    Scripted scripted(cbor([&](CborWriter& w) { w.map(1).text("Error").text(text); }));
    EXPECT_EQ(id(scripted.client.extend_register(0, {})), expected);
  }
}

TEST(NsmClient, RefusesRequestsAndAnswersThatAreTooLarge) {
  Scripted large(Bytes(kNsmMaxResponse + 1));
  EXPECT_EQ(id(large.client.random()), "nsm.response.size");
  EXPECT_EQ(id(large.client.extend_register(16, Bytes(kNsmMaxRequest))), "nsm.request.size");
}

TEST(NsmClient, RefusesADocumentForTheTimeThatIsNoDocument) {
  Scripted scripted(
      cbor([](CborWriter& w) { w.map(1).text("Attestation").map(1).text("document").bytes(Bytes{0x80}); }));
  EXPECT_EQ(id(scripted.client.trusted_time()), "nitro.document.structure");
}

TEST(NsmClient, OpensOnlyADeviceThatExists) { EXPECT_EQ(id(open_nsm_device("/nonexistent/nsm")), "nsm.device"); }

TEST(NsmClient, ReportsADeviceThatIsNoNsm) {
  auto device = open_nsm_device("/dev/null");
  ASSERT_TRUE(device);
  EXPECT_EQ(id((*device)->transact(Bytes{0x60})), "nsm.device");
}

struct SocketPair {
  SocketPair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0); }
  ~SocketPair() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  int release(std::size_t which) { return std::exchange(ends.at(which), -1); }
  std::array<int, 2> ends{-1, -1};
};

TEST(SocketNsm, CarriesRequestsAndAnswers) {
  SocketPair pair;
  std::thread peer([&] {
    const auto request = read_frame(pair.ends[1], kNsmMaxRequest, 1000);
    ASSERT_TRUE(request);
    EXPECT_EQ(*request, (Bytes{1, 2, 3}));
    EXPECT_TRUE(write_frame(pair.ends[1], Bytes(kNsmMaxResponse, 9), 1000));
  });
  const auto device = make_socket_nsm(pair.release(0));
  const auto answer = device->transact(Bytes{1, 2, 3});
  peer.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, Bytes(kNsmMaxResponse, 9));
}

// A TEE whose evidence has no field for a key.
class KeylessAttester final : public Attester {
 public:
  attestation::Platform platform() const override { return attestation::Platform::kSnp; }
  Result<Bytes> attest(ByteView, std::optional<ByteView>) override { return Bytes{}; }
  Status extend_register(unsigned, ByteView) override { return {}; }
  Status lock_registers(unsigned) override { return {}; }
  Result<Bytes> random() override { return Bytes{}; }
  Result<Time> trusted_time() override { return Time{}; }
};

TEST(Attester, VouchesForNoKeyUnlessItsEvidenceCan) {
  EXPECT_EQ(id(KeylessAttester().attest_key(Bytes(64), Bytes(294))), "attester.no_key");
}

TEST(NsmClient, VouchesForAKeyInItsOwnField) {
  const LocalRoot root = *LocalRoot::create(SystemClock().now());
  const SystemClock clock;
  auto nsm = std::make_shared<VirtualNsm>(root, "i-test", std::array<ByteArray<48>, 3>{}, clock);
  class Device final : public NsmDevice {
   public:
    explicit Device(std::shared_ptr<VirtualNsm> nsm) : nsm_(std::move(nsm)) {}
    Result<Bytes> transact(ByteView request) override { return nsm_->answer(request); }

   private:
    std::shared_ptr<VirtualNsm> nsm_;
  };
  NsmClient client(std::make_unique<Device>(nsm), attestation::Platform::kLocal);
  const Bytes report_data(64, 1);
  const Bytes spki(294, 2);
  const auto document = client.attest_key(report_data, spki);
  ASSERT_TRUE(document) << document.error().message();
  const auto parsed = attestation::nitro::parse_document(*document);
  ASSERT_TRUE(parsed) << parsed.error().message();
  ASSERT_TRUE(parsed->public_key && parsed->user_data);
  EXPECT_TRUE(equal(*parsed->public_key, spki));
  EXPECT_TRUE(equal(*parsed->user_data, report_data));
  EXPECT_FALSE(parsed->nonce);
}

TEST(SocketNsm, RefusesOversizedFrames) {
  SocketPair pair;
  const Bytes head{0x00, 0x00, 0x30, 0x01};
  ASSERT_EQ(::send(pair.ends[1], head.data(), head.size(), 0), 4);
  const auto device = make_socket_nsm(pair.release(0));
  EXPECT_EQ(id(device->transact(Bytes{1})), "nsm.response.size");
}

TEST(SocketNsm, StaysUnavailableAfterABrokenExchange) {
  SocketPair pair;
  const Bytes part{0x00, 0x00, 0x00, 0x09, 0x01};
  ASSERT_EQ(::send(pair.ends[1], part.data(), part.size(), 0), 5);
  ::shutdown(pair.ends[1], SHUT_WR);
  const auto device = make_socket_nsm(pair.release(0));
  EXPECT_EQ(id(device->transact(Bytes{1})), "nsm.device");
  EXPECT_EQ(id(device->transact(Bytes{1})), "nsm.device");
}

TEST(SocketNsm, ReportsAPeerThatIsGone) {
  SocketPair pair;
  ::close(pair.release(1));
  const auto device = make_socket_nsm(pair.release(0));
  EXPECT_EQ(id(device->transact(Bytes{1})), "nsm.device");
}

}  // namespace
}  // namespace gateway::attester
