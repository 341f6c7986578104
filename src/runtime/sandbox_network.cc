#include "runtime/sandbox_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
// After the C library's, which they would define once more.
#include <linux/if_tun.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>

#include <array>
#include <cstring>

#include "base/bytes.h"
#include "egress/egress.h"

namespace gateway::runtime {
namespace {

constexpr int kBacklog = 1024;
constexpr const char* kDevice = "tun0";
constexpr int kMtu = 1500;
constexpr std::string_view kTable = "gateway";
constexpr std::string_view kChain = "out";

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int bound(int type, std::uint16_t port, net::Descriptor& out) {
  out = net::Descriptor(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback(port);
  const int on = 1;
  if (!out.valid() || ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno;
  }
  return 0;
}

// Messages of nfnetlink, put together one after another: a batch is taken whole or not at all.
class NetfilterBatch {
 public:
  NetfilterBatch() { control(NFNL_MSG_BATCH_BEGIN); }

  void begin(int type, unsigned flags) {
    start_ = bytes_.size();
    header(static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8U) | static_cast<unsigned>(type)),
           static_cast<std::uint16_t>(NLM_F_REQUEST | flags), NFPROTO_IPV4, 0);
  }
  void end() { patch(start_, static_cast<std::uint32_t>(bytes_.size() - start_)); }
  void text(std::uint16_t type, std::string_view value) { attribute(type, as_bytes(std::string(value) + '\0')); }
  void number(std::uint16_t type, std::uint32_t value) {  // network order
    attribute(type, Bytes{static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
                          static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)});
  }
  void attribute(std::uint16_t type, ByteView value) {
    native16(static_cast<std::uint16_t>(4 + value.size()));
    native16(type);
    append(bytes_, value);
    bytes_.resize((bytes_.size() + 3) & ~3UZ);
  }
  template <class Fill>
  void nest(std::uint16_t type, Fill fill) {
    const std::size_t at = bytes_.size();
    native16(0);
    native16(static_cast<std::uint16_t>(type | NLA_F_NESTED));
    fill();
    const auto size = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &size, sizeof size);
  }
  // One expression of a rule.
  template <class Fill>
  void expression(std::string_view name, Fill fill) {
    nest(NFTA_LIST_ELEM, [&] {
      text(NFTA_EXPR_NAME, name);
      nest(NFTA_EXPR_DATA, fill);
    });
  }
  void value(std::uint16_t type, ByteView data) {
    nest(type, [&] { attribute(NFTA_DATA_VALUE, data); });
  }
  const Bytes& finish() {
    control(NFNL_MSG_BATCH_END);
    return bytes_;
  }
  std::uint32_t messages() const { return sequence_; }

 private:
  void control(std::uint16_t type) {
    const std::size_t at = bytes_.size();
    header(type, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    patch(at, static_cast<std::uint32_t>(bytes_.size() - at));
  }
  void header(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource) {
    nlmsghdr message{};
    message.nlmsg_type = type;
    message.nlmsg_flags = flags;
    message.nlmsg_seq = sequence_++;
    nfgenmsg general{};
    general.nfgen_family = family;
    general.version = NFNETLINK_V0;
    general.res_id = htons(resource);
    raw(&message, sizeof message);
    raw(&general, sizeof general);
  }
  void raw(const void* from, std::size_t size) {
    const auto* const bytes = static_cast<const std::uint8_t*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  void native16(std::uint16_t value) { raw(&value, sizeof value); }
  void patch(std::size_t at, std::uint32_t value) { std::memcpy(bytes_.data() + at, &value, sizeof value); }

  Bytes bytes_;
  std::size_t start_ = 0;
  std::uint32_t sequence_ = 1;
};

Bytes port_bytes(std::uint16_t port) {
  return {static_cast<std::uint8_t>(port >> 8U), static_cast<std::uint8_t>(port)};
}

// protocol; for UDP the port too; not to 127.0.0.0/8: then to this port of ours.
void add_redirect(NetfilterBatch& batch, std::uint8_t protocol, std::uint16_t only_port, std::uint16_t to) {
  batch.begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
  batch.text(NFTA_RULE_TABLE, kTable);
  batch.text(NFTA_RULE_CHAIN, kChain);
  const auto compare = [&](std::uint32_t operation, ByteView with) {
    batch.expression("cmp", [&] {
      batch.number(NFTA_CMP_SREG, NFT_REG_1);
      batch.number(NFTA_CMP_OP, operation);
      batch.value(NFTA_CMP_DATA, with);
    });
  };
  const auto load = [&](std::uint32_t base, std::uint32_t offset, std::uint32_t size) {
    batch.expression("payload", [&] {
      batch.number(NFTA_PAYLOAD_DREG, NFT_REG_1);
      batch.number(NFTA_PAYLOAD_BASE, base);
      batch.number(NFTA_PAYLOAD_OFFSET, offset);
      batch.number(NFTA_PAYLOAD_LEN, size);
    });
  };
  batch.nest(NFTA_RULE_EXPRESSIONS, [&] {
    batch.expression("meta", [&] {
      batch.number(NFTA_META_KEY, NFT_META_L4PROTO);
      batch.number(NFTA_META_DREG, NFT_REG_1);
    });
    compare(NFT_CMP_EQ, Bytes{protocol});
    constexpr std::uint32_t kDestination = 16;  // in an IPv4 head
    load(NFT_PAYLOAD_NETWORK_HEADER, kDestination, 1);
    compare(NFT_CMP_NEQ, Bytes{127});
    if (only_port != 0) {
      load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
      compare(NFT_CMP_EQ, port_bytes(only_port));
    }
    batch.expression("immediate", [&] {
      batch.number(NFTA_IMMEDIATE_DREG, NFT_REG_1);
      batch.value(NFTA_IMMEDIATE_DATA, port_bytes(to));
    });
    batch.expression("redir", [&] { batch.number(NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1); });
  });
  batch.end();
}

// Each message is acknowledged, the last one too.
int commit(NetfilterBatch& batch, unsigned acknowledgements) {
  const net::Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const Bytes& bytes = batch.finish();
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  if (!socket.valid() || ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::sendto(socket.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
               sizeof kernel) != static_cast<ssize_t>(bytes.size())) {
    return errno;
  }
  while (acknowledgements > 0) {
    alignas(nlmsghdr) std::array<std::uint8_t, 8192> answer{};
    const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (got < 0) return errno;
    auto left = static_cast<unsigned>(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(answer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      if (error != 0) return -error;
      if (acknowledgements > 0) --acknowledgements;
    }
  }
  return 0;
}

template <class Fill>
bool configure(const net::Descriptor& any, const char* device, unsigned long what, Fill fill) {
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  fill(request);
  return ::ioctl(any.get(), what, &request) == 0;
}

auto address_of(const char* text) {
  return [text](ifreq& request) {
    sockaddr_in value{};
    value.sin_family = AF_INET;
    ::inet_pton(AF_INET, text, &value.sin_addr);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
  };
}

// An address that connections to elsewhere can come from: from 127.0.0.1 none goes anywhere but home.
int name_loopback() {
  const net::Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return errno;
  const bool named = configure(any, "lo:1", SIOCSIFADDR, address_of(egress::kTunAddressV4)) &&
                     configure(any, "lo:1", SIOCSIFNETMASK, address_of("255.255.255.255"));
  return named ? 0 : errno;
}

int add_default_route(const char* device, const char* gateway) {
  const net::Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return errno;
  rtentry route{};
  std::string name(device);
  for (sockaddr* address : {&route.rt_dst, &route.rt_genmask}) address->sa_family = AF_INET;
  route.rt_flags = RTF_UP;
  route.rt_dev = name.data();
  if (gateway != nullptr) {
    sockaddr_in next{};
    next.sin_family = AF_INET;
    ::inet_pton(AF_INET, gateway, &next.sin_addr);
    std::memcpy(&route.rt_gateway, &next, sizeof next);
    route.rt_flags |= RTF_GATEWAY;
  }
  return ::ioctl(any.get(), SIOCADDRT, &route) == 0 ? 0 : errno;
}

}  // namespace

int listen_on_loopback(std::uint16_t port, net::Descriptor& out) {
  if (const int error = bound(SOCK_STREAM, port, out); error != 0) return error;
  return ::listen(out.get(), kBacklog) == 0 ? 0 : errno;
}

int bind_name_server(net::Descriptor& out) { return bound(SOCK_DGRAM, kDnsPort, out); }

int redirect_tcp(bool own_route) {
  if (own_route) {
    if (const int error = name_loopback(); error != 0) return error;
    if (const int error = add_default_route("lo", nullptr); error != 0) return error;
  }
  NetfilterBatch batch;
  batch.begin(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);
  batch.text(NFTA_TABLE_NAME, kTable);
  batch.end();
  batch.begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);
  batch.text(NFTA_CHAIN_TABLE, kTable);
  batch.text(NFTA_CHAIN_NAME, kChain);
  batch.nest(NFTA_CHAIN_HOOK, [&] {
    batch.number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
    batch.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(NF_IP_PRI_NAT_DST));
  });
  batch.text(NFTA_CHAIN_TYPE, "nat");
  batch.end();
  add_redirect(batch, IPPROTO_TCP, 0, kTransparentPort);
  add_redirect(batch, IPPROTO_UDP, kDnsPort, kDnsPort);
  constexpr unsigned kMessages = 4;
  return commit(batch, kMessages);
}

int open_tun(net::Descriptor& out) {
  out = net::Descriptor(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!out.valid()) return errno;
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  return ::ioctl(out.get(), TUNSETIFF, &request) == 0 ? 0 : errno;
}

int raise_tun() {
  const net::Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return errno;
  const bool up = configure(any, kDevice, SIOCSIFADDR, address_of(egress::kTunAddressV4)) &&
                  configure(any, kDevice, SIOCSIFNETMASK, address_of("255.255.255.0")) &&
                  configure(any, kDevice, SIOCSIFMTU, [](ifreq& request) { request.ifr_mtu = kMtu; }) &&
                  configure(any, kDevice, SIOCSIFFLAGS, [](ifreq& request) { request.ifr_flags = IFF_UP; });
  return up ? add_default_route(kDevice, egress::kTunGatewayV4) : errno;
}

}  // namespace gateway::runtime
