#include <gtest/gtest.h>

#include "net/http.h"

namespace gateway::net {
namespace {

std::string path_of(std::string_view target) {
  const auto parts = normalise_target(target);
  return parts ? parts->path : std::string(parts.error().id());
}

TEST(Target, IsNormalisedOnce) {
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("/v1/completions"), "/v1/completions");
  EXPECT_EQ(path_of("/v1/"), "/v1/");
  EXPECT_EQ(path_of("/%76%31/%63ompletions"), "/v1/completions");
  EXPECT_EQ(path_of("/a%20b"), "/a%20b");
  EXPECT_EQ(path_of("/a%2525"), "/a%2525");
  EXPECT_EQ(path_of("/a:b@c!$&'()*+,="), "/a:b@c!$&'()*+,=");
  EXPECT_EQ(path_of("/.well-known/gateway/attestation?nonce=00"), "/.well-known/gateway/attestation");
  EXPECT_EQ(path_of("/..a/a.."), "/..a/a..");
}

TEST(Target, RefusesWhatTwoParsersReadDifferently) {
  for (const char* target :
       {"",        "v1",        "/a//b",  "//",     "//a",    "/./a",  "/a/.",   "/../a", "/a/..",
        "/a/../b", "/%2e%2e/a", "/a/%2E", "/a%2Fb", "/a%2fb", "/a\\b", "/a%5Cb", "/a%00", "/a%0d%0a",
        "/a%7f",   "/a;b",      "/a%3bb", "/..;/a", "/a%",    "/a%4",  "/a%zz",  "/a b",  "/a\"b",
        "/a<b",    "/a^b",      "/a`b",   "/a{b}",  "/a|b",   "/a#b",  "/\x80",  "/a[b]"}) {
    EXPECT_EQ(path_of(target), "http.target") << target;
  }
  EXPECT_EQ(path_of(std::string_view("/a\0b", 4)), "http.target");
}

TEST(Target, KeepsTheQueryApart) {
  const std::string_view target = "/a?b=c&d=%20?/";
  const auto parts = normalise_target(target);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->query, "b=c&d=%20?/");
  EXPECT_EQ(normalise_target("/a?")->query, "");
  for (const char* query : {"/a?%", "/a?%zz", "/a?a b", "/a?a#b", "/a?\x80", "/a?\"", "/a?{"})
    EXPECT_EQ(path_of(query), "http.target") << query;
}

TEST(Query, HasEachParameterOnce) {
  const auto value = [](std::string_view query) -> std::string {
    const auto found = query_value(query, "nonce");
    if (!found) return std::string(found.error().id());
    return *found ? std::string(**found) : "absent";
  };
  EXPECT_EQ(value(""), "absent");
  EXPECT_EQ(value("a=b&nonces=1&xnonce=2"), "absent");
  EXPECT_EQ(value("nonce=00"), "00");
  EXPECT_EQ(value("a&nonce=00&b=c"), "00");
  EXPECT_EQ(value("nonce=a=b"), "a=b");
  EXPECT_EQ(value("nonce"), "");
  EXPECT_EQ(value("nonce=1&nonce=1"), "http.query");
  EXPECT_EQ(value("nonce&a&nonce=1"), "http.query");
}

}  // namespace
}  // namespace gateway::net
