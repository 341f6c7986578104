#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.h"

namespace gateway::net {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kHost = "Host: example\r\n";

std::string id_of(std::string_view text, const HttpLimits& limits = {}) {
  HttpHead head;
  const auto size = parse_request_head(as_bytes(text), limits, head);
  if (!size) return std::string(size.error().id());
  return *size ? "taken" : "incomplete";
}

std::string request_id(std::string_view fields) {
  return id_of("POST / HTTP/1.1\r\n" + std::string(kHost) + std::string(fields) + "\r\n");
}

std::string response_id(std::string_view text) {
  HttpHead head;
  const auto size = parse_response_head(as_bytes(text), {}, "GET", head);
  if (!size) return std::string(size.error().id());
  return *size ? "taken" : "incomplete";
}

TEST(RequestHead, ReadsWhatIsThere) {
  const std::string_view text =
      "POST /v1/completions?a=b HTTP/1.1\r\nhOsT: example:443\r\nContent-Length:  12 \r\nX-Empty:\r\nExpect: "
      "100-Continue\r\n\r\nrest";
  HttpHead head;
  const auto size = parse_request_head(as_bytes(text), {}, head);
  ASSERT_TRUE(size && *size);
  EXPECT_EQ(text.substr(**size), "rest");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/completions?a=b");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_EQ(head.framing, Framing::kLength);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  EXPECT_EQ(head.header("host"), "example:443");
  EXPECT_EQ(head.header("x-empty"), "");
  EXPECT_FALSE(head.header("x-other"));
}

TEST(RequestHead, WaitsForTheWholeHead) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_EQ(id_of(text.substr(0, size)), "incomplete") << size;
  EXPECT_EQ(id_of(text), "taken");
}

TEST(RequestHead, ForgetsTheHeadBefore) {
  HttpHead head;
  ASSERT_TRUE(
      parse_request_head(as_bytes("POST / HTTP/1.0\r\nHost: a\r\nTransfer: x\r\nContent-Length: 4\r\n\r\n"), {}, head));
  ASSERT_TRUE(parse_request_head(as_bytes("GET /b HTTP/1.1\r\nHost: b\r\n\r\n"), {}, head));
  EXPECT_EQ(head.headers.size(), 1u);
  EXPECT_EQ(head.framing, Framing::kNone);
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_TRUE(head.keep_alive);
}

TEST(RequestHead, KnowsWhetherTheConnectionLasts) {
  const auto lasts = [](std::string_view version, std::string_view fields) {
    HttpHead head;
    const std::string text = "GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    EXPECT_TRUE(parse_request_head(as_bytes(text), {}, head));
    return head.keep_alive;
  };
  EXPECT_TRUE(lasts("1.1", ""));
  EXPECT_TRUE(lasts("1.1", "Connection: closed\r\n"));
  EXPECT_FALSE(lasts("1.1", "Connection: x, CLOSE ,y\r\n"));
  EXPECT_FALSE(lasts("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(lasts("1.0", ""));
  EXPECT_TRUE(lasts("1.0", "Connection: Keep-Alive\r\n"));
}

TEST(RequestHead, RefusesAmbiguousFraming) {
  EXPECT_EQ(request_id("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), "http.framing");
  EXPECT_EQ(request_id("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), "http.framing");
  EXPECT_EQ(request_id("Content-Length: 1\r\nContent-Length: 2\r\n"), "http.framing");
  EXPECT_EQ(request_id("Content-Length: 1\r\nContent-Length: 1\r\n"), "http.framing");
  for (const char* length : {"", "-1", "+1", "0x10", "1, 1", "1 1", "1_0", "9999999999999999999", "1;", "\t"}) {
    EXPECT_EQ(request_id("Content-Length: " + std::string(length) + "\r\n"), "http.framing") << length;
  }
  for (const char* coding : {"", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked",
                             "chunked;q=1", "identity", "\"chunked\"", "chunked,"}) {
    EXPECT_EQ(request_id("Transfer-Encoding: " + std::string(coding) + "\r\n"), "http.framing") << coding;
  }
  EXPECT_EQ(request_id("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "http.framing");
  EXPECT_EQ(id_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "http.framing");
  EXPECT_EQ(request_id("Transfer-Encoding: CHUNKED\r\n"), "taken");
  EXPECT_EQ(request_id("Content-Length: 000\r\n"), "taken");
}

TEST(RequestHead, RefusesWhatSmugglesAHeader) {
  EXPECT_EQ(request_id("Transfer-Encoding : chunked\r\n"), "http.header");
  EXPECT_EQ(request_id(" Transfer-Encoding: chunked\r\n"), "http.header");
  EXPECT_EQ(request_id("X: y\r\n folded\r\n"), "http.header");
  EXPECT_EQ(request_id("X: y\r\n\tContent-Length: 4\r\n"), "http.header");
  EXPECT_EQ(request_id("X\r\n"), "http.header");
  EXPECT_EQ(request_id(": y\r\n"), "http.header");
  EXPECT_EQ(request_id("X: a\nContent-Length: 4\r\n"), "http.header");
  EXPECT_EQ(request_id("X: a\rContent-Length: 4\r\n"), "http.header");
  EXPECT_EQ(request_id(std::string_view("X: a\0b\r\n", 8)), "http.header");
  EXPECT_EQ(request_id("X: \x7f\r\n"), "http.header");
  EXPECT_EQ(request_id("X(y): z\r\n"), "http.header");
  EXPECT_EQ(request_id("X\x80: z\r\n"), "http.header");
  EXPECT_EQ(request_id("\r\n"), "taken");  // the rest is a body that nobody announced
  EXPECT_EQ(request_id("X: \xc3\xa9\t z\r\n"), "taken");
}

TEST(RequestHead, RefusesBareLineFeeds) {
  EXPECT_EQ(id_of("GET / HTTP/1.1\n"), "http.header");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a\n\r\n"), "http.header");
  EXPECT_EQ(id_of("\n"), "http.header");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a\r\n\n"), "http.header");
}

TEST(RequestHead, RefusesOddRequestLines) {
  for (const char* line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET / a HTTP/1.1",
        "G(T / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/11", "GET / HTTP/1.1x", "GET /\t HTTP/1.1",
        "GET /\x80 HTTP/1.1", "GET\t/ HTTP/1.1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1"}) {
    EXPECT_EQ(id_of(std::string(line) + "\r\nHost: a\r\n\r\n"), "http.request_line") << line;
  }
}

TEST(RequestHead, RefusesOtherVersions) {
  for (const char* version : {"0.9", "1.2", "2.0", "3.0"}) {
    EXPECT_EQ(id_of("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n\r\n"), "http.version");
  }
}

TEST(RequestHead, RefusesOtherFormsOfTarget) {
  for (const char* target : {"*", "http://example/", "example:443", "v1", "?a"}) {
    EXPECT_EQ(id_of("OPTIONS " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n"), "http.target") << target;
  }
  EXPECT_EQ(id_of("CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n"), "http.target");
}

TEST(RequestHead, WantsExactlyOneHost) {
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\n\r\n"), "http.host");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), "http.host");
  EXPECT_EQ(id_of("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), "http.host");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "http.host");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), "http.host");
  EXPECT_EQ(id_of("GET / HTTP/1.0\r\n\r\n"), "taken");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n"), "taken");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "taken");
}

TEST(RequestHead, KeepsItsLimits) {
  const HttpLimits limits{.max_head = 200, .max_headers = 3, .max_target = 10};
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: " + std::string(200, 'a'), limits), "http.head_size");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: " + std::string(200, 'a') + "\r\n\r\n", limits), "http.head_size");
  EXPECT_EQ(id_of("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", limits), "http.header_count");
  EXPECT_EQ(id_of("GET /0123456789 HTTP/1.1\r\nHost: a\r\n\r\n", limits), "http.target_size");
  std::string exact = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  exact += std::string(200 - exact.size() - 4, 'x') + "\r\n\r\n";
  EXPECT_EQ(id_of(exact, limits), "taken");
  EXPECT_EQ(id_of(exact + "much more of a body", limits), "taken");
  exact.insert(exact.size() - 4, "x");
  EXPECT_EQ(id_of(exact, limits), "http.head_size");
}

TEST(ResponseHead, KnowsItsFraming) {
  const auto framing = [](std::string_view text, std::string_view method = "GET") {
    HttpHead head;
    const auto size = parse_response_head(as_bytes(text), {}, method, head);
    EXPECT_TRUE(size && *size) << text;
    return head.framing;
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), Framing::kLength);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Framing::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"), Framing::kChunked);
  EXPECT_EQ(framing("HTTP/1.0 200 \r\n\r\n"), Framing::kUntilClose);
  EXPECT_EQ(framing("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n"), Framing::kNone);
  EXPECT_EQ(framing("HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n"), Framing::kNone);
  EXPECT_EQ(framing("HTTP/1.1 100 Continue\r\n\r\n"), Framing::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD"), Framing::kNone);
}

TEST(ResponseHead, RefusesOddStatusLines) {
  for (const char* line :
       {"", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 099 No",
        "HTTP/1.1 600 No", "HTTP/1.1 200 \x01", "ICY 200 OK      ", "http/1.1 200 OK"}) {
    EXPECT_EQ(response_id(std::string(line) + "\r\n\r\n"), "http.status_line") << line;
  }
  EXPECT_EQ(response_id("HTTP/2.0 200 OK\r\n\r\n"), "http.version");
  EXPECT_EQ(response_id("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "http.framing");
  EXPECT_EQ(response_id("HTTP/1.1 200 OK\r\nBad header: 1\r\n\r\n"), "http.header");
  EXPECT_EQ(response_id("HTTP/1.1 200 OK\r\n"), "incomplete");
}

TEST(HopByHop, HoldsTheFixedNamesAndThoseOfConnection) {
  HttpHead head;
  ASSERT_TRUE(parse_request_head(
      as_bytes("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nConnection: ,Other\r\n\r\n"), {}, head));
  for (const char* name : {"Connection", "TE", "Trailer", "transfer-encoding", "Upgrade", "Keep-Alive",
                           "Proxy-Connection", "HTTP2-Settings", "x-mine", "OTHER", "close"}) {
    EXPECT_TRUE(is_hop_by_hop(head, name)) << name;
  }
  for (const char* name : {"Host", "Content-Type", "X-Min", "mine"}) EXPECT_FALSE(is_hop_by_hop(head, name)) << name;
}

}  // namespace
}  // namespace gateway::net
