#include "fetch/url.h"

#include <gtest/gtest.h>

namespace gateway::fetch {
namespace {

std::string refusal(std::string_view text) {
  const auto url = Url::parse(text);
  return url ? "accepted" : std::string(url.error().id());
}

TEST(Url, ReadsItsParts) {
  const Url url = Url::parse("https://api.example:8443/a/b?c=d&e").value();
  EXPECT_EQ(url.scheme, Url::Scheme::kHttps);
  EXPECT_EQ(url.host, "api.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?c=d&e");
  EXPECT_EQ(url.authority(), "api.example:8443");
  EXPECT_EQ(url.to_string(), "https://api.example:8443/a/b?c=d&e");
  EXPECT_EQ(url.address().to_string(), "tcp://api.example:8443");
}

TEST(Url, FillsInWhatIsLeftOut) {
  EXPECT_EQ(Url::parse("https://api.example")->to_string(), "https://api.example/");
  EXPECT_EQ(Url::parse("https://api.example?x")->target, "/?x");
  EXPECT_EQ(Url::parse("https://api.example:443/")->authority(), "api.example");
  EXPECT_EQ(Url::parse("https://[2001:db8::1]/")->authority(), "[2001:db8::1]");
  EXPECT_EQ(Url::parse("https://[2001:db8::1]:8081/")->port, 8081);
  EXPECT_EQ(Url::parse("http://localhost/")->port, 80);
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* text :
       {"", "api.example", "ftp://a.example/", "https://", "https:///path", "https://a.example:0/",
        "https://a.example:x/", "https://user@a.example/", "https://a.example/#part", "https://a.example/ x",
        "https://a.example/\n", "https://a.example/\xc3\xa9", "https://[::1/", "HTTPS://a.example/"}) {
    EXPECT_EQ(refusal(text), "collateral.fetch.url") << text;
  }
  EXPECT_EQ(refusal("https://a.example/" + std::string(kMaxUrl, 'x')), "collateral.fetch.url");
}

TEST(Url, RefusesHttpToAnotherMachine) {
  EXPECT_EQ(refusal("http://127.0.0.1:8081/x"), "accepted");
  EXPECT_EQ(refusal("http://localhost:8081/x"), "accepted");
  EXPECT_EQ(refusal("http://[::1]:8081/x"), "accepted");
  EXPECT_EQ(refusal("http://pccs.example/"), "collateral.fetch.insecure");
  EXPECT_EQ(refusal("http://localhost.example/"), "collateral.fetch.insecure");
  EXPECT_EQ(refusal("http://10.0.0.1/"), "collateral.fetch.insecure");
  EXPECT_EQ(refusal("http://127.example.org/"), "collateral.fetch.insecure");
}

TEST(Url, ResolvesLocations) {
  const Url base = Url::parse("https://a.example/one?two").value();
  EXPECT_EQ(base.resolve("/three")->to_string(), "https://a.example/three");
  EXPECT_EQ(base.resolve("https://b.example/x")->to_string(), "https://b.example/x");
  EXPECT_EQ(base.resolve("//b.example/x").error().id(), "collateral.fetch.url");
  EXPECT_EQ(base.resolve("three").error().id(), "collateral.fetch.url");
}

TEST(Url, JoinsBasesAndPaths) {
  EXPECT_EQ(join("https://a.example", "/x"), "https://a.example/x");
  EXPECT_EQ(join("https://a.example/base//", "/x"), "https://a.example/base/x");
}

TEST(Proxy, ReadsAddressesAndUsers) {
  EXPECT_EQ(Proxy::parse("http://proxy.example:3128/")->address.to_string(), "tcp://proxy.example:3128");
  EXPECT_EQ(Proxy::parse("proxy.example:3128")->address.port, 3128U);
  EXPECT_EQ(Proxy::parse("http://proxy.example")->address.port, 80U);
  EXPECT_EQ(Proxy::parse("http://proxy.example")->authorization, "");
  EXPECT_EQ(Proxy::parse("http://user:p%40ss@proxy.example:1")->authorization,
            "Basic " + to_base64(as_bytes("user:p@ss")));
  for (const char* text :
       {"", "https://proxy.example:1", "socks5://proxy.example:1", "http://a b:1", "http://u%4@p:1", "p:0"}) {
    EXPECT_EQ(Proxy::parse(text).error().id(), "collateral.fetch.proxy_url") << text;
  }
}

TEST(Proxy, ServesAllButTheExceptions) {
  Proxy proxy = Proxy::parse("p.example:1").value();
  EXPECT_TRUE(proxy.serves("a.example"));
  proxy.except = "localhost, .internal.example ,b.example,,";
  EXPECT_TRUE(proxy.serves("a.example"));
  EXPECT_FALSE(proxy.serves("localhost"));
  EXPECT_FALSE(proxy.serves("b.example"));
  EXPECT_FALSE(proxy.serves("x.b.example"));
  EXPECT_FALSE(proxy.serves("pccs.internal.example"));
  EXPECT_TRUE(proxy.serves("ab.example"));
  EXPECT_TRUE(proxy.serves("example"));
  proxy.except = "*";
  EXPECT_FALSE(proxy.serves("a.example"));
}

TEST(PercentDecoded, DecodesOrRefuses) {
  EXPECT_EQ(percent_decoded("a%20b%0A"), "a b\n");
  EXPECT_EQ(percent_decoded(""), "");
  EXPECT_EQ(percent_decoded("%"), std::nullopt);
  EXPECT_EQ(percent_decoded("%4"), std::nullopt);
  EXPECT_EQ(percent_decoded("%zz"), std::nullopt);
}

}  // namespace
}  // namespace gateway::fetch
