// The ways out of a real enclave under a real daemon: proxy, transparent TCP, network device, name server. What is on
// the image's list is reached, what is not is not, by any of them; and a host that narrows or lies gets no further.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include "egress/dns.h"
#include "egress/hello_for_test.h"
#include "harness/json_pointer.h"
#include "harness/raw_client.h"
#include "harness/services.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kProxy = "address=127.0.0.1&port=3128";

class EgressE2e : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string lacking = what_local_lacks(); !lacking.empty()) {
      GTEST_SKIP() << "SKIPPED: platform local cannot run here: " << lacking;
    }
    if (own_.empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but loopback's";
    names_.set("api.example.org", own_);
    names_.set("db.example.org", own_);
    names_.set("metadata.example.org", "169.254.169.254");
    names_.set("loop.example.org", "127.0.0.1");
  }
  void start_daemon(const std::string& more = {}) {
    site_.start_daemon("[egress]\nresolver = \"" + names_.endpoint() + "\"\n" + more);
  }
  std::string service() const { return own_ + ":" + std::to_string(service_.port()); }
  std::string port() const { return std::to_string(service_.port()); }
  Enclave run(const std::string& egress) {
    const std::string image = site_.build_echo({.name = "out", .more = "[egress]\n" + egress});
    return site_.run_enclave(image, "out");
  }
  // What the workload was told when it tried.
  std::string reach(const Enclave& enclave, const std::string& kind, const std::string& where,
                    const std::string& bytes = {}, const std::string& idle = "3000") const {
    const auto client = RawClient::tls(enclave.listen);
    if (!client) return "no connection to the enclave";
    const HttpAnswer answer = client->exchange(post("/" + kind + "?" + where + "&idle=" + idle, bytes, enclave.token),
                                               "POST", Milliseconds(30'000));
    return answer.status == 200 ? answer.body : "status " + std::to_string(answer.status) + " " + answer.body;
  }
  std::string by_proxy(const Enclave& enclave, const std::string& authority, const std::string& then) const {
    return reach(enclave, "tcp", kProxy, "CONNECT " + authority + " HTTP/1.1\r\n\r\n" + then);
  }
  std::string resolve(const Enclave& enclave, const std::string& name) const {
    const Bytes query = egress::encode_dns_query(9, name, egress::kDnsA);
    const std::string got = reach(enclave, "udp", "address=127.0.0.1&port=53", std::string(as_text(query)));
    if (!got.starts_with("ok:")) return got;
    const auto answer = egress::parse_dns_answer(as_bytes(std::string_view(got).substr(3)), 9, name, egress::kDnsA);
    if (!answer) return answer.error().message();
    std::string out = std::to_string(answer->code);
    for (const auto& each : answer->addresses) out += " " + each.address.to_string();
    return out;
  }
  std::string logs(const Enclave& enclave) const {
    const auto client = RawClient::tls(enclave.listen);
    return client->exchange(get("/.well-known/gateway/logs", enclave.token)).body;
  }

  const std::string own_ = own_address();
  NameServer names_;
  TcpService service_{own_.empty() ? "127.0.0.1" : own_, answer_after("now", "served")};
  Site site_;
};

TEST_F(EgressE2e, AnImageWithoutAListReachesNothing) {
  start_daemon();
  const Enclave enclave = site_.run_enclave(site_.build_echo({}), "closed");
  EXPECT_THAT(reach(enclave, "tcp", "address=" + own_ + "&port=" + port(), "now"), StartsWith("connect: ENETUNREACH"));
  EXPECT_THAT(reach(enclave, "tcp", kProxy, "CONNECT " + service() + " HTTP/1.1\r\n\r\nnow"),
              StartsWith("connect: ECONNREFUSED"));
  EXPECT_EQ(service_.connections(), 0U);
  EXPECT_TRUE(names_.asked().empty());
}

TEST_F(EgressE2e, TheProxyReachesWhatIsListedAndNothingElse) {
  start_daemon();
  const Enclave enclave =
      run("insecure_allow = [\"db.example.org:" + port() + "\"]\nallow = [\"api.example.org:" + port() + "\"]\n");
  EXPECT_EQ(by_proxy(enclave, "db.example.org:" + port(), "now"),
            "ok:HTTP/1.1 200 Connection established\r\n\r\nserved");
  const std::string hello(as_text(egress::client_hello("api.example.org")));
  EXPECT_THAT(by_proxy(enclave, "api.example.org:" + port(), hello + "now"), HasSubstr("served"));
  const std::string other(as_text(egress::client_hello("evil.test")));
  EXPECT_THAT(by_proxy(enclave, "api.example.org:" + port(), other + "now"), Not(HasSubstr("served")));
  EXPECT_THAT(by_proxy(enclave, "api.example.org:" + port(), "plain now"), Not(HasSubstr("served")));
  EXPECT_THAT(by_proxy(enclave, service(), "now"), HasSubstr("403 Forbidden"));
  EXPECT_THAT(by_proxy(enclave, "evil.test:" + port(), "now"), HasSubstr("403 Forbidden"));
  EXPECT_THAT(reach(enclave, "tcp", "address=" + own_ + "&port=" + port(), "now"), StartsWith("connect: ENETUNREACH"));
  EXPECT_THAT(logs(enclave), HasSubstr("egress.refused evil.test:" + port()));
  EXPECT_THAT(site_.gateway({"logs", "out", "--events"}).both(), Not(HasSubstr("evil.test")))
      << "the host learns that something was refused, never what";
  EXPECT_EQ(
      reach(enclave, "tcp", "address=127.0.0.1&port=3128",
            std::string("\x05\x01\x00\x05\x01\x00\x03\x0e", 8) + "db.example.org" +
                std::string{static_cast<char>(service_.port() >> 8U), static_cast<char>(service_.port() & 0xffU)} +
                "now"),
      "ok:" + std::string("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12) + "served");
}

TEST_F(EgressE2e, ANameServerThatLiesLeadsNowhere) {
  start_daemon();
  const Enclave enclave = run("insecure_allow = [\"*.example.org:" + port() + "\", \"169.0.0.0/8:" + port() + "\"]\n");
  EXPECT_EQ(resolve(enclave, "db.example.org"), "0 " + own_);
  EXPECT_EQ(resolve(enclave, "metadata.example.org"), "2");
  EXPECT_EQ(resolve(enclave, "loop.example.org"), "2");
  EXPECT_EQ(resolve(enclave, "secret.evil.test"), "3");
  EXPECT_THAT(by_proxy(enclave, "metadata.example.org:" + port(), "now"), HasSubstr("egress.address_special"));
  EXPECT_THAT(by_proxy(enclave, "169.254.169.254:" + port(), "now"), HasSubstr("403"));
  EXPECT_THAT(names_.asked(), Not(testing::Contains("secret.evil.test"))) << "not even the question left the enclave";
}

TEST_F(EgressE2e, TransparentTcpIsHeldAgainstNamesAndRanges) {
  start_daemon();
  const Enclave enclave = run("transparent = true\nallow = [\"api.example.org:" + port() + "\"]\n");
  const std::string there = "address=" + own_ + "&port=" + port();
  const std::string hello(as_text(egress::client_hello("api.example.org")));
  EXPECT_THAT(reach(enclave, "tcp", there, hello + "now"), Not(HasSubstr("served"))) << "no name led there yet";
  EXPECT_EQ(service_.connections(), 0U);
  EXPECT_EQ(resolve(enclave, "api.example.org"), "0 " + own_);
  EXPECT_EQ(reach(enclave, "tcp", there, hello + "now"), "ok:served")
      << logs(enclave) << site_.gateway({"logs", "out", "--events"}).both();
  EXPECT_THAT(reach(enclave, "tcp", there, "now"), Not(HasSubstr("served"))) << "no TLS";
  const std::string other(as_text(egress::client_hello("evil.test")));
  EXPECT_THAT(reach(enclave, "tcp", there, other + "now"), Not(HasSubstr("served"))) << "TLS to somebody else";
  EXPECT_THAT(reach(enclave, "tcp", "address=" + own_ + "&port=1", "now"), Not(HasSubstr("served")));
  EXPECT_THAT(reach(enclave, "tcp", "address=169.254.169.254&port=80", "now"), Not(HasSubstr("served")));
  EXPECT_EQ(service_.connections(), 1U);
  // A name server elsewhere is this one all the same.
  const Bytes query = egress::encode_dns_query(9, "api.example.org", egress::kDnsA);
  EXPECT_THAT(reach(enclave, "udp", "address=192.0.2.53&port=53", std::string(as_text(query))), StartsWith("ok:"));
  EXPECT_THAT(reach(enclave, "udp", "address=" + own_ + "&port=" + port(), "x", "300"), HasSubstr("<open>"));
}

TEST_F(EgressE2e, AHostCanOnlyNarrow) {
  start_daemon("allow = [\"db.example.org:" + port() + "\"]\n");
  const Enclave enclave = run("insecure_allow = [\"*.example.org:" + port() + "\"]\n");
  EXPECT_THAT(by_proxy(enclave, "db.example.org:" + port(), "now"), HasSubstr("served"));
  EXPECT_THAT(by_proxy(enclave, "api.example.org:" + port(), "now"), HasSubstr("egress.host_refused"));
  EXPECT_THAT(by_proxy(enclave, "evil.test:" + port(), "now"), HasSubstr("egress.refused"))
      << "nor does its list widen";
}

TEST_F(EgressE2e, AHostThatOffersNoWayOutCostsTimeAlone) {
  start_daemon("offered = false\n");
  const Enclave enclave = run("insecure_allow = [\"db.example.org:" + port() + "\"]\n");
  EXPECT_THAT(reach(enclave, "tcp", kProxy, "CONNECT db.example.org:" + port() + " HTTP/1.1\r\n\r\nnow", "20000"),
              HasSubstr("504 Gateway Timeout"));
}

class TunE2e : public EgressE2e {
 protected:
  void SetUp() override {
    EgressE2e::SetUp();
    if (testing::Test::IsSkipped()) return;
    // As udev leaves it everywhere; a machine without udev has it for root alone.
    if (::geteuid() == 0) ::chmod("/dev/net/tun", 0666);
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "SKIPPED: there is no /dev/net/tun here";
    if (::access("/usr/bin/passt", X_OK) != 0) GTEST_SKIP() << "SKIPPED: passt is not installed";
  }
  UdpService datagrams_{own_.empty() ? "127.0.0.1" : own_, [](const std::string& text) { return "answer to " + text; }};
  UdpService others_{own_.empty() ? "127.0.0.1" : own_, [](const std::string&) { return std::string("leaked"); }};
};

TEST_F(TunE2e, DatagramsReachWhatIsListedAndNothingElse) {
  start_daemon("packets = true\n");
  const Enclave enclave = run("tun = true\ninsecure_allow = [\"udp://" + own_ + ":" +
                              std::to_string(datagrams_.port()) + "\", \"" + own_ + ":" + port() + "\"]\n");
  const auto udp = [&](std::uint16_t to, const std::string& idle) {
    return reach(enclave, "udp", "address=" + own_ + "&port=" + std::to_string(to), "x", idle);
  };
  // The first packets may be lost while the stack comes up, as on any network.
  std::string got;
  for (int i = 0; i < 20 && got != "ok:answer to x"; ++i) got = udp(datagrams_.port(), "500");
  EXPECT_EQ(got, "ok:answer to x");
  EXPECT_EQ(udp(others_.port(), "500"), "ok:<open>");
  EXPECT_EQ(others_.datagrams(), 0U);
  EXPECT_EQ(reach(enclave, "tcp", "address=" + own_ + "&port=" + port(), "now"), "ok:served");
  EXPECT_THAT(logs(enclave), HasSubstr("egress.refused " + own_ + ":" + std::to_string(others_.port())));
}

TEST_F(TunE2e, AHostWithoutAStackLosesPackets) {
  start_daemon();
  const Enclave enclave =
      run("tun = true\ninsecure_allow = [\"udp://" + own_ + ":" + std::to_string(datagrams_.port()) + "\"]\n");
  EXPECT_EQ(reach(enclave, "udp", "address=" + own_ + "&port=" + std::to_string(datagrams_.port()), "x", "500"),
            "ok:<open>");
  EXPECT_EQ(datagrams_.datagrams(), 0U);
}

}  // namespace
}  // namespace gateway::harness
