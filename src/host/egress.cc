#include "host/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <utility>

#include "host/packet_stack.h"
#include "net/address.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxDatagram = 4096;
constexpr std::uint16_t kDnsPort = 53;

net::Descriptor socket_to(const net::IpEndpoint& to, int type) {
  net::Descriptor socket(::socket(to.address.v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return {};
  int result = -1;
  if (to.address.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(to.port);
    std::memcpy(&address.sin6_addr, to.address.bytes.data(), 16);
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    std::memcpy(&address.sin_addr, to.address.bytes.data(), 4);
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  if (result != 0 && errno != EINPROGRESS) return {};
  return socket;
}

// The first name server of /etc/resolv.conf.
std::string system_resolver() {
  std::ifstream file("/etc/resolv.conf");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kKey = "nameserver ";
    if (!line.starts_with(kKey)) continue;
    std::string address = line.substr(kKey.size());
    address.erase(
        std::find_if(address.begin(), address.end(), [](char c) { return c == ' ' || c == '\t' || c == '%'; }),
        address.end());
    if (net::IpAddress::parse(address)) return address;
  }
  return "127.0.0.1";
}

Result<net::IpEndpoint> parse_resolver(const std::string& text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, "host.egress.resolver", "\"" + text + "\" is no address of a name server",
                "write resolver = \"192.0.2.53:53\"");
  };
  if (text.empty()) return net::IpEndpoint{*net::IpAddress::parse(system_resolver()), kDnsPort};
  const auto parsed = net::Address::parse_host_port(text);
  if (!parsed || parsed->port == 0) return bad();
  const auto address = net::IpAddress::parse(parsed->host);
  if (!address) return bad();
  return net::IpEndpoint{*address, static_cast<std::uint16_t>(parsed->port)};
}

}  // namespace

// One connection to the enclave's egress port: a request, an answer, and then its bytes.
class EgressWay {
 public:
  using Handle = std::list<std::unique_ptr<EgressWay>>::iterator;
  EgressWay(Egress& owner, net::Descriptor link) : owner_(owner), link_(std::move(link)) {}
  ~EgressWay() {
    *alive_ = false;
    if (bridge_) --owner_.bridges_;
  }
  EgressWay(const EgressWay&) = delete;
  EgressWay& operator=(const EgressWay&) = delete;

  void start(Handle self) {
    self_ = self;
    timer_ = owner_.loop_.timer([this] { on_late(); });
    timer_->arm(owner_.limits_.patience);
    link_source_ = owner_.loop_.watch(link_.get(), [this](bool readable, bool, bool hung_up) {
      if (readable || hung_up) on_link();
    });
    link_source_->want(true, false);
  }

 private:
  // Not a byte beyond the request: those are the connection's own.
  void on_link() {
    while (!asked_) {
      std::size_t used = 0;
      auto message = net::take_egress(received_, used);
      if (!message) return close();
      if (*message) return take(**message);
      const std::size_t have = received_.size();
      const std::size_t length = have < net::kEgressHead ? 0 : std::size_t{received_[1]} << 8U | received_[2];
      received_.resize(net::kEgressHead + length);
      const ssize_t got = ::recv(link_.get(), received_.data() + have, received_.size() - have, MSG_DONTWAIT);
      received_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return;
      if (got <= 0) return close();
    }
    std::array<char, 1> byte{};
    if (::recv(link_.get(), byte.data(), byte.size(), MSG_PEEK | MSG_DONTWAIT) == 0) close();  // it gave up
  }

  void take(const net::EgressMessage& message) {
    asked_ = true;
    // Until there is an answer only the end of the link matters; what comes with it is the connection's.
    link_source_->want(false, false);
    switch (static_cast<net::EgressKind>(message.code)) {
      case net::EgressKind::kConnect: return connect(message.body);
      case net::EgressKind::kResolve: return resolve(message.body);
      case net::EgressKind::kCredentials: return credentials();
      case net::EgressKind::kPackets: return packets();
    }
    answer_and_close(net::EgressStatus::kNotOffered);
  }

  void connect(ByteView body) {
    const auto target = net::parse_target(body);
    if (!target) return close();
    if (!owner_.allows(*target)) return answer_and_close(net::EgressStatus::kRefused);
    other_ = socket_to(target->endpoint, SOCK_STREAM);
    if (!other_.valid()) return answer_and_close(net::EgressStatus::kUnreachable);
    net::set_no_delay(other_.get());
    net::notice_dead_peers(other_.get());
    other_source_ = owner_.loop_.watch(other_.get(), [this](bool, bool, bool) {
      if (!net::take_socket_error(other_.get())) return answer_and_close(net::EgressStatus::kUnreachable);
      carry();
    });
    other_source_->want(false, true);
  }

  void carry() {
    other_source_.reset();
    timer_->disarm();
    if (!answer(net::EgressStatus::kOk, {})) return close();
    link_source_.reset();
    relay_ = std::make_unique<net::Relay>(owner_.share_, std::move(other_), std::move(link_), [this] { gone(); });
    relay_->start();
  }

  void resolve(ByteView query) {
    if (query.size() > kMaxDatagram) return close();
    other_ = socket_to(owner_.resolver_, SOCK_DGRAM);
    if (!other_.valid() || ::send(other_.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) {
      return answer_and_close(net::EgressStatus::kUnreachable);
    }
    other_source_ = owner_.loop_.watch(other_.get(), [this](bool, bool, bool) {
      std::array<std::uint8_t, kMaxDatagram> message{};
      const ssize_t got = ::recv(other_.get(), message.data(), message.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got < 0) return answer_and_close(net::EgressStatus::kUnreachable);
      answer(net::EgressStatus::kOk, ByteView(message).first(static_cast<std::size_t>(got)));
      close();
    });
    other_source_->want(true, false);
  }

  void credentials() {
    owner_.credentials([this, alive = alive_](const Result<Bytes>& fetched) {
      if (!*alive) return;
      if (!fetched) return answer_and_close(net::EgressStatus::kNotOffered);
      answer(net::EgressStatus::kOk, *fetched);
      close();
    });
  }

  void packets() {
    if (!owner_.config_.packets) return answer_and_close(net::EgressStatus::kNotOffered);
    if (owner_.bridges_ > 0) return answer_and_close(net::EgressStatus::kBusy);
    auto stack = PacketStack::start();
    if (!stack) return answer_and_close(net::EgressStatus::kUnreachable);
    if (!answer(net::EgressStatus::kOk, {})) return close();
    timer_->disarm();
    link_source_.reset();
    bridge_ = std::make_unique<PacketBridge>(owner_.loop_, std::move(link_), *std::move(stack), [this] { gone(); });
    ++owner_.bridges_;
    bridge_->start();
  }

  void on_late() { answer_and_close(net::EgressStatus::kTimedOut); }

  // Small, and into an empty socket: it fits, or the link is broken.
  bool answer(net::EgressStatus status, ByteView body) {
    const Bytes bytes = net::encode_egress(static_cast<std::uint8_t>(status), body);
    return ::send(link_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }
  void answer_and_close(net::EgressStatus status) {
    if (asked_) answer(status, {});
    close();
  }
  void close() {
    link_source_.reset();
    other_source_.reset();
    timer_->disarm();
    gone();
  }
  void gone() { owner_.closed(self_); }

  Egress& owner_;
  net::Descriptor link_;
  net::Descriptor other_;
  std::unique_ptr<net::Source> link_source_;
  std::unique_ptr<net::Source> other_source_;
  std::unique_ptr<net::Timer> timer_;
  std::unique_ptr<net::Relay> relay_;
  std::unique_ptr<PacketBridge> bridge_;
  Bytes received_;
  bool asked_ = false;
  Handle self_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<std::unique_ptr<Egress>> Egress::make(net::Loop& loop, EgressConfig config, Connect connect,
                                             const EgressLimits& limits) {
  GATEWAY_TRY(check_egress_config(config));
  std::unique_ptr<Egress> egress(new Egress(loop, std::move(config), std::move(connect), limits));
  if (egress->config_.allow) {
    egress->list_.emplace();
    for (const std::string& text : *egress->config_.allow) {
      GATEWAY_ASSIGN(image::EgressEntry entry, image::parse_egress_entry(text));
      egress->list_->push_back(std::move(entry));
    }
  }
  GATEWAY_ASSIGN(egress->resolver_, parse_resolver(egress->config_.resolver));
  return egress;
}

Status check_egress_config(const EgressConfig& config) {
  for (const std::string& text : config.allow.value_or(std::vector<std::string>{})) {
    GATEWAY_TRY(image::parse_egress_entry(text));
  }
  GATEWAY_TRY(parse_resolver(config.resolver));
  const auto bad = [](const char* what, const char* remedy) {
    return fail(ErrorCode::kInvalidArgument, "host.egress.config", what, remedy);
  };
  if (config.packets && config.allow) {
    return bad("packets and allow do not go together: nobody on this host looks at where packets go",
               "leave one of them out");
  }
  const bool a_file = config.aws_credentials.starts_with('/');
  if (!config.aws_credentials.empty() && config.aws_credentials != "instance-role" && !a_file) {
    return bad("aws_credentials is neither \"instance-role\" nor an absolute path", "write one of the two");
  }
  if (!config.imds.starts_with("http://")) return bad("imds is no http:// address", "leave it out");
  return {};
}

Egress::Egress(net::Loop& loop, EgressConfig config, Connect connect, const EgressLimits& limits)
    : loop_(loop), config_(std::move(config)), connect_(std::move(connect)), limits_(limits), share_(loop) {}

Egress::~Egress() {
  life_.reset();
  if (fetching_.joinable()) fetching_.join();
}

// The instance's metadata service may take its time; the loop does not wait for it.
void Egress::credentials(Credentials taken) {
  static constexpr std::chrono::seconds kKept{60};
  static constexpr std::chrono::seconds kRetry{1};
  if (fetched_ && loop_.now() < fetched_until_) return taken(*fetched_);
  waiting_.push_back(std::move(taken));
  if (waiting_.size() > 1) return;
  if (fetching_.joinable()) fetching_.join();  // it has posted already
  fetching_ = std::thread([this, loop = &loop_, config = config_, life = std::weak_ptr(life_)] {
    auto fetched = std::make_shared<Result<Bytes>>(fetch_aws_credentials(config));
    loop->post([this, life, fetched] {
      if (life.expired()) return;
      fetched_ = std::move(*fetched);
      fetched_until_ = loop_.now() + (*fetched_ ? kKept : kRetry);
      const auto waiting = std::exchange(waiting_, {});
      for (const Credentials& each : waiting) each(*fetched_);
    });
  });
}

void Egress::dial(std::uint16_t count) {
  for (std::uint16_t i = 0; i < count && ways_.size() < limits_.max_connections && config_.offered; ++i) {
    auto link = connect_();
    if (!link) return;
    ways_.push_front(std::make_unique<EgressWay>(*this, *std::move(link)));
    ways_.front()->start(ways_.begin());
  }
}

// What is this host's own is no enclave's to reach, whatever its image says: loopback, and the metadata service.
bool Egress::allows(const net::EgressTarget& target) const {
  if (target.endpoint.address.special()) return false;
  if (!list_) return true;
  return std::ranges::any_of(*list_, [&](const image::EgressEntry& entry) {
    if (entry.udp || entry.port != target.endpoint.port) return false;
    if (entry.range) return entry.range->contains(target.endpoint.address);
    return !target.name.empty() && entry.matches_name(target.name);
  });
}

void Egress::closed(std::list<std::unique_ptr<EgressWay>>::iterator way) {
  gone_.splice(gone_.begin(), ways_, way);  // it is on the stack of its own callback
  loop_.defer([this, life = std::weak_ptr(life_)] {
    if (!life.expired()) gone_.clear();
  });
}

}  // namespace gateway::host
