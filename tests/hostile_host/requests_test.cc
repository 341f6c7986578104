// HTTP as attackers write it: too large, too slow, of two minds about where it ends, and beside the path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "callers.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using harness::Ending;
using harness::HttpAnswer;
using harness::RawClient;
using ::testing::HasSubstr;
using ::testing::Not;

std::string authorization() { return "Authorization: Bearer " + good_token() + "\r\n"; }

// What the workload printed: a line for each request that reached it.
std::string workload_saw() {
  const auto client = RawClient::tls(enclave().listen);
  return client ? client->exchange(harness::get("/.well-known/gateway/logs", good_token())).body : "no answer";
}

// One refusal, after which the connection is over: whatever follows on it is never read as a request.
void expect_refused_request(const std::string& request, int status, const std::string& id) {
  const auto client = RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  // What a smuggler hopes to have served.
  client->send(request + harness::get("/echo?smuggled", good_token()));
  const HttpAnswer answer = client->next_answer("GET", Milliseconds(5'000));
  EXPECT_EQ(answer.status, status) << request.substr(0, 200) << "\n" << answer.body;
  EXPECT_EQ(answer.error_id(), id) << request.substr(0, 200);
  const auto rest = client->receive(Milliseconds(3'000));
  EXPECT_NE(rest.ending, Ending::kOpen) << request.substr(0, 200);
  EXPECT_EQ(rest.bytes, "") << request.substr(0, 200);
}

std::string head(const std::string& first_line, const std::string& lines) {
  return first_line + "\r\nHost: enclave\r\n" + authorization() + lines + "\r\n";
}

TEST(Requests, TwoMindsAboutTheEndAreRefused) {
  const std::string post = "POST /echo HTTP/1.1";
  attack("Content-Length together with Transfer-Encoding", "400 `http.framing`");
  expect_refused_request(head(post, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400,
                         "http.framing");
  expect_refused_request(head(post, "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") + "0\r\n\r\n", 400,
                         "http.framing");
  attack("Content-Length twice, or no number", "400 `http.framing`");
  expect_refused_request(head(post, "Content-Length: 1\r\nContent-Length: 2\r\n") + "ab", 400, "http.framing");
  expect_refused_request(head(post, "Content-Length: 1, 2\r\n") + "ab", 400, "http.framing");
  expect_refused_request(head(post, "Content-Length: +1\r\n") + "a", 400, "http.framing");
  expect_refused_request(head(post, "Content-Length: 0x1\r\n") + "a", 400, "http.framing");
  attack("transfer codings other than one chunked", "400 `http.framing`");
  expect_refused_request(head(post, "Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", 400, "http.framing");
  expect_refused_request(head(post, "Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n", 400, "http.framing");
  expect_refused_request(head(post, "Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 400, "http.framing");
  expect_refused_request(head(post, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n", 400,
                         "http.framing");
  EXPECT_THAT(workload_saw(), Not(HasSubstr("smuggled")));
}

TEST(Requests, HeadsThatTwoParsersReadDifferentlyAreRefused) {
  const std::string get = "GET /echo HTTP/1.1";
  attack("white space before a colon, folded lines, bare LF or CR, control bytes in a head", "400 `http.header`");
  expect_refused_request(head(get, "Transfer-Encoding : chunked\r\n"), 400, "http.header");
  expect_refused_request(head(get, "X: a\r\n folded\r\n"), 400, "http.header");
  expect_refused_request(head(get, "X: a\nContent-Length: 5\r\n"), 400, "http.header");
  expect_refused_request(head(get, "X: a\rContent-Length: 5\r\n"), 400, "http.header");
  expect_refused_request(head(get, std::string("X: a\0b\r\n", 8)), 400, "http.header");
  attack("two Hosts, or none", "400 `http.host`");
  expect_refused_request(head(get, "Host: other\r\n"), 400, "http.host");
  expect_refused_request(get + "\r\n" + authorization() + "\r\n", 400, "http.host");
  attack("a request line that is none", "400 `http.request_line`");
  expect_refused_request("GET  /echo HTTP/1.1\r\nHost: enclave\r\n\r\n", 400, "http.request_line");
  expect_refused_request("GET /echo\tx HTTP/1.1\r\nHost: enclave\r\n\r\n", 400, "http.request_line");
  attack("another version of HTTP, or its preface", "505 `http.version`, 400 `http.target`");
  expect_refused_request("GET /echo HTTP/2.0\r\nHost: enclave\r\n\r\n", 505, "http.version");
  expect_refused_request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "http.target");
  EXPECT_THAT(workload_saw(), Not(HasSubstr("smuggled")));
}

TEST(Requests, ChunksOutsideTheGrammarBreakTheConnection) {
  attack("chunk sizes that overflow, are signed, or do not match",
         "400 `http.chunk`, `http.chunk_size`, or a broken connection");
  const std::string chunked = head("POST /echo HTTP/1.1", "Transfer-Encoding: chunked\r\n");
  for (const char* body : {"ffffffffffffffffff\r\nx\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n", "1\r\nxx\r\n0\r\n\r\n",
                           "0x1\r\nx\r\n0\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n", "1\nx\r\n0\r\n\r\n"}) {
    const auto client = RawClient::tls(enclave().listen);
    ASSERT_NE(client, nullptr);
    client->send(chunked + body + harness::get("/echo?smuggled", good_token()));
    const HttpAnswer answer = client->next_answer();
    EXPECT_NE(answer.status, 200) << body;
    const auto rest = client->receive(Milliseconds(3'000));
    EXPECT_NE(rest.ending, Ending::kOpen) << body;
    EXPECT_THAT(rest.bytes, Not(HasSubstr("HTTP/1.1 200"))) << body;
  }
  EXPECT_THAT(workload_saw(), Not(HasSubstr("smuggled")));
}

TEST(Requests, OddPathsAreRefused) {
  attack("encoded slashes and dots, dot segments, double slashes, parameters, backslashes, NULs", "400 `http.target`");
  for (const char* path :
       {"/echo%2f..%2fprobe", "/%2e%2e/probe", "/echo/../probe", "/./echo", "/..", "//echo", "/echo//x", "/echo;x=1",
        "/echo\\..\\probe", "/echo%5cprobe", "/echo%00", "/echo%0d%0aX:y", "/echo%", "/echo%zz"}) {
    const auto client = RawClient::tls(enclave().listen);
    ASSERT_NE(client, nullptr);
    const HttpAnswer answer = client->exchange(harness::get(path, good_token()));
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(answer.error_id(), "http.target") << path;
  }
  attack("absolute-form, authority-form and asterisk-form targets", "400 `http.target`");
  expect_refused_request(head("GET http://enclave/echo HTTP/1.1", ""), 400, "http.target");
  expect_refused_request(head("GET * HTTP/1.1", ""), 400, "http.target");
  attack("a path that the image does not open", "404 `gate.path`");
  for (const char* path : {"/", "/admin", "/ECHO", "/echo/", "/echox", "/.well-known/gateway/attestation/x"}) {
    const auto client = RawClient::tls(enclave().listen);
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(client->exchange(harness::get(path, good_token())).error_id(), "gate.path") << path;
  }
}

TEST(Requests, OversizedHeadsAndBodiesAreRefused) {
  attack("a head beyond the image's limit", "431 `http.head_size`");
  expect_refused_request(head("GET /echo HTTP/1.1", "X: " + std::string(20'000, 'a') + "\r\n"), 431, "http.head_size");
  attack("more header lines than anybody needs", "431 `http.header_count`");
  std::string many;
  for (int i = 0; i < 200; ++i) many += "X" + std::to_string(i) + ": 1\r\n";
  expect_refused_request(head("GET /echo HTTP/1.1", many), 431, "http.header_count");
  attack("a target beyond the limit", "414 `http.target_size`");
  expect_refused_request(head("GET /echo?" + std::string(6'000, 'a') + " HTTP/1.1", ""), 414, "http.target_size");
  attack("a body beyond the image's limit, declared or in chunks", "413 `server.body_size`");
  const auto declared = RawClient::tls(enclave().listen);
  ASSERT_NE(declared, nullptr);
  const auto answer = declared->exchange(head("POST /echo HTTP/1.1", "Content-Length: 1000000000000\r\n"), "POST");
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.error_id(), "server.body_size");
  const auto chunks = RawClient::tls(enclave().listen);
  ASSERT_NE(chunks, nullptr);
  const std::string body = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  const auto chunked = chunks->exchange(
      head("POST /echo HTTP/1.1", "Transfer-Encoding: chunked\r\n") + body + body + body + body, "POST");
  EXPECT_NE(chunked.status, 200);
  EXPECT_THAT(workload_saw(), Not(HasSubstr("POST /echo 131072")));
}

TEST(Requests, SlowRequestsEndInBoundedTime) {
  attack("a head that drips in, byte after byte", "408 `server.head_timeout`");
  const auto slow_head = RawClient::tls(enclave().listen);
  ASSERT_NE(slow_head, nullptr);
  slow_head->send("GET /echo HTTP/1.1\r\nHost: enclave\r\nX: ");
  HttpAnswer answer;
  const auto start = std::chrono::steady_clock::now();
  while (answer.status == 0 && std::chrono::steady_clock::now() - start < Milliseconds(5'000)) {
    slow_head->send("a", Milliseconds(100));
    answer = slow_head->next_answer("GET", Milliseconds(100));
    if (answer.ending != Ending::kOpen) break;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, Milliseconds(3'000));
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.error_id(), "server.head_timeout");

  attack("a body that stops in the middle", "408 `server.body_timeout`");
  const auto slow_body = RawClient::tls(enclave().listen);
  ASSERT_NE(slow_body, nullptr);
  const auto stalled =
      slow_body->exchange(head("POST /echo HTTP/1.1", "Content-Length: 100\r\n") + "half", "POST", Milliseconds(6'000));
  EXPECT_EQ(stalled.status, 408) << stalled.body;
  EXPECT_EQ(stalled.error_id(), "server.body_timeout");
  EXPECT_LT(stalled.took, Milliseconds(4'000));

  attack("a workload that takes longer than the image allows", "504 `server.workload_timeout`");
  const auto client = RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  const auto late = client->exchange(harness::get("/slow?ms=8000", good_token()), "GET", Milliseconds(8'000));
  EXPECT_EQ(late.status, 504) << late.body;
  EXPECT_EQ(late.error_id(), "server.workload_timeout");
}

TEST(Requests, AFloodOfIdleConnectionsLeavesTheServiceStanding) {
  attack("hundreds of idle connections", "service goes on");
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(RawClient::tcp(enclave().listen));
  const auto client = RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(harness::get("/echo", good_token())).status, 200);
}

TEST(Requests, HeadersOfTheConnectionAndTokensNeverReachTheWorkload) {
  attack("hop-by-hop headers and tokens meant for the workload", "left out");
  const auto client = RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  const auto answer = client->exchange(harness::get(
      "/headers", good_token(),
      "Connection: keep-alive, X-Hidden\r\nX-Hidden: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Shown: 1\r\n"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("X-Shown: 1"));
  for (const char* hidden : {"Authorization", "X-Hidden", "TE:", "Upgrade", good_token().c_str()}) {
    EXPECT_THAT(answer.body, Not(HasSubstr(hidden)));
  }
}

// The local port of `gateway connect`: any program of this machine may use it, no web page may.
TEST(Requests, TheLocalPortServesNoWebPages) {
  const Connection connection(enclave().listen);
  const auto ask = [&](const std::string& host, const std::string& lines) {
    const auto client = RawClient::tcp(connection.local());
    return client ? client->exchange("GET /echo HTTP/1.1\r\nHost: " + host + "\r\n" + authorization() + lines + "\r\n")
                  : HttpAnswer{};
  };
  EXPECT_EQ(ask(connection.local(), "").status, 200);
  attack("a web page that resolves its own name to the local port (DNS rebinding)", "403 `client.local.host`");
  EXPECT_EQ(ask("evil.example", "").error_id(), "client.local.host");
  attack("a web page that sends requests across origins to the local port", "403 `client.local.origin`");
  EXPECT_EQ(ask(connection.local(), "Origin: https://evil.example\r\n").error_id(), "client.local.origin");
}

}  // namespace
}  // namespace gateway::hostile_suite
