#include "image/description.h"

#include <functional>

#include "image/testing.h"

namespace gateway::image {
namespace {

Description sound() {
  Description out;
  out.name = "assistant";
  out.app_version = "1";
  out.workload.argv = {"/usr/bin/server", "--flag"};
  out.workload.env = {{"LC_ALL", "C.UTF-8"}};
  out.workload.readiness = Readiness{.path = "/health", .timeout = Duration(5000)};
  out.ingress.socket = "/run/gateway/app.sock";
  out.ingress.profile = IngressProfile::kLlama;
  out.ingress.paths = {"/v1/completions", "/v1/models/*"};
  out.slots.env = {"LANGUAGE"};
  out.llama = LlamaDescription{.max_tokens = 100};
  return out;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(Description, SurvivesARoundTripByteForByte) {
  const auto text = encode_description(sound());
  ASSERT_OK(text);
  const auto back = parse_description(*text);
  ASSERT_OK(back);
  EXPECT_EQ(*encode_description(*back), *text);
  EXPECT_EQ(back->workload.argv, sound().workload.argv);
  EXPECT_EQ(back->workload.readiness->timeout, Duration(5000));
  EXPECT_EQ(back->ingress.profile, IngressProfile::kLlama);
  EXPECT_EQ(back->llama->max_tokens, 100);
  EXPECT_EQ(text->back(), '\n');
}

TEST(Description, HasPaddingOrDoesNotSpeakOfIt) {
  EXPECT_EQ(encode_description(sound())->find("padding"), std::string::npos);
  Description padded = sound();
  padded.ingress.padding = 4096;
  const auto text = encode_description(padded);
  ASSERT_OK(text);
  EXPECT_EQ(parse_description(*text)->ingress.padding, 4096U);
  EXPECT_EQ(*encode_description(*parse_description(*text)), *text);
  for (const std::uint32_t bad : {1U, 63U, 100U, 32'768U}) {
    padded.ingress.padding = bad;
    EXPECT_FALSE(check(padded)) << bad;
  }
}

TEST(Description, IsReadStrictly) {
  const std::string text = *encode_description(sound());
  EXPECT_REFUSED(parse_description("[]"), "image.description.syntax");
  EXPECT_REFUSED(parse_description("{"), "image.description.syntax");
  EXPECT_REFUSED(parse_description(text + "x"), "image.description.syntax");
  EXPECT_REFUSED(parse_description(std::string(kMaxDescriptionBytes + 1, ' ')), "image.description.size");
  EXPECT_REFUSED(parse_description(replaced(text, "\"version\":1", "\"version\":2")), "image.description.version");
  EXPECT_REFUSED(parse_description(replaced(text, "\"cwd\":\"/\",", "")), "image.description.missing_key");
  EXPECT_REFUSED(parse_description(replaced(text, "\"cwd\":\"/\"", "\"cwd\":\"/\",\"surprise\":1")),
                 "image.description.unknown_key");
  EXPECT_REFUSED(parse_description(replaced(text, "{\"version\"", "{\"surprise\":1,\"version\"")),
                 "image.description.unknown_key");
  EXPECT_REFUSED(parse_description(replaced(text, "\"uid\":1000", "\"uid\":-1")), "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "\"uid\":1000", "\"uid\":4294967296")), "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "\"uid\":1000", "\"uid\":\"1000\"")), "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "on-failure", "sometimes")), "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "\"llama\",\"paths\"", "\"grpc\",\"paths\"")),
                 "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "[\"/usr/bin/server\",\"--flag\"]", "[1]")),
                 "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "{\"LC_ALL\":\"C.UTF-8\"}", "{\"LC_ALL\":1}")),
                 "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(text, "\"uid\":1000", "\"uid\":0")), "image.description.value");
}

KmsDescription& with_kms(Description& description) {
  description.egress.roots = "/etc/roots.pem";
  description.kms = KmsDescription{.region = "eu-central-1",
                                   .endpoint = "kms.eu-central-1.amazonaws.com:443",
                                   .keys = {"arn:aws:kms:eu-central-1:111122223333:key/1234abcd"},
                                   .context = {{"purpose", "model"}}};
  return *description.kms;
}

TEST(Description, KeepsWaysOutAndKms) {
  Description description = sound();
  with_kms(description);
  description.egress.allow = {"api.example.org:443"};
  description.egress.insecure_allow = {"10.0.0.0/8:5432", "udp://time.example.org:123"};
  description.egress.transparent = description.egress.tun = description.egress.runtime_tls = true;
  const auto text = encode_description(description);
  ASSERT_OK(text);
  const auto again = parse_description(*text);
  ASSERT_OK(again);
  EXPECT_EQ(again->egress.allow, description.egress.allow);
  EXPECT_EQ(again->egress.insecure_allow, description.egress.insecure_allow);
  EXPECT_TRUE(again->egress.transparent && again->egress.tun && again->egress.runtime_tls);
  EXPECT_EQ(again->egress.roots, "/etc/roots.pem");
  ASSERT_TRUE(again->kms);
  EXPECT_EQ(again->kms->keys, description.kms->keys);
  EXPECT_EQ(again->kms->context, description.kms->context);
  EXPECT_EQ(*encode_description(*again), *text);
  EXPECT_REFUSED(parse_description(replaced(*text, "\"runtime\"", "\"nobody\"")), "image.description.type");
  EXPECT_REFUSED(parse_description(replaced(*text, "\"transparent\":true", "\"transparent\":1")),
                 "image.description.type");
  // Images of before have neither: their bytes, and so their measurements, stay as they were.
  EXPECT_EQ(encode_description(sound())->find("kms"), std::string::npos);
  EXPECT_NE(encode_description(sound())->find(R"("egress":{"allow":[]},)"), std::string::npos);
}

struct Wrong {
  const char* name;
  const char* id;
  std::function<void(Description&)> edit;
};

TEST(Description, RefusesEveryValueOutOfRange) {
  const std::vector<Wrong> cases{
      {"no name", "image.description.value", [](Description& d) { d.name = ""; }},
      {"upper-case name", "image.description.value", [](Description& d) { d.name = "Assistant"; }},
      {"name with a slash", "image.description.value", [](Description& d) { d.name = "a/b"; }},
      {"long version", "image.description.value", [](Description& d) { d.app_version = std::string(65, '1'); }},
      {"no argv", "image.description.value", [](Description& d) { d.workload.argv.clear(); }},
      {"relative program", "image.description.value", [](Description& d) { d.workload.argv[0] = "server"; }},
      {"climbing program", "image.description.value", [](Description& d) { d.workload.argv[0] = "/usr/../server"; }},
      {"NUL in an argument", "image.description.value",
       [](Description& d) { d.workload.argv[1] = std::string("a\0b", 3); }},
      {"environment name", "image.description.value", [](Description& d) { d.workload.env["A=B"] = "x"; }},
      {"environment value", "image.description.value",
       [](Description& d) { d.workload.env["A"] = std::string("\0", 1); }},
      {"cwd", "image.description.value", [](Description& d) { d.workload.cwd = "tmp"; }},
      {"root", "image.description.value", [](Description& d) { d.workload.uid = 0; }},
      {"group root", "image.description.value", [](Description& d) { d.workload.gid = 0; }},
      {"readiness path", "image.description.value", [](Description& d) { d.workload.readiness->path = "/*"; }},
      {"readiness timeout", "image.description.value",
       [](Description& d) { d.workload.readiness->timeout = Duration(1); }},
      {"stop grace", "image.description.value", [](Description& d) { d.workload.stop_grace = Duration(-1); }},
      {"socket and port", "image.description.value", [](Description& d) { d.ingress.port = 8080; }},
      {"neither", "image.description.value", [](Description& d) { d.ingress.socket = ""; }},
      {"socket elsewhere", "image.description.value", [](Description& d) { d.ingress.socket = "/tmp/app.sock"; }},
      {"socket deeper", "image.description.value", [](Description& d) { d.ingress.socket = "/run/gateway/a/b"; }},
      {"hidden socket", "image.description.value", [](Description& d) { d.ingress.socket = "/run/gateway/..sock"; }},
      {"low port", "image.description.value",
       [](Description& d) {
         d.ingress.socket = "";
         d.ingress.port = 80;
       }},
      {"no paths", "image.description.value", [](Description& d) { d.ingress.paths.clear(); }},
      {"bad path", "image.description.value", [](Description& d) { d.ingress.paths = {"/a/../b"}; }},
      {"egress entry", "image.egress", [](Description& d) { d.egress.allow = {"example.org"}; }},
      {"egress range", "image.description.egress", [](Description& d) { d.egress.allow = {"10.0.0.0/8:443"}; }},
      {"egress UDP", "image.description.egress", [](Description& d) { d.egress.allow = {"udp://example.org:443"}; }},
      {"UDP without a device", "image.description.egress",
       [](Description& d) { d.egress.insecure_allow = {"udp://example.org:123"}; }},
      {"too many destinations", "image.description.egress",
       [](Description& d) { d.egress.allow.assign(257, "example.org:443"); }},
      {"transparent to nowhere", "image.description.egress", [](Description& d) { d.egress.transparent = true; }},
      {"device for TLS names", "image.description.egress",
       [](Description& d) {
         d.egress.allow = {"example.org:443"};
         d.egress.tun = true;
       }},
      {"runtime's TLS without roots", "image.description.egress",
       [](Description& d) {
         d.egress.allow = {"example.org:443"};
         d.egress.runtime_tls = true;
       }},
      {"relative roots", "image.description.value", [](Description& d) { d.egress.roots = "roots.pem"; }},
      {"KMS region", "image.description.kms", [](Description& d) { with_kms(d).region = "EU"; }},
      {"KMS endpoint", "image.description.kms", [](Description& d) { with_kms(d).endpoint = "10.0.0.1:443"; }},
      {"no KMS key", "image.description.kms", [](Description& d) { with_kms(d).keys.clear(); }},
      {"alias", "image.description.kms",
       [](Description& d) { with_kms(d).keys = {"arn:aws:kms:eu-central-1:111122223333:alias/model"}; }},
      {"key elsewhere", "image.description.kms",
       [](Description& d) { with_kms(d).keys = {"arn:aws:kms:us-east-1:111122223333:key/1"}; }},
      {"short account", "image.description.kms",
       [](Description& d) { with_kms(d).keys = {"arn:aws:kms:eu-central-1:1:key/1"}; }},
      {"no KMS context", "image.description.kms", [](Description& d) { with_kms(d).context.clear(); }},
      {"AWS's context", "image.description.kms", [](Description& d) { with_kms(d).context = {{"aws:x", "y"}}; }},
      {"KMS without roots", "image.description.kms",
       [](Description& d) {
         with_kms(d);
         d.egress.roots = "";
       }},
      {"slot name", "image.description.value", [](Description& d) { d.slots.env = {"1X"}; }},
      {"slot twice", "image.description.value", [](Description& d) { d.slots.env = {"X", "X"}; }},
      {"slot of the loader", "image.description.slot", [](Description& d) { d.slots.env = {"LD_PRELOAD"}; }},
      {"slot that is fixed", "image.description.slot", [](Description& d) { d.slots.env = {"LC_ALL"}; }},
      {"header limit", "image.description.value", [](Description& d) { d.limits.max_header = 10; }},
      {"in flight", "image.description.value", [](Description& d) { d.limits.max_in_flight = 0; }},
      {"connections", "image.description.value", [](Description& d) { d.limits.max_connections = 0; }},
      {"head timeout", "image.description.value", [](Description& d) { d.limits.head_timeout = Duration(0); }},
      {"memory", "image.description.value", [](Description& d) { d.resources.memory = 1024; }},
      {"cpus", "image.description.value", [](Description& d) { d.resources.cpus = 0; }},
      {"llama without its profile", "image.description.value",
       [](Description& d) { d.ingress.profile = IngressProfile::kHttp; }},
      {"profile without llama", "image.description.value", [](Description& d) { d.llama.reset(); }},
      {"no tokens", "image.description.value", [](Description& d) { d.llama->max_tokens = 0; }},
  };
  ASSERT_OK(check(sound()));
  for (const Wrong& wrong : cases) {
    SCOPED_TRACE(wrong.name);
    Description description = sound();
    wrong.edit(description);
    EXPECT_REFUSED(check(description), wrong.id);
    EXPECT_REFUSED(encode_description(description), wrong.id);
  }
}

TEST(Description, KnowsAPatternWhenItSeesOne) {
  for (const char* pattern : {"/", "/*", "/v1/*", "/v1/chat/completions", "/a-b_c~d.e"})
    EXPECT_TRUE(well_formed_pattern(pattern)) << pattern;
  for (const char* pattern :
       {"", "v1", "*", "/v1*", "/*/a", "/a//b", "/./a", "/a/..", "/a?b", "/a#b", "/a%2fb", "/a b", "/a/", "//*",
        "/.well-known/gateway", "/.well-known/gateway/*", "/.well-known/gateway/attestation"}) {
    EXPECT_FALSE(well_formed_pattern(pattern)) << pattern;
  }
}

TEST(Description, MatchesPathsBelowAWildcardAndNowhereElse) {
  const std::vector<std::string> patterns{"/v1/models", "/chat/*"};
  EXPECT_TRUE(path_allowed(patterns, "/v1/models"));
  EXPECT_TRUE(path_allowed(patterns, "/chat/a/b"));
  for (const char* path : {"/", "/v1", "/v1/models/", "/v1/models/x", "/chat", "/chat/", "/chatter", "/CHAT/a"}) {
    EXPECT_FALSE(path_allowed(patterns, path)) << path;
  }
  EXPECT_TRUE(path_allowed(std::vector<std::string>{"/*"}, "/anything"));
}

TEST(Description, NarrowsPatternsAndNeverWidensThem) {
  const std::vector<std::string> patterns{"/v1/models", "/chat/*"};
  for (const char* pattern : {"/v1/models", "/chat/*", "/chat/a", "/chat/a/*"})
    EXPECT_TRUE(pattern_within(patterns, pattern)) << pattern;
  for (const char* pattern : {"/*", "/v1/*", "/v1/models/*", "/chat", "/ch/*", "/v1"})
    EXPECT_FALSE(pattern_within(patterns, pattern)) << pattern;
}

}  // namespace
}  // namespace gateway::image
