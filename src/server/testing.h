// For tests of the server: the real one on a thread of its own, a scripted workload behind it, a TLS caller before it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "channel/tls.h"
#include "net/loop.h"
#include "server/server.h"

namespace gateway::server::testing {

using namespace std::chrono_literals;
inline constexpr auto kPatience = 10s;

// The workload's end of one connection; blocking.
class WorkloadPeer {
 public:
  explicit WorkloadPeer(net::Descriptor socket) : socket_(std::move(socket)) {}
  std::string read_head();                         // empty when the other side closed
  std::string read_body(std::size_t size);         // shorter when the other side closed
  std::string read_until(std::string_view end);    // inclusive
  bool wait_closed();                              // whether the other side closes within the patience
  void write(std::string_view bytes);              // ignores that nobody listens
  std::size_t write_some(std::string_view bytes);  // as much as the socket takes at once
  void reset();                                    // closes
  int descriptor() const { return socket_.get(); }

 private:
  bool fill();
  net::Descriptor socket_;
  std::string buffer_;
};
using Script = std::function<void(WorkloadPeer&)>;

Script answers(std::string answer);             // to each head the same bytes
Script answers_and_closes(std::string answer);  // once
bool wait_until(const std::function<bool()>& condition);

// Listens on a Unix socket and runs the script for each connection on a thread of its own.
class Workload {
 public:
  explicit Workload(Script script);
  ~Workload();
  net::Address address() const { return address_; }
  int connections() const { return connections_; }

 private:
  void accept_all();
  Script script_;
  std::string folder_;
  net::Address address_;
  net::Descriptor listener_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

class LambdaGate final : public Gate {
 public:
  using Judge = std::function<Decision(const net::HttpHead&, const SessionContext&)>;
  explicit LambdaGate(Judge judge) : judge_(std::move(judge)) {}
  Decision on_request(const net::HttpHead& head, const SessionContext& session) override {
    return judge_(head, session);
  }

 private:
  Judge judge_;
};
// Forwards everything to the target that was asked for.
LambdaGate::Judge forward_all();
LambdaGate::Judge answer_all(std::string body);
// Forwards, and notes how each exchange ended.
struct Ended {
  std::atomic<int> count{0};
  std::atomic<ForwardObserver::Ending> ending{};
  std::atomic<int> status{0};
  std::mutex mutex;
  std::string payload;  // under mutex
};
LambdaGate::Judge forward_watched(Ended& ended);

// One identity for all tests: making keys takes time.
const channel::ServerIdentity& identity();

class ServerThread {
 public:
  ServerThread(LambdaGate::Judge judge, Dial workload, ServerLimits limits = {});
  ~ServerThread();
  std::uint16_t port() const { return port_; }
  ServerMetrics metrics();
  // Until the metrics satisfy the condition, or the patience ends.
  bool wait_for(const std::function<bool(const ServerMetrics&)>& condition);
  void on_loop(std::function<void(Server&)> task);  // waits until it ran
  net::Loop& loop() { return loop_; }

 private:
  net::Loop loop_;
  LambdaGate gate_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

struct Answer {
  int status = 0;                              // 0: the connection ended before a head
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  bool whole = false;            // by its framing, and with close_notify where that ends it
  std::string error_id() const;  // of the server's own answers
};

enum class End : std::uint8_t { kOrderly, kTruncated, kTimeout };

// A TLS caller; blocking, with patience.
class TestCaller {
 public:
  // `first`: what a forwarder says before the handshake.
  explicit TestCaller(std::uint16_t port, ByteView first = {});
  bool connected() const { return tls_.has_value(); }
  void send(std::string_view bytes);
  std::size_t send_some(std::string_view bytes, std::chrono::milliseconds patience);
  Answer read_answer(std::string_view method = "GET");
  Answer ask(std::string_view bytes) {
    send(bytes);
    return read_answer();
  }
  std::string read_raw(std::size_t at_least);
  End read_end();  // reads and drops what still comes
  void leave();    // closes without a word
  void leave_in_order();
  channel::TlsStream& tls() { return *tls_; }

 private:
  enum class Got : std::uint8_t { kBytes, kOrderly, kTruncated, kTimeout };
  Got fill(std::chrono::milliseconds patience = kPatience);
  bool wait(channel::Progress progress, std::chrono::milliseconds patience);
  std::optional<channel::TlsStream> tls_;
  std::string buffer_;
};

}  // namespace gateway::server::testing
