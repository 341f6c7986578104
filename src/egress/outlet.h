// The enclave's end of net/egress_link.h: one request of the host, one way out.
//
// Input:  what the host answers, hostile. Connections to the port that nobody asked for, or that come from elsewhere
//         than the host, are closed.
// Bounds: kMaxAsked requests at once; kPatience for each.
// Errors: kUnavailable egress.unreachable, egress.timeout, egress.host; kLimitExceeded egress.busy; kPolicyRejected
//         egress.host_refused; kMalformed egress.link
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "net/egress_link.h"
#include "net/loop.h"

namespace gateway::egress {

class Outlet {
 public:
  static constexpr std::size_t kMaxAsked = 1024;
  static constexpr std::chrono::seconds kPatience{15};
  struct Way {
    net::Descriptor socket;  // from here on of the bytes that were asked for
    Bytes answer;
  };
  using Done = std::function<void(Result<Way>)>;
  using Ticket = std::uint64_t;

  // `dial`: tells the host that so many connections are wanted.
  Outlet(net::Loop& loop, net::Descriptor listener, std::function<void(std::uint16_t)> dial,
         std::chrono::milliseconds patience = kPatience);
  ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // `done` is called once, never before ask() has returned; not at all after cancel().
  Ticket ask(net::EgressKind kind, ByteView body, Done done);
  void cancel(Ticket ticket);

 private:
  struct Asked;
  void on_knock();
  void on_ready(Ticket ticket, bool readable, bool writable, bool hung_up);
  bool send(Asked& asked);
  void receive(Ticket ticket, Asked& asked);
  void finish(Ticket ticket, Result<Way> result);

  net::Loop& loop_;
  net::Descriptor listener_;
  std::function<void(std::uint16_t)> dial_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<net::Source> source_;
  std::map<Ticket, std::unique_ptr<Asked>> asked_;
  std::deque<Ticket> without_way_;
  Ticket next_ = 1;
};

}  // namespace gateway::egress
