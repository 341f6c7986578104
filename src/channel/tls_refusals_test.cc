// Checks of tls.cc that its other tests do not tell apart from their neighbours (tools/mutate channel).
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "channel/tls.h"

namespace gateway::channel {
namespace {

// RFC 8446 §6.1: a close_notify is an orderly end, but not of a handshake.
TEST(TlsRefusals, RefusesAnOrderlyEndInTheMiddleOfAHandshake) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  const net::Descriptor peer(ends[0]);
  const auto context = TlsContext::client();
  ASSERT_TRUE(context);
  auto stream = TlsStream::connect(*context, net::Descriptor(ends[1]), "example");
  ASSERT_TRUE(stream);
  const auto hello = stream->handshake();
  ASSERT_TRUE(hello && *hello == Progress::kWantRead);
  constexpr std::array<std::uint8_t, 7> kCloseNotify{21, 3, 3, 0, 2, 1, 0};  // alert, warning, close_notify
  ASSERT_EQ(::write(peer.get(), kCloseNotify.data(), kCloseNotify.size()), 7);
  const auto ended = stream->handshake();
  ASSERT_FALSE(ended) << "an orderly end is no handshake";
  EXPECT_EQ(ended.error().id(), "tls.closed");
}

}  // namespace
}  // namespace gateway::channel
