// The host's side of an enclave's ways out (net/egress_link.h): dials when it is asked to, and does what it is told, as
// far as this host's own list allows. It can refuse and it can lie; it cannot widen.
//
// Input:  the enclave's requests, untrusted: bounded, and on this host's list or refused.
// Bounds: EgressLimits; one network stack and one fetch of credentials at a time. Threads: everything on the loop's
// own, but a fetch of credentials, which has one.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "host/egress_config.h"
#include "image/egress.h"
#include "net/egress_link.h"
#include "net/relay.h"

namespace gateway::host {

struct EgressLimits {
  std::size_t max_connections = 1024;
  std::chrono::milliseconds patience{10'000};  // for a request to come, a connection to stand, a name to be answered
};

// JSON of AWS's credentials, from a file or the instance's role. Blocking.
// Errors: kUnavailable host.egress.credentials
Result<Bytes> fetch_aws_credentials(const EgressConfig& config);

class Egress {
 public:
  using Connect = std::function<Result<net::Descriptor>()>;  // to the enclave's egress port
  static Result<std::unique_ptr<Egress>> make(net::Loop& loop, EgressConfig config, Connect connect,
                                              const EgressLimits& limits = {});
  ~Egress();
  Egress(const Egress&) = delete;
  Egress& operator=(const Egress&) = delete;

  void dial(std::uint16_t count);
  std::size_t connections() const { return ways_.size(); }

 private:
  friend class EgressWay;
  Egress(net::Loop& loop, EgressConfig config, Connect connect, const EgressLimits& limits);
  bool allows(const net::EgressTarget& target) const;
  void closed(std::list<std::unique_ptr<class EgressWay>>::iterator way);
  // For a way that asks; one fetch at a time, kept for a while, whatever an enclave asks.
  using Credentials = std::function<void(const Result<Bytes>&)>;
  void credentials(Credentials taken);

  net::Loop& loop_;
  EgressConfig config_;
  std::optional<std::vector<image::EgressEntry>> list_;
  net::IpEndpoint resolver_;
  Connect connect_;
  EgressLimits limits_;
  net::RelayShare share_;
  std::list<std::unique_ptr<class EgressWay>> ways_;
  std::list<std::unique_ptr<class EgressWay>> gone_;
  std::size_t bridges_ = 0;
  std::vector<Credentials> waiting_;
  std::optional<Result<Bytes>> fetched_;
  std::chrono::steady_clock::time_point fetched_until_{};
  std::thread fetching_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace gateway::host
