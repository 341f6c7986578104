#include "runtime/control_link.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

using net::ControlType;
using ::testing::ElementsAre;

class ControlLinkTest : public ::testing::Test {
 protected:
  ControlLinkTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    host_ = net::Descriptor(ends[0]);
    auto pipe = EventPipe::open();
    log_ = std::move(pipe->writing);
    link_ = std::make_unique<ControlLink>(
        loop_, net::Descriptor(ends[1]), std::move(pipe->reading),
        ControlLink::Handlers{
            .tokens = [this](ByteView file) { seen_.push_back("tokens " + std::string(as_text(file))); },
            .stop = [this](Duration grace) { seen_.push_back("stop " + std::to_string(grace.count())); },
            .closed =
                [this] {
                  seen_.emplace_back("closed");
                  loop_.stop();
                }});
  }
  void turn() {
    const auto timer = loop_.timer([this] { loop_.stop(); });
    timer->arm(std::chrono::milliseconds(20));
    loop_.run();
  }
  void send(ControlType type, ByteView body) { ASSERT_TRUE(net::write_control(host_.get(), type, body)); }

  net::Loop loop_;
  net::Descriptor host_, log_;
  std::unique_ptr<ControlLink> link_;
  std::vector<std::string> seen_;
};

TEST_F(ControlLinkTest, PassesOnWhatTheHostAsks) {
  ByteWriter grace;
  grace.u32be(3);
  send(ControlType::kTokens, as_bytes("list"));
  send(ControlType::kStop, grace.bytes());
  send(ControlType::kPing, as_bytes("echo"));
  turn();
  EXPECT_THAT(seen_, ElementsAre("tokens list", "stop 3000"));
  const auto pong = net::read_control(host_.get());
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->type, ControlType::kPong);
  EXPECT_EQ(as_text(pong->body), "echo");
}

TEST_F(ControlLinkTest, MisplacedAndUnknownFramesChangeNothing) {
  send(ControlType::kConfig, as_bytes("another configuration"));
  send(ControlType::kCmdline, as_bytes("another cmdline"));
  send(ControlType::kReady, {});
  send(static_cast<ControlType>(200), {});
  send(ControlType::kStop, as_bytes("abc"));
  send(ControlType::kStop, as_bytes("abcde"));
  turn();
  EXPECT_TRUE(seen_.empty());
}

TEST_F(ControlLinkTest, ABrokenFrameEndsTheLink) {
  const Bytes broken{0xff, 0xff, 0xff, 0xff, 3};
  ASSERT_EQ(::write(host_.get(), broken.data(), broken.size()), 5);
  loop_.run();
  EXPECT_THAT(seen_, ElementsAre("closed"));
}

TEST_F(ControlLinkTest, AHostThatIsGoneIsNoticed) {
  host_.reset();
  loop_.run();
  EXPECT_THAT(seen_, ElementsAre("closed"));
  link_->send(ControlType::kReady, {});
}

TEST_F(ControlLinkTest, LogLinesBecomeEvents) {
  ASSERT_EQ(::write(log_.get(), "{\"a\":1}\n{\"b\"", 12), 12);
  turn();
  ASSERT_EQ(::write(log_.get(), ":2}\n", 4), 4);
  turn();
  EXPECT_EQ(as_text(net::read_control(host_.get())->body), "{\"a\":1}");
  const auto second = net::read_control(host_.get());
  EXPECT_EQ(second->type, ControlType::kEvent);
  EXPECT_EQ(as_text(second->body), "{\"b\":2}");
}

TEST_F(ControlLinkTest, AHostThatDoesNotReadCostsABoundedQueue) {
  const Bytes body(8192);
  for (int i = 0; i < 1000; ++i) link_->send(ControlType::kEvent, body);
  ::fcntl(host_.get(), F_SETFL, O_NONBLOCK);
  std::size_t received = 0;
  std::array<std::uint8_t, 65536> chunk;
  for (int round = 0; round < 50; ++round) {
    for (ssize_t got = 0; (got = ::read(host_.get(), chunk.data(), chunk.size())) > 0;) {
      received += static_cast<std::size_t>(got);
    }
    turn();
    if (round > 0 && received % (8192 + 5) == 0) break;
  }
  EXPECT_EQ(received % (8192 + 5), 0U);  // whole frames only
  EXPECT_LT(received, kMaxQueuedControl + 1024UZ * 1024);
}

TEST_F(ControlLinkTest, TheLastWordsArrive) {
  ASSERT_EQ(::write(log_.get(), "last\n", 5), 5);
  link_->send(ControlType::kReady, {});
  link_->finish();
  link_.reset();
  EXPECT_EQ(net::read_control(host_.get())->type, ControlType::kReady);
  EXPECT_EQ(as_text(net::read_control(host_.get())->body), "last");
  EXPECT_FALSE(net::read_control(host_.get()));
}

TEST(EventPipe, WithoutDescriptorsThereIsNone) {
  const NoMoreDescriptors none;
  EXPECT_EQ(EventPipe::open().error().id(), "runtime.events");
}

TEST(ReportFatal, SaysTheIdOnALineOfItsOwn) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const net::Descriptor host(ends[0]);
  const net::Descriptor enclave(ends[1]);
  const auto pipe = EventPipe::open();
  ASSERT_EQ(::write(pipe->writing.get(), "before\n", 7), 7);
  report_fatal(enclave.get(), pipe->reading.get(),
               Error(ErrorCode::kInternal, "runtime.harden", "what was found", "what to do"));
  EXPECT_EQ(as_text(net::read_control(host.get())->body), "before");
  const auto fatal = net::read_control(host.get());
  EXPECT_EQ(fatal->type, ControlType::kFatal);
  EXPECT_EQ(as_text(fatal->body), "runtime.harden\nwhat was found; what to do");
}

}  // namespace
}  // namespace gateway::runtime
