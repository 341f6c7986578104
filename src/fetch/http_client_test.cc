#include "fetch/http_client.h"

#include <gtest/gtest.h>

#include <array>

#include "fetch/testing/fake_service.h"

namespace gateway::fetch {
namespace {

using testing::FakeProxy;
using testing::FakeService;
using testing::http_answer;

HttpClient client(HttpClientOptions options = {}, std::span<const crypto::Certificate> roots = {}) {
  return {channel::TlsContext::web_client(roots).value(), std::move(options)};
}

FakeService::Handler always(std::string answer) {
  return [answer = std::move(answer)](const std::string&) { return answer; };
}

Result<HttpResponse> get(const FakeService& service, const std::string& target = "/x", HttpClientOptions options = {}) {
  return client(std::move(options)).get(Url::parse(service.url() + target).value());
}
std::string refusal(const Result<HttpResponse>& response) {
  return response ? "accepted" : std::string(response.error().id());
}
std::string refusal(const std::string& answer, HttpClientOptions options = {}) {
  const FakeService service(always(answer));
  return refusal(get(service, "/x", std::move(options)));
}

TEST(HttpClient, GetsHeadersAndBody) {
  const FakeService service(always(http_answer(200, {{"X-Some", "thing"}}, "body")));
  const auto response = get(service, "/path?query=1");
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, to_bytes("body"));
  EXPECT_EQ(response->header("x-some"), "thing");
  EXPECT_EQ(response->header("x-other"), std::nullopt);
  ASSERT_EQ(service.requests().size(), 1U);
  const std::string request = service.requests()[0];
  EXPECT_TRUE(
      request.starts_with("GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(service.port()) + "\r\n"));
  EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_NE(request.find("\r\nAccept-Encoding: identity\r\n"), std::string::npos);
}

TEST(HttpClient, ReadsEveryFraming) {
  EXPECT_EQ(
      get(FakeService(always(http_answer(200, {{"Transfer-Encoding", "chunked"}}, "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"))))
          ->body,
      to_bytes("abc"));
  EXPECT_EQ(get(FakeService(always("HTTP/1.1 200 OK\r\n\r\nto the end")))->body, to_bytes("to the end"));
  EXPECT_EQ(get(FakeService(always(http_answer(200, {}, ""))))->body, Bytes());
  EXPECT_EQ(get(FakeService(always("HTTP/1.1 103 Early Hints\r\n\r\n" + http_answer(200, {}, "x"))))->body,
            to_bytes("x"));
  EXPECT_EQ(get(FakeService(always(http_answer(429, {}, "busy"))))->status, 429);
}

TEST(HttpClient, RefusesHalfABody) {
  EXPECT_EQ(refusal(http_answer(200, {{"Content-Length", "10"}}, "half")), "collateral.fetch.truncated");
  EXPECT_EQ(refusal(http_answer(200, {{"Transfer-Encoding", "chunked"}}, "5\r\nab")), "collateral.fetch.truncated");
  EXPECT_EQ(refusal("HTTP/1.1 200 OK\r\nContent-"), "collateral.fetch.truncated");
  EXPECT_EQ(refusal(""), "collateral.fetch.truncated");
}

TEST(HttpClient, RefusesMoreThanItsLimit) {
  const HttpClientOptions small{.max_body = 100};
  EXPECT_EQ(refusal(http_answer(200, {}, std::string(100, 'x')), small), "accepted");
  EXPECT_EQ(refusal(http_answer(200, {}, std::string(101, 'x')), small), "collateral.fetch.size");
  EXPECT_EQ(refusal(http_answer(200, {{"Content-Length", "101"}}, ""), small), "collateral.fetch.size");
  EXPECT_EQ(refusal("HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), small), "collateral.fetch.size");
  std::string chunks;
  for (int i = 0; i < 101; ++i) chunks += "1\r\nx\r\n";
  EXPECT_EQ(refusal(http_answer(200, {{"Transfer-Encoding", "chunked"}}, chunks), small), "collateral.fetch.size");
  EXPECT_EQ(refusal("HTTP/1.1 200 OK\r\nX: " + std::string(kMaxHead, 'x') + "\r\n\r\n"), "http.head_size");
}

TEST(HttpClient, RefusesAnswersThatAreNoHttpOrNeverCome) {
  EXPECT_EQ(refusal("220 smtp.example ready\r\n\r\n"), "http.status_line");
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(refusal(interim + http_answer(200, {}, "")), "collateral.fetch.interim");
}

TEST(HttpClient, RefusesCompressedAnswers) {
  EXPECT_EQ(refusal(http_answer(200, {{"Content-Encoding", "gzip"}}, "x")), "collateral.fetch.encoding");
  EXPECT_EQ(refusal(http_answer(200, {{"Content-Encoding", "Identity"}}, "x")), "accepted");
}

TEST(HttpClient, GivesUpInTime) {
  const FakeService service([](const std::string&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    return http_answer(200, {}, "late");
  });
  EXPECT_EQ(refusal(get(service, "/x", {.timeout = std::chrono::milliseconds(100)})), "collateral.fetch.timeout");
}

TEST(HttpClient, SaysWhenNobodyAnswers) {
  std::string url;
  {
    url = FakeService(always("")).url();
  }
  EXPECT_EQ(refusal(client().get(Url::parse(url).value())), "net.connect");
}

TEST(HttpClient, FollowsRedirectsWithinItsScheme) {
  const FakeService service([](const std::string& target) {
    if (target == "/x") return http_answer(302, {{"Location", "/y?z"}}, "");
    return http_answer(200, {}, target);
  });
  EXPECT_EQ(get(service)->body, to_bytes("/y?z"));
  const FakeService other(
      [&](const std::string&) { return http_answer(307, {{"Location", service.url() + "/far"}}, ""); });
  EXPECT_EQ(get(other)->body, to_bytes("/far"));
}

TEST(HttpClient, RefusesOtherRedirects) {
  const auto to = [](const std::string& location) { return refusal(http_answer(301, {{"Location", location}}, "")); };
  EXPECT_EQ(to("https://a.example/"), "collateral.fetch.redirect");
  EXPECT_EQ(to("http://a.example/"), "collateral.fetch.redirect");
  EXPECT_EQ(to("file:///etc/passwd"), "collateral.fetch.redirect");
  EXPECT_EQ(to("/x"), "collateral.fetch.redirect");  // again and again
  EXPECT_EQ(refusal(http_answer(301, {}, "")), "collateral.fetch.redirect");
  EXPECT_EQ(refusal(http_answer(304, {}, "")), "accepted");  // no redirect
}

struct SecureService {
  explicit SecureService(const std::string& answer = http_answer(200, {}, "secure"),
                         testing::Ending ending = testing::Ending::kInOrder)
      : root_key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        root(issue("root", root_key, true)),
        service(always(answer), channel::TlsContext::server(issue("localhost", key, false), key).value(), ending) {}
  crypto::Certificate issue(const std::string& name, const crypto::PrivateKey& subject, bool is_ca) const {
    const Time now = SystemClock().now();
    return crypto::issue_certificate({.subject_common_name = name,
                                      .issuer_common_name = "root",
                                      .subject_key = subject.public_key(),
                                      .validity = {now - std::chrono::hours(1), now + std::chrono::hours(1)},
                                      .is_ca = is_ca,
                                      .dns_names = {name}},
                                     root_key)
        .value();
  }
  std::array<crypto::Certificate, 1> roots() const { return {root}; }
  Result<HttpResponse> get(HttpClientOptions options = {}) const {
    return client(std::move(options), roots()).get(Url::parse(service.url() + "/x").value());
  }
  crypto::PrivateKey root_key, key;
  crypto::Certificate root;
  FakeService service;
};

TEST(HttpClient, GetsOverTls) {
  const SecureService secure;
  const auto response = secure.get();
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, to_bytes("secure"));
}

TEST(HttpClient, RefusesAStreamThatEndsWithoutSayingSo) {
  const std::string until_close = "HTTP/1.1 200 OK\r\n\r\nperhaps not all";
  EXPECT_EQ(refusal(SecureService(until_close).get()), "accepted");
  EXPECT_EQ(refusal(SecureService(until_close, testing::Ending::kAbrupt).get()), "collateral.fetch.truncated");
}

TEST(HttpClient, RefusesAServiceThatDoesNotProveItsName) {
  const SecureService secure;
  const std::string by_address = "https://127.0.0.1:" + std::to_string(secure.service.port()) + "/x";
  EXPECT_EQ(refusal(client({}, secure.roots()).get(Url::parse(by_address).value())), "tls.handshake");
  EXPECT_EQ(refusal(client().get(Url::parse(secure.service.url()).value())), "tls.handshake");
}

TEST(HttpClient, GoesThroughAProxy) {
  const SecureService secure;
  const FakeProxy proxy;
  const auto response = secure.get({.proxy = Proxy::parse(proxy.url()).value()});
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->body, to_bytes("secure"));
  ASSERT_EQ(proxy.requests().size(), 1U);
  const std::string request = proxy.requests()[0];
  const std::string target = "localhost:" + std::to_string(secure.service.port());
  EXPECT_TRUE(request.starts_with("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"));
  EXPECT_NE(request.find("\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"), std::string::npos);
}

TEST(HttpClient, NeverSendsThisMachinesOwnServicesThroughAProxy) {
  const FakeService service(always(http_answer(200, {}, "x")));
  const FakeProxy proxy;
  EXPECT_EQ(refusal(get(service, "/x", {.proxy = Proxy::parse(proxy.url()).value()})), "accepted");
  EXPECT_TRUE(proxy.requests().empty());
}

TEST(HttpClient, GoesAroundAProxyWhereItIsTold) {
  const SecureService secure;
  const FakeProxy proxy;
  HttpClientOptions options{.proxy = Proxy::parse(proxy.url()).value()};
  options.proxy->except = "localhost";
  EXPECT_EQ(refusal(secure.get(options)), "accepted");
  EXPECT_TRUE(proxy.requests().empty());
}

TEST(HttpClient, SaysWhenAProxyRefusesOrSpeaksOutOfTurn) {
  const SecureService secure;
  for (const char* answer : {"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nmore"}) {
    const FakeProxy proxy(answer);
    EXPECT_EQ(refusal(secure.get({.proxy = Proxy::parse(proxy.url()).value()})), "collateral.fetch.proxy");
  }
  const FakeProxy silent("HTTP/1.1 2");
  EXPECT_EQ(refusal(secure.get({.proxy = Proxy::parse(silent.url()).value()})), "collateral.fetch.truncated");
}

}  // namespace
}  // namespace gateway::fetch
