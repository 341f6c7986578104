#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "channel/tls.h"

namespace gateway::channel {
namespace {

// The certificates are judged by this machine's clock: OpenSSL knows no other.
const Time kNow = SystemClock().now();

TimeWindow hours(int from, int to) { return {kNow + std::chrono::hours(from), kNow + std::chrono::hours(to)}; }

struct Service {
  explicit Service(const std::string& name, TimeWindow validity = hours(-1, 1))
      : root_key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        root(issue("root", root_key, hours(-9, 9), true)),
        certificate(issue(name, key, validity, false)) {}

  crypto::Certificate issue(const std::string& name, const crypto::PrivateKey& subject, TimeWindow validity,
                            bool is_ca) const {
    return crypto::issue_certificate({.subject_common_name = name,
                                      .issuer_common_name = "root",
                                      .subject_key = subject.public_key(),
                                      .validity = validity,
                                      .is_ca = is_ca,
                                      .dns_names = {name}},
                                     root_key)
        .value();
  }
  crypto::PrivateKey root_key, key;
  crypto::Certificate root, certificate;
};

std::string shake_hands(const Service& service, const TlsContext& client_context, std::string_view name) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  const TlsContext server_context = TlsContext::server(service.certificate, service.key).value();
  auto server = TlsStream::accept(server_context, net::Descriptor(ends[0]));
  auto client = TlsStream::connect(client_context, net::Descriptor(ends[1]), name);
  if (!client) return std::string(client.error().id());
  for (int i = 0; i < 10; ++i) {
    const auto ours = client->handshake();
    if (!ours) return ours.error().message();
    (void)server->handshake();
    if (*ours == Progress::kDone) return "done";
  }
  return "the handshake does not end";
}

TEST(WebTls, TakesAServerThatProvesItsNameUnderATrustedRoot) {
  const Service service("service.example");
  const std::array roots{service.root};
  EXPECT_EQ(shake_hands(service, TlsContext::web_client(roots).value(), "service.example"), "done");
}

TEST(WebTls, RefusesAnotherName) {
  const Service service("service.example");
  const std::array roots{service.root};
  const TlsContext client = TlsContext::web_client(roots).value();
  EXPECT_NE(shake_hands(service, client, "other.example").find("tls.handshake"), std::string::npos);
  EXPECT_NE(shake_hands(service, client, "127.0.0.1").find("tls.handshake"), std::string::npos);
  EXPECT_EQ(shake_hands(service, client, ""), "tls.setup");  // no name, nothing to prove
}

TEST(WebTls, RefusesARootThatIsNotTrusted) {
  const Service service("service.example");
  EXPECT_NE(shake_hands(service, TlsContext::web_client().value(), "service.example").find("tls.handshake"),
            std::string::npos);
}

TEST(WebTls, RefusesAnExpiredCertificate) {
  const Service service("service.example", hours(-2, -1));
  const std::array roots{service.root};
  const std::string refusal = shake_hands(service, TlsContext::web_client(roots).value(), "service.example");
  EXPECT_NE(refusal.find("tls.handshake"), std::string::npos);
  EXPECT_NE(refusal.find("expired"), std::string::npos);
}

class StandingClock final : public Clock {
 public:
  explicit StandingClock(Time at) : at_(at) {}
  Time now() const override { return at_; }

 private:
  Time at_;
};

TEST(ServiceTls, BelievesTheRootsThatItWasGivenAlone) {
  const Service service("service.example");
  const Service other("service.example");
  const StandingClock clock(kNow);
  const std::array roots{service.root};
  const TlsContext client = TlsContext::service_client(roots, clock).value();
  EXPECT_EQ(shake_hands(service, client, "service.example"), "done");
  EXPECT_NE(shake_hands(other, client, "service.example").find("tls.handshake"), std::string::npos);
  EXPECT_NE(shake_hands(service, client, "other.example").find("tls.handshake"), std::string::npos);
}

// The machine's clock is the host's: a host that turns it back must not make an old certificate good, nor the other
// way.
TEST(ServiceTls, JudgesByItsClockAndNotByTheMachines) {
  const Service expired("service.example", hours(-8, -4));
  const std::array roots{expired.root};
  const StandingClock then(kNow - std::chrono::hours(6));
  EXPECT_EQ(shake_hands(expired, TlsContext::service_client(roots, then).value(), "service.example"), "done");
  const Service valid("service.example");
  const std::array other_roots{valid.root};
  const StandingClock later(kNow + std::chrono::hours(5));
  EXPECT_NE(shake_hands(valid, TlsContext::service_client(other_roots, later).value(), "service.example")
                .find("tls.handshake"),
            std::string::npos);
}

}  // namespace
}  // namespace gateway::channel
