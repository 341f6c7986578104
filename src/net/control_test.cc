#include "net/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "net/descriptor.h"

namespace gateway::net {
namespace {

struct Channel {
  Channel() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    host = Descriptor(ends[0]);
    enclave = Descriptor(ends[1]);
  }
  Descriptor host;
  Descriptor enclave;
};

Bytes frame(std::uint32_t length, std::string_view content) {
  ByteWriter out;
  out.u32be(length);
  out.put(content);
  return std::move(out).take();
}

TEST(Control, FramesPassBothWays) {
  Channel channel;
  ASSERT_TRUE(write_control(channel.host.get(), ControlType::kConfig, as_bytes("version = 1")));
  ASSERT_TRUE(write_control(channel.host.get(), ControlType::kPing, {}));
  const auto config = read_control(channel.enclave.get());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->type, ControlType::kConfig);
  EXPECT_EQ(as_text(config->body), "version = 1");
  const auto ping = read_control(channel.enclave.get());
  ASSERT_TRUE(ping);
  EXPECT_EQ(ping->type, ControlType::kPing);
  EXPECT_TRUE(ping->body.empty());
}

TEST(Control, TheLargestFramePassesAndNoLargerOne) {
  Channel channel;
  const Bytes body(kMaxControlBody, 'x');
  std::thread writer([&] { EXPECT_TRUE(write_control(channel.host.get(), ControlType::kTokens, body)); });
  const auto read = read_control(channel.enclave.get());
  writer.join();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->body.size(), kMaxControlBody);
  const Status refused = write_control(channel.host.get(), ControlType::kTokens, Bytes(kMaxControlBody + 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "control.size");
}

TEST(Control, RefusesLengthsOutOfBoundsBeforeAnythingIsKept) {
  for (const auto& [bytes, id] : {std::pair{frame(0, ""), "control.frame"},
                                  {frame(kMaxControlBody + 2, "x"), "control.size"},
                                  {frame(UINT32_MAX, "x"), "control.size"}}) {
    ControlDecoder decoder;
    decoder.feed(bytes);
    const auto next = decoder.next();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().id(), id);
    Channel channel;
    ASSERT_EQ(::send(channel.host.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    const auto read = read_control(channel.enclave.get());
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().id(), id);
  }
}

TEST(Control, SaysWhenTheOtherSideIsGone) {
  Channel channel;
  const Bytes part = frame(10, "abc");
  ASSERT_EQ(::send(channel.host.get(), part.data(), part.size(), 0), static_cast<ssize_t>(part.size()));
  channel.host.reset();
  const auto read = read_control(channel.enclave.get());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().id(), "control.closed");
  const Status written = write_control(channel.enclave.get(), ControlType::kPong, {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().id(), "control.closed");
}

TEST(ControlDecoder, TakesFramesFromAnySplit) {
  Bytes bytes = frame(6, "\x10hello");
  append(bytes, frame(1, "\x11"));
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    ControlDecoder decoder;
    std::vector<ControlFrame> frames;
    for (const ByteView part : {ByteView(bytes).first(split), ByteView(bytes).subspan(split)}) {
      decoder.feed(part);
      for (auto next = decoder.next(); next && *next; next = decoder.next()) frames.push_back(std::move(**next));
    }
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].type, ControlType::kEvent);
    EXPECT_EQ(as_text(frames[0].body), "hello");
    EXPECT_EQ(frames[1].type, ControlType::kReady);
  }
}

}  // namespace
}  // namespace gateway::net
