#include "egress/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
// After netinet/in.h, which it would define once more.
#include <linux/netfilter_ipv4.h>

#include <array>
#include <cstring>

#include "net/address.h"

namespace gateway::egress {
namespace {

constexpr int kPerTurn = 64;
constexpr std::size_t kMaxQueuedPackets = 1024UZ * 1024;  // then packets are lost, as on any wire
constexpr std::chrono::seconds kPacketsRetry{1};

std::optional<net::IpEndpoint> original_destination(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockopt(socket, SOL_IP, SO_ORIGINAL_DST, &address, &size) != 0 || address.sin_family != AF_INET) {
    return std::nullopt;
  }
  ByteArray<4> bytes{};
  std::memcpy(bytes.data(), &address.sin_addr, bytes.size());
  return net::IpEndpoint{*net::IpAddress::from_bytes(bytes), ntohs(address.sin_port)};
}

}  // namespace

Egress::Egress(Policy policy, Parts parts)
    : policy_(std::move(policy)),
      resolver_(parts.loop, parts.outlet, policy_),
      world_{.loop = parts.loop,
             .outlet = parts.outlet,
             .resolver = resolver_,
             .policy = policy_,
             .tls = std::move(parts.tls),
             .share = net::RelayShare(parts.loop),
             .metrics = {},
             .audit = std::move(parts.audit)},
      filter_({*net::IpAddress::parse(kTunAddressV4)},
              [this](const net::IpEndpoint& other, bool udp) { return may_pass(other, udp); }) {
  packets_retry_ = parts.loop.timer([this] { ask_for_packets(); });
}

Egress::~Egress() { close(); }

void Egress::open(Doors doors) {
  close();
  doors_ = std::move(doors);
  const auto watch = [this](const net::Descriptor& door, void (Egress::*on_event)()) {
    std::unique_ptr<net::Source> source;
    if (!door.valid()) return source;
    source = world_.loop.watch(door.get(), [this, on_event](bool, bool, bool) { (this->*on_event)(); });
    source->want(true, false);
    return source;
  };
  proxy_source_ = watch(doors_.proxy, &Egress::on_proxied);
  transparent_source_ = watch(doors_.transparent, &Egress::on_transparent);
  dns_source_ = watch(doors_.dns, &Egress::on_query);
  tun_source_ = watch(doors_.tun, &Egress::on_device);
  if (doors_.tun.valid()) ask_for_packets();
}

void Egress::close() {
  ++*generation_;
  generation_ = std::make_shared<int>(0);
  for (auto* source : {&proxy_source_, &transparent_source_, &dns_source_, &tun_source_, &packets_source_}) {
    source->reset();
  }
  if (packets_ticket_) world_.outlet.cancel(*packets_ticket_);
  packets_ticket_.reset();
  packets_retry_->disarm();
  packets_.reset();
  packets_in_.clear();
  packets_out_.clear();
  doors_ = {};
  passages_.clear();
}

Passage* Egress::admit(net::Descriptor workload) {
  if (passages_.size() >= kMaxPassages) {
    ++world_.metrics.refused;
    net::set_abort_on_close(workload.get());
    return nullptr;
  }
  passages_.emplace_front();
  const auto self = passages_.begin();
  *self = std::make_unique<Passage>(world_, std::move(workload), [this, self, mine = std::weak_ptr(generation_)] {
    if (!mine.expired()) closed(self);
  });
  return self->get();
}

void Egress::closed(Passages::iterator passage) {
  // It is on the stack of its own callback.
  gone_.splice(gone_.begin(), passages_, passage);
  world_.loop.defer([this, life = std::weak_ptr(life_)] {
    if (!life.expired()) gone_.clear();
  });
}

void Egress::on_proxied() {
  for (int i = 0; i < kPerTurn; ++i) {
    net::Descriptor socket(::accept4(doors_.proxy.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    if (Passage* passage = admit(std::move(socket))) passage->start_proxied();
  }
}

void Egress::on_transparent() {
  for (int i = 0; i < kPerTurn; ++i) {
    net::Descriptor socket(::accept4(doors_.transparent.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    const auto wanted = original_destination(socket.get());
    if (!wanted) continue;
    if (Passage* passage = admit(std::move(socket))) passage->start_transparent(*wanted);
  }
}

void Egress::on_query() {
  for (int i = 0; i < kPerTurn; ++i) {
    std::array<std::uint8_t, kMaxDnsMessage> message{};
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(doors_.dns.get(), message.data(), message.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0) return;
    auto question = parse_dns_query(ByteView(message).first(static_cast<std::size_t>(got)));
    if (!question) continue;
    const auto answer = [this, from, size, mine = std::weak_ptr(generation_), question = *question](
                            std::uint8_t code, std::span<const DnsAddress> addresses) {
      if (mine.expired()) return;
      const Bytes bytes = encode_dns_answer(question, code, addresses);
      ::sendto(doors_.dns.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&from), size);
    };
    if (!policy_.listed(question->name)) {
      ++world_.metrics.refused;
      world_.audit(Error(ErrorCode::kPolicyRejected, "egress.name_unlisted", "the name is on no list of the image's"),
                   question->name);
      answer(kDnsNoSuchName, {});
      continue;
    }
    if (question->type != kDnsA && question->type != kDnsAaaa) {
      answer(kDnsNoError, {});
      continue;
    }
    resolver_.resolve(question->name, static_cast<DnsType>(question->type),
                      [answer, this, name = question->name](const Result<Resolver::Resolved>& resolved) {
                        if (!resolved) {
                          ++world_.metrics.failed;
                          world_.audit(resolved.error(), name);
                          return answer(kDnsServerFailure, {});
                        }
                        std::vector<DnsAddress> records;
                        for (const net::IpAddress& address : resolved->addresses) {
                          records.push_back({address, static_cast<std::uint32_t>(resolved->life.count())});
                        }
                        answer(kDnsNoError, records);
                      });
  }
}

bool Egress::may_pass(const net::IpEndpoint& other, bool udp) const {
  if (policy_.by_address(other, udp)) return true;
  for (const std::string& name : resolver_.names_of(other.address)) {
    if (policy_.by_name(name, other.port, udp) == Carry::kAnything) return true;
  }
  return false;
}

void Egress::ask_for_packets() {
  packets_ticket_ = world_.outlet.ask(net::EgressKind::kPackets, {}, [this](Result<Outlet::Way> way) {
    packets_ticket_.reset();
    if (!way) {
      ++world_.metrics.failed;
      world_.audit(way.error(), "packets");
      return packets_retry_->arm(kPacketsRetry);
    }
    packets_ = std::move(way->socket);
    packets_source_ = world_.loop.watch(packets_.get(), [this](bool, bool, bool) { on_packets(); });
    packets_source_->want(true, false);
  });
}

// Packets that find no way, or a full one, are lost, as on any wire.
void Egress::on_device() {
  for (int i = 0; i < kPerTurn; ++i) {
    std::array<std::uint8_t, kMaxPacket> packet{};
    const ssize_t got = ::read(doors_.tun.get(), packet.data(), packet.size());
    if (got <= 0) break;
    const ByteView bytes = ByteView(packet).first(static_cast<std::size_t>(got));
    if (!filter_.may_leave(bytes)) {
      ++world_.metrics.refused;
      const auto flow = flow_of(bytes);
      if (flow) world_.audit(Error(ErrorCode::kPolicyRejected, "egress.refused", "a packet"), flow->to.to_string());
      continue;
    }
    if (!packets_.valid() || packets_out_.size() > kMaxQueuedPackets) continue;
    ByteWriter framed;
    framed.u16be(static_cast<std::uint16_t>(bytes.size()));
    framed.put(bytes);
    append(packets_out_, framed.bytes());
  }
  if (packets_.valid()) on_packets();
}

void Egress::on_packets() {
  const auto lost = [this] {
    packets_source_.reset();
    packets_.reset();
    packets_in_.clear();
    packets_out_.clear();
    packets_retry_->arm(kPacketsRetry);
  };
  while (!packets_out_.empty()) {
    const ssize_t sent = ::send(packets_.get(), packets_out_.data(), packets_out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (sent <= 0) return lost();
    packets_out_.erase(packets_out_.begin(), packets_out_.begin() + sent);
  }
  std::array<std::uint8_t, 64UZ * 1024> chunk;
  const ssize_t got = ::recv(packets_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return lost();
  if (got > 0) append(packets_in_, ByteView(chunk).first(static_cast<std::size_t>(got)));
  std::size_t at = 0;
  while (packets_in_.size() - at >= 2) {
    const std::size_t length = std::size_t{packets_in_[at]} << 8U | packets_in_[at + 1];
    if (length > kMaxPacket) return lost();
    if (packets_in_.size() - at < 2 + length) break;
    const ByteView packet = ByteView(packets_in_).subspan(at + 2, length);
    at += 2 + length;
    if (!filter_.may_enter(packet)) {
      ++world_.metrics.refused;
      continue;
    }
    [[maybe_unused]] const ssize_t written = ::write(doors_.tun.get(), packet.data(), packet.size());
  }
  packets_in_.erase(packets_in_.begin(), packets_in_.begin() + static_cast<std::ptrdiff_t>(at));
  packets_source_->want(true, !packets_out_.empty());
}

}  // namespace gateway::egress
