// An enclave in this process, for tests: a TLS server with an identity key and evidence of its own, whose only fake
// part is the device below it (the virtual NSM over memory). What a hostile host could do to it is a knob.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "attestation/binding.h"
#include "attestation/verify.h"
#include "attester/nsm.h"
#include "attester/virtual_nsm.h"
#include "channel/tls.h"
#include "client/trust_clock.h"

namespace gateway::client::testing {

// A relying party's clock that tests set: wall-clock and running time apart.
class ManualClock final : public TrustClock {
 public:
  Moment now() const override;
  void advance(std::chrono::milliseconds by);  // both
  void set_wall_back(std::chrono::milliseconds by);
  void restore_snapshot(std::chrono::milliseconds later);  // wall-clock time goes on, running time does not

 private:
  mutable std::mutex mutex_;
  Moment moment_{.wall = SystemClock().now(), .running = std::chrono::hours(1)};
};

// One connection, from the server's side. Every call returns false (or nothing) when the peer has left.
class ServerSide {
 public:
  ServerSide(channel::TlsStream stream, const std::atomic<bool>& stopping)
      : stream_(std::move(stream)), stopping_(stopping) {}
  bool handshake();
  bool write(std::string_view text);
  bool write(ByteView bytes);
  // A head, and a body of Content-Length or chunks (as received).
  struct Seen {
    std::string head;
    std::string body;
    std::string target() const;
  };
  std::optional<Seen> read_request();
  // Waits until the peer closes; true when it did before the server stops.
  bool peer_left();
  void close_in_order();  // close_notify, then FIN
  void cut();             // FIN alone
  channel::TlsStream& stream() { return stream_; }

 private:
  bool wait(channel::Progress wanted);
  bool fill();
  channel::TlsStream stream_;
  const std::atomic<bool>& stopping_;
  std::string buffer_;
};

// TLS as a client without any check: what a man in the middle uses.
class UncheckedClient {
 public:
  static std::unique_ptr<UncheckedClient> connect(const std::string& endpoint);
  // The body of a GET answered with a Content-Length.
  Bytes get(const std::string& target);

 private:
  explicit UncheckedClient(channel::TlsStream stream) : stream_(std::move(stream)) {}
  channel::TlsStream stream_;
};

struct EnclaveKnobs {
  const attester::LocalRoot* root = nullptr;  // borrowed; absent: one shared by all
  attestation::Platform platform_in_k = attestation::Platform::kLocal;
  std::uint8_t pcr_fill = 0x11;
  attester::NsmMode mode = attester::NsmMode::kProduction;
  std::string config = "version = 1\n";
  const TrustClock* clock = nullptr;  // the device's; borrowed; absent: the machine's
  bool reuse_evidence = false;        // answers fresh=1 with evidence that is there already
  // Changes a genuine answer.
  std::function<void(attestation::AttestationResponse&)> tamper = {};
  // Replaces the attestation body; the argument is the request's target.
  std::function<Bytes(const std::string& target)> attestation_body = {};
  // Replaces the endpoint's whole HTTP answer; the connection is closed after it when `close`.
  std::function<std::string(const std::string& target)> attestation_answer = {};
  bool close_after_answer = false;
  // The workload. Returns whether the connection goes on. Default: 200 with the request's body.
  std::function<bool(ServerSide&, const ServerSide::Seen&)> serve = {};
};

class FakeEnclave {
 public:
  using Knobs = EnclaveKnobs;
  explicit FakeEnclave(Knobs knobs = {});
  ~FakeEnclave();

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  // What accepts exactly this enclave.
  attestation::Policy policy(Duration max_age = std::chrono::minutes(5)) const;
  static const attester::LocalRoot& shared_root();

  std::size_t connections() const { return connections_; }
  std::size_t fresh_requests() const { return fresh_; }
  std::size_t attestations() const { return attestations_; }
  std::size_t requests() const { return requests_; }  // other than attestation
  void set_knobs(const std::function<void(Knobs&)>& change);
  const crypto::PrivateKey& identity_key() const { return identity_; }

 private:
  void accept_loop();
  void serve(net::Descriptor socket);
  bool answer_attestation(ServerSide& side, const std::string& target);
  attestation::AttestationResponse attest(const std::string& target, const channel::TlsStream& stream);
  Knobs knobs() const;

  mutable std::mutex mutex_;
  Knobs knobs_;
  class DeviceClock final : public Clock {
   public:
    explicit DeviceClock(const TrustClock* clock) : clock_(clock) {}
    Time now() const override { return clock_ ? clock_->now().wall : SystemClock().now(); }

   private:
    const TrustClock* clock_;
  };
  DeviceClock clock_;
  std::unique_ptr<attester::VirtualNsm> nsm_;
  std::unique_ptr<attester::NsmClient> device_;
  crypto::PrivateKey identity_;
  channel::ServerIdentity tls_;
  channel::TlsContext context_;
  Bytes k_, q_, evidence_;
  net::Descriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> connections_{0}, fresh_{0}, attestations_{0}, requests_{0};
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace gateway::client::testing
