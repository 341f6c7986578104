// One connection of the workload, from its first byte to its last: where it wants to go, whether it may, the way there,
// whether its TLS says the same, and then its bytes.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "channel/tls.h"
#include "egress/outlet.h"
#include "egress/policy.h"
#include "egress/proxy_request.h"
#include "egress/resolver.h"
#include "egress/tls_relay.h"
#include "net/relay.h"

namespace gateway::egress {

struct EgressMetrics {
  std::uint64_t opened = 0;   // connections that reached their destination
  std::uint64_t refused = 0;  // by the policy: connections, names, packets
  std::uint64_t failed = 0;   // allowed, and could not be made
  std::uint64_t open = 0;
};

// What passages share.
struct PassageWorld {
  net::Loop& loop;
  Outlet& outlet;
  Resolver& resolver;
  const Policy& policy;
  std::optional<channel::TlsContext> tls;  // with tls = "runtime"
  net::RelayShare share;
  EgressMetrics metrics;
  // A refusal, for those who may read the enclave's own log: never for the host, since the workload chose the name.
  std::function<void(const Error& why, const std::string& wanted)> audit;
};

class Passage {
 public:
  static constexpr std::chrono::seconds kPatience{30};  // for the workload to say what it wants
  // `closed` is called once, as the last thing that it does on the loop's stack.
  Passage(PassageWorld& world, net::Descriptor workload, std::function<void()> closed);
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  void start_proxied();
  void start_transparent(const net::IpEndpoint& wanted);

 private:
  enum class Stage : std::uint8_t { kRequest, kResolving, kConnecting, kHello, kCarrying };
  void on_event(bool readable, bool hung_up);
  void on_request(ByteView bytes);
  void on_hello(ByteView bytes);
  void decide(Wanted wanted);
  void resolve(DnsType type);
  void connect();
  void on_way(Result<Outlet::Way> way);
  void reached();
  void carry();
  bool say(ByteView bytes);
  void refuse(const Error& why);
  void close(bool abort);

  PassageWorld& world_;
  net::Descriptor workload_;
  std::function<void()> closed_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> timer_;
  Stage stage_ = Stage::kRequest;
  bool transparent_ = false;
  bool counted_ = false;
  ProxyRequest request_;
  Wanted wanted_;
  Carry carry_{};
  std::vector<std::string> names_;  // that its TLS may name
  std::vector<net::IpAddress> addresses_;
  Bytes first_;  // what the workload sent ahead of the way
  std::optional<Outlet::Ticket> ticket_;
  net::Descriptor way_;
  std::unique_ptr<net::Relay> relay_;
  std::unique_ptr<TlsRelay> tls_relay_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for answers that come when it is gone
};

}  // namespace gateway::egress
