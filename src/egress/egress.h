// The workload's ways out, all under one policy: a proxy, transparent TCP, a name server, a network device.
//
// Its sockets lie in the workload's network namespace, where the sandbox's first process made them; so the workload
// reaches them and nobody else does, and they are new with each of its runs.
//   proxy         127.0.0.1:3128, HTTP CONNECT and SOCKS5
//   transparent   TCP to anywhere, led here by the kernel with its destination kept (SO_ORIGINAL_DST)
//   dns           UDP, 127.0.0.1:53
//   tun           IP packets; to the host's user-space stack, filtered both ways
// Bounds: kMaxPassages connections; beyond them new ones are closed.
// Errors: docs/errors.md, egress.*
#pragma once

#include <list>

#include "egress/packet_filter.h"
#include "egress/passage.h"

namespace gateway::egress {

struct Doors {
  net::Descriptor proxy;
  net::Descriptor transparent;
  net::Descriptor dns;
  net::Descriptor tun;
};

// As the device is set up in the workload's namespace, and as the host's stack expects it.
inline constexpr const char* kTunAddressV4 = "10.111.0.2";
inline constexpr const char* kTunGatewayV4 = "10.111.0.1";

class Egress {
 public:
  static constexpr std::size_t kMaxPassages = 1024;
  struct Parts {
    net::Loop& loop;
    Outlet& outlet;
    std::optional<channel::TlsContext> tls;
    std::function<void(const Error& why, const std::string& wanted)> audit;
  };
  Egress(Policy policy, Parts parts);
  ~Egress();

  void open(Doors doors);
  void close();  // not from inside a passage
  Resolver& resolver() { return resolver_; }
  const EgressMetrics& metrics() const { return world_.metrics; }

 private:
  using Passages = std::list<std::unique_ptr<Passage>>;
  void on_proxied();
  void on_transparent();
  void on_query();
  void ask_for_packets();
  void on_device();
  void on_packets();
  bool may_pass(const net::IpEndpoint& other, bool udp) const;
  Passage* admit(net::Descriptor workload);
  void closed(Passages::iterator passage);

  const Policy policy_;
  Resolver resolver_;
  PassageWorld world_;
  PacketFilter filter_;
  Doors doors_;
  std::unique_ptr<net::Source> proxy_source_;
  std::unique_ptr<net::Source> transparent_source_;
  std::unique_ptr<net::Source> dns_source_;
  std::unique_ptr<net::Source> tun_source_;
  net::Descriptor packets_;  // to the host's stack
  std::unique_ptr<net::Source> packets_source_;
  std::unique_ptr<net::Timer> packets_retry_;
  std::optional<Outlet::Ticket> packets_ticket_;
  Bytes packets_out_;
  Bytes packets_in_;
  Passages passages_;
  Passages gone_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
  std::shared_ptr<int> generation_ = std::make_shared<int>(0);  // answers of an earlier run are nobody's
};

}  // namespace gateway::egress
