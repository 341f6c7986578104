// Names to addresses, for listed names alone; and which names an address stands for, while their answers last.
//
// The host answers, so an answer is hostile: it can lead a listed name to any address but those that are nobody's to
// reach (net::IpAddress::special), and it can do so only for names on the list. What TLS then proves is worth more.
// Bounds: kMaxBindings addresses; kMaxWaiting for one name; answers last at least kLeastLife and at most kMostLife.
// Errors: kPolicyRejected egress.name_unlisted, egress.address_special; kUnavailable egress.no_address, and the
// outlet's;
//         kMalformed egress.dns
#pragma once

#include <map>
#include <string>
#include <vector>

#include "egress/dns.h"
#include "egress/outlet.h"
#include "egress/policy.h"

namespace gateway::egress {

class Resolver {
 public:
  static constexpr std::size_t kMaxBindings = 4096;
  static constexpr std::size_t kMaxWaiting = 1024;  // for one name
  static constexpr std::chrono::seconds kLeastLife{10};
  static constexpr std::chrono::hours kMostLife{1};
  struct Resolved {
    std::vector<net::IpAddress> addresses;  // none: the name is there, and has none of this kind
    std::chrono::seconds life{};
  };
  using Done = std::function<void(const Result<Resolved>&)>;

  Resolver(net::Loop& loop, Outlet& outlet, const Policy& policy) : loop_(loop), outlet_(outlet), policy_(policy) {}
  // The runtime's own destinations are on no list of the workload's.
  void trust(std::string name) { own_.push_back(std::move(name)); }

  // `done` may be called before this returns. `own`: asked by the runtime.
  void resolve(const std::string& name, DnsType type, Done done, bool own = false);
  void forget();  // what it knows; bindings stay. For tests.
  // Names that led to this address and still do, the last one first.
  std::vector<std::string> names_of(const net::IpAddress& address) const;

 private:
  struct Key {
    std::string name;
    DnsType type{};
    auto operator<=>(const Key&) const = default;
  };
  struct Known {
    std::vector<net::IpAddress> addresses;
    std::chrono::steady_clock::time_point until;
  };
  struct Binding {
    std::chrono::steady_clock::time_point from;
    std::chrono::steady_clock::time_point until;
  };
  Result<Resolved> take(const Key& key, std::uint16_t id, Result<Outlet::Way> way);
  void bind(const Key& key, const Known& known);
  Resolved still(const Known& known) const;

  net::Loop& loop_;
  Outlet& outlet_;
  const Policy& policy_;
  std::vector<std::string> own_;
  std::map<Key, Known> known_;
  std::map<Key, std::vector<Done>> asked_;
  std::map<net::IpAddress, std::map<std::string, Binding>> bindings_;
};

}  // namespace gateway::egress
