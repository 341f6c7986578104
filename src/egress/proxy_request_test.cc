#include "egress/proxy_request.h"

#include <gtest/gtest.h>

#include "egress/client_hello.h"
#include "egress/hello_for_test.h"

namespace gateway::egress {
namespace {

std::string wanted_by(std::string_view text) {
  ProxyRequest request;
  const auto step = request.take(as_bytes(text));
  if (!step) return std::string(step.error().id());
  return step->wanted ? step->wanted->to_string() : "more";
}

TEST(ProxyRequest, TakesConnect) {
  EXPECT_EQ(wanted_by("CONNECT api.example.org:443 HTTP/1.1\r\nHost: api.example.org:443\r\n\r\n"),
            "api.example.org:443");
  EXPECT_EQ(wanted_by("CONNECT API.Example.org.:443 HTTP/1.0\r\n\r\n"), "api.example.org:443");
  EXPECT_EQ(wanted_by("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n"), "[2001:db8::1]:443");
  EXPECT_EQ(wanted_by("CONNECT 192.0.2.1:80 HTTP/1.1\r\n\r\n"), "192.0.2.1:80");
  EXPECT_EQ(wanted_by("CONNECT api.example.org:443 HTTP/1.1\r\n"), "more");
}

TEST(ProxyRequest, RefusesWhatIsNoConnect) {
  for (const char* text : {"GET http://example.org/ HTTP/1.1\r\n\r\n", "CONNECT example.org HTTP/1.1\r\n\r\n",
                           "CONNECT example.org:0 HTTP/1.1\r\n\r\n", "CONNECT example.org:99999 HTTP/1.1\r\n\r\n",
                           "CONNECT http://example.org:80 HTTP/1.1\r\n\r\n", "CONNECT 2001:db8::1:443 HTTP/1.1\r\n\r\n",
                           "CONNECT [example.org]:443 HTTP/1.1\r\n\r\n", "CONNECT a b:443 HTTP/1.1\r\n\r\n",
                           "CONNECT example.org:443 HTTP/2.0\r\n\r\n", "CONNECT 127.1:80 HTTP/1.1\r\n\r\n",
                           "CONNECT 0x7f000001:80 HTTP/1.1\r\n\r\n", "\r\n\r\n"}) {
    const std::string got = wanted_by(text);
    // A name of hexadecimal letters is a name: it is on no list, and so leads nowhere.
    if (std::string_view(text).contains("0x7f")) {
      EXPECT_EQ(got, "0x7f000001:80");
    } else {
      EXPECT_EQ(got, "egress.proxy") << text;
    }
  }
  EXPECT_EQ(wanted_by("CONNECT example.org:443 HTTP/1.1\r\nX: " + std::string(9000, 'a')), "egress.proxy");
}

TEST(ProxyRequest, TakesSocksByteByByte) {
  const std::string name = "api.example.org";
  std::string text{"\x05\x01\x00\x05\x01\x00\x03", 7};
  text += static_cast<char>(name.size()) + name + std::string("\x01\xbb", 2) + "rest";
  ProxyRequest request;
  std::string replies;
  std::optional<Wanted> wanted;
  for (std::size_t at = 0; at < text.size() - 4; ++at) {
    auto step = request.take(as_bytes(std::string_view(text).substr(at, 1)));
    ASSERT_TRUE(step);
    replies += as_text(step->reply);
    if (step->wanted) wanted = step->wanted;
  }
  EXPECT_EQ(replies, std::string("\x05\x00", 2));
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->to_string(), "api.example.org:443");
  EXPECT_EQ(request.kind(), ProxyKind::kSocks);

  ProxyRequest whole;
  ASSERT_TRUE(whole.take(as_bytes(text)));
  EXPECT_EQ(as_text(whole.take_rest()), "rest");
}

TEST(ProxyRequest, TakesSocksAddressesAndRefusesTheRest) {
  const auto socks = [](std::string_view request) {
    return wanted_by(std::string("\x05\x01\x00", 3) + std::string(request));
  };
  EXPECT_EQ(socks({"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50", 10}), "192.0.2.1:80");
  EXPECT_EQ(socks({"\x05\x02\x00\x01\xc0\x00\x02\x01\x00\x50", 10}), "egress.proxy") << "BIND";
  EXPECT_EQ(socks({"\x05\x03\x00\x01\xc0\x00\x02\x01\x00\x50", 10}), "egress.proxy") << "UDP ASSOCIATE";
  EXPECT_EQ(socks({"\x05\x01\x00\x02\xc0\x00\x02\x01\x00\x50", 10}), "egress.proxy") << "no such kind of address";
  EXPECT_EQ(socks({"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x00", 10}), "egress.proxy") << "port 0";
  EXPECT_EQ(socks({"\x05\x01\x00\x03\x00\x00\x50\x00\x00\x00", 10}), "egress.proxy") << "an empty name";
  EXPECT_EQ(wanted_by({"\x05\x01\x02", 3}), "egress.proxy") << "a password alone";
}

TEST(ProxyRequest, AnswersInWordsThatProgramsKnow) {
  EXPECT_EQ(as_text(proxy_accepts(ProxyKind::kHttp)).substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(proxy_accepts(ProxyKind::kSocks)[1], 0);
  EXPECT_EQ(as_text(proxy_refuses(ProxyKind::kHttp, ProxyRefusal::kForbidden, "egress.refused")).substr(0, 12),
            "HTTP/1.1 403");
  EXPECT_EQ(proxy_refuses(ProxyKind::kSocks, ProxyRefusal::kForbidden, "")[1], 2);
}

TEST(ClientHello, SaysWhichServerIsMeant) {
  for (const std::size_t per_record : {16'000UZ, 7UZ, 1UZ}) {
    const Bytes whole = client_hello("API.example.org", per_record);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto name = server_name_of(ByteView(whole).first(size));
      ASSERT_TRUE(name) << size;
      EXPECT_FALSE(*name) << size;
    }
    const auto name = server_name_of(whole);
    ASSERT_TRUE(name && *name) << (name ? "more" : name.error().message());
    EXPECT_EQ(**name, "api.example.org");
  }
}

TEST(ClientHello, RefusesWhatIsNone) {
  const auto id = [](ByteView bytes) {
    const auto name = server_name_of(bytes);
    return name ? (*name ? **name : "more") : std::string(name.error().id());
  };
  EXPECT_EQ(id(as_bytes("GET / HTTP/1.1\r\n")), "egress.hello");
  EXPECT_EQ(id(as_bytes("SSH-2.0-OpenSSH")), "egress.hello");
  EXPECT_EQ(id(client_hello("")), "egress.hello") << "no name";
  EXPECT_EQ(id(client_hello("192.0.2.1")), "egress.hello") << "an address is no name";
  Bytes twice = client_hello("a.example");
  append(twice, client_hello("b.example"));
  EXPECT_EQ(id(twice), "a.example") << "what follows is the server's to judge";
  Bytes server_hello = client_hello("a.example");
  server_hello[5] = 2;
  EXPECT_EQ(id(server_hello), "egress.hello");
  Bytes huge = client_hello("a.example");
  huge[6] = 1;
  EXPECT_EQ(id(huge), "egress.hello");
  Bytes changed = client_hello("a.example");
  changed[changed.size() - 10] ^= 0xff;  // a length inside the extension
  EXPECT_EQ(id(changed), "egress.hello");
}

}  // namespace
}  // namespace gateway::egress
