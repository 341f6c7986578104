// The host's side of an enclave's ways out: what it does for an enclave, and what it does not, whatever is asked.
#include "host/egress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <future>
#include <thread>

#include "harness/services.h"
#include "host/packet_stack.h"
#include "net/address.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class HostEgress : public testing::Test {
 protected:
  void SetUp() override {
    if (own_.empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but loopback's";
  }
  void TearDown() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    egress_.reset();
    for (const std::string& each : files_) ::unlink(each.c_str());
  }
  void start(EgressConfig config, const EgressLimits& limits = {}) {
    if (config.resolver.empty()) config.resolver = names_.endpoint();
    egress_ = std::move(Egress::make(loop_, std::move(config), [this] { return link(); }, limits).value());
    thread_ = std::thread([this] { loop_.run(); });
  }
  Result<net::Descriptor> link() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    enclave_ = net::Descriptor(ends[1]);
    return net::Descriptor(ends[0]);
  }
  // The enclave's end of one way.
  net::Descriptor way() {
    std::promise<net::Descriptor> promise;
    loop_.post([&] {
      egress_->dial(1);
      promise.set_value(std::move(enclave_));
    });
    return promise.get_future().get();
  }
  static std::string read(int socket, int patience_ms = 3'000) {
    std::string out;
    char chunk[4096];
    for (pollfd one{socket, POLLIN, 0}; ::poll(&one, 1, patience_ms) == 1;) {
      const ssize_t got = ::recv(socket, chunk, sizeof chunk, 0);
      if (got <= 0) return out;
      out.append(chunk, static_cast<std::size_t>(got));
    }
    return out + "<open>";
  }
  std::string ask(net::EgressKind kind, ByteView body, std::string_view then = {}, int patience_ms = 3'000) {
    const net::Descriptor socket = way();
    const Bytes request = net::encode_egress(static_cast<std::uint8_t>(kind), body);
    ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    ::send(socket.get(), then.data(), then.size(), MSG_NOSIGNAL);
    return read(socket.get(), patience_ms);
  }
  static std::string answer(net::EgressStatus status, std::string_view body = {}) {
    return std::string(as_text(net::encode_egress(static_cast<std::uint8_t>(status), as_bytes(body))));
  }
  Bytes target(std::uint16_t port, const std::string& name = {}, std::string address = {}) const {
    if (address.empty()) address = own_;
    return net::encode_target({name, {*net::IpAddress::parse(address), port}});
  }
  std::string file(const std::string& text) {
    std::string name = "/tmp/gateway-credentials-XXXXXX";
    ::close(::mkstemp(name.data()));
    std::ofstream(name) << text;
    files_.push_back(name);
    return name;
  }

  const std::string own_ = harness::own_address();
  harness::NameServer names_;
  harness::TcpService service_{own_.empty() ? "127.0.0.1" : own_, harness::answer_after("now", "served")};
  net::Loop loop_;
  net::Descriptor enclave_;
  std::unique_ptr<Egress> egress_;
  std::thread thread_;
  std::vector<std::string> files_;
};

TEST_F(HostEgress, ConnectsWhereItIsTold) {
  start({});
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(service_.port()), "now"), answer(net::EgressStatus::kOk) + "served");
}

TEST_F(HostEgress, NarrowsByNameAndRange) {
  const std::string port = std::to_string(service_.port());
  EgressConfig config;
  config.allow = {"db.example.org:" + port, "198.51.100.0/24:80"};
  start(config);
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(service_.port(), "db.example.org"), "now"),
            answer(net::EgressStatus::kOk) + "served");
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(service_.port(), "api.example.org")),
            answer(net::EgressStatus::kRefused));
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(service_.port())), answer(net::EgressStatus::kRefused));
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(81, {}, "198.51.100.1")), answer(net::EgressStatus::kRefused));
}

// An enclave is no reason to reach what is this host's own.
TEST_F(HostEgress, NeverReachesThisHostsOwn) {
  start({});
  const harness::TcpService mine("127.0.0.1", harness::answer_after("now", "mine"));
  for (const char* address : {"127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(ask(net::EgressKind::kConnect, target(mine.port(), "innocent.example.org", address), "now"),
              answer(net::EgressStatus::kRefused))
        << address;
  }
  EXPECT_EQ(mine.connections(), 0U);
}

TEST_F(HostEgress, SaysWhatIsNotThere) {
  start({}, {.max_connections = 8, .patience = milliseconds(500)});
  EXPECT_EQ(ask(net::EgressKind::kConnect, target(1)), answer(net::EgressStatus::kUnreachable));
  EXPECT_EQ(ask(net::EgressKind::kPackets, {}), answer(net::EgressStatus::kNotOffered));
  EXPECT_EQ(ask(net::EgressKind::kCredentials, {}), answer(net::EgressStatus::kNotOffered));
  EXPECT_EQ(ask(static_cast<net::EgressKind>(77), {}), answer(net::EgressStatus::kNotOffered));
  EXPECT_EQ(ask(net::EgressKind::kConnect, as_bytes("nonsense")), "") << "closed without a word";
  const net::Descriptor silent = way();
  EXPECT_EQ(read(silent.get()), "") << "who asks for nothing is closed";
}

TEST_F(HostEgress, BoundsWhatAnEnclaveMayHaveOpen) {
  start({}, {.max_connections = 2, .patience = milliseconds(5'000)});
  const net::Descriptor one = way();
  const net::Descriptor two = way();
  EXPECT_TRUE(one.valid() && two.valid());
  EXPECT_FALSE(way().valid()) << "a third is not dialled";
}

TEST_F(HostEgress, OffersNothingWhereItIsToldNotTo) {
  EgressConfig config;
  config.offered = false;
  start(config);
  EXPECT_FALSE(way().valid());
}

TEST_F(HostEgress, HandsOnCredentialsOfAFile) {
  EgressConfig config;
  config.aws_credentials = file(
      R"({"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"})");
  start(config);
  EXPECT_EQ(ask(net::EgressKind::kCredentials, {}),
            answer(net::EgressStatus::kOk,
                   R"({"AccessKeyId":"AKID","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"})"));
}

TEST_F(HostEgress, ReadsNoCredentialsFromNonsense) {
  for (const char* text : {"", "[]", "{}", R"({"AccessKeyId":"AKID"})", R"({"AccessKeyId":1,"SecretAccessKey":"s"})"}) {
    EgressConfig config;
    config.aws_credentials = file(text);
    const auto fetched = fetch_aws_credentials(config);
    ASSERT_FALSE(fetched) << text;
    EXPECT_EQ(fetched.error().id(), "host.egress.credentials") << text;
  }
}

// IMDSv2: a token by PUT, then the role's name, then its credentials, each with the token.
class MetadataService {
 public:
  explicit MetadataService(std::string role) : role_(std::move(role)) {}
  std::string address() const { return "http://127.0.0.1:" + std::to_string(service_.port()); }

 private:
  std::string reply(const std::string& head) const {
    const auto answer = [](int status, const std::string& body) {
      return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
             "\r\n\r\n" + body;
    };
    const std::string folder = "/latest/meta-data/iam/security-credentials/";
    if (head.starts_with("PUT /latest/api/token ") && head.contains("X-aws-ec2-metadata-token-ttl-seconds: ")) {
      return answer(200, "TOKEN");
    }
    if (!head.contains("X-aws-ec2-metadata-token: TOKEN\r\n")) return answer(401, "");
    if (head.starts_with("GET " + folder + " ")) return role_.empty() ? answer(404, "") : answer(200, role_);
    if (head.starts_with("GET " + folder + role_ + " ")) {
      return answer(200, R"({"AccessKeyId":"ASIA","SecretAccessKey":"role","Token":"session","Code":"Success"})");
    }
    return answer(404, "");
  }
  std::string role_;
  harness::TcpService service_{"127.0.0.1", [this](int socket) {
                                 std::string head;
                                 char chunk[4096];
                                 while (head.find("\r\n\r\n") == std::string::npos) {
                                   const ssize_t got = ::recv(socket, chunk, sizeof chunk, 0);
                                   if (got <= 0) return;
                                   head.append(chunk, static_cast<std::size_t>(got));
                                 }
                                 const std::string text = reply(head);
                                 ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
                               }};
};

TEST_F(HostEgress, HandsOnCredentialsOfTheInstancesRole) {
  const MetadataService imds("enclave-role");
  EgressConfig config;
  config.aws_credentials = "instance-role";
  config.imds = imds.address();
  start(config);
  EXPECT_EQ(ask(net::EgressKind::kCredentials, {}),
            answer(net::EgressStatus::kOk, R"({"AccessKeyId":"ASIA","SecretAccessKey":"role","Token":"session"})"));
}

TEST_F(HostEgress, AnInstanceWithoutARoleSaysSo) {
  const MetadataService imds("");
  EgressConfig config;
  config.aws_credentials = "instance-role";
  config.imds = imds.address();
  const auto fetched = fetch_aws_credentials(config);
  ASSERT_FALSE(fetched);
  EXPECT_THAT(fetched.error().message(), HasSubstr("404"));
  config.imds = "http://127.0.0.1:1";
  EXPECT_FALSE(fetch_aws_credentials(config));
}

TEST(PacketStacks, SayWhatIsMissing) {
  const auto started = PacketStack::start("/nonexistent/passt");
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().id(), "host.egress.passt");
}

TEST(EgressConfigs, AreCheckedBeforeAnythingStarts) {
  const auto id = [](const EgressConfig& config) {
    const Status checked = check_egress_config(config);
    return checked ? "fine" : std::string(checked.error().id());
  };
  EXPECT_EQ(id({}), "fine");
  EXPECT_EQ(id({.allow = {{"nonsense"}}}), "image.egress");
  EXPECT_EQ(id({.allow = {}, .resolver = "localhost:53"}), "host.egress.resolver");
  EXPECT_EQ(id({.allow = {{"a.example:1"}}, .resolver = "192.0.2.53:53", .packets = true}), "host.egress.config");
  EXPECT_EQ(id({.allow = {}, .resolver = "192.0.2.53:53", .aws_credentials = "role"}), "host.egress.config");
  EXPECT_EQ(id({.allow = {}, .resolver = "192.0.2.53:53", .imds = "https://x"}), "host.egress.config");
}

}  // namespace
}  // namespace gateway::host
