// The load: callers that never resume a session, and the workload behind both servers, in one process on one loop.
//
// Closed loops throughout: each connection has one request out. Events of a stream are sent one by one, the next when
// the caller has the last, so that neither server can save work by taking several at once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "channel/tls.h"
#include "net/http.h"
#include "net/loop.h"

namespace gateway::bench {

inline constexpr std::size_t kEventSize = 1024;

class WorkloadStub {
 public:
  WorkloadStub(net::Loop& loop, net::Descriptor listener);
  ~WorkloadStub();
  void send_event(std::size_t stream);
  void end_stream(std::size_t stream);

 private:
  struct Peer;
  void on_bytes(Peer& peer);
  net::Loop& loop_;
  net::Descriptor listener_;
  std::unique_ptr<net::Source> source_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::map<std::size_t, Peer*> streams_;
};

enum class Kind : std::uint8_t { kGet, kPost, kHandshake, kEvents, kIdle };

// Drives `units` requests, handshakes or events through so many connections at once; returns false on any surprise.
class Load {
 public:
  Load(net::Loop& loop, WorkloadStub& workload);
  ~Load();
  // Connects and asks one small request on each, so that what follows finds them warm.
  bool open(std::uint16_t port, std::size_t connections);
  bool run(Kind kind, std::size_t units);
  void close();

 private:
  struct Caller;
  void begin_connection(Caller& caller);
  void connect(Caller& caller);
  void advance(Caller& caller);
  void ask(Caller& caller);
  bool take_answer(Caller& caller);
  void unit_done(Caller& caller);

  net::Loop& loop_;
  WorkloadStub& workload_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::uint16_t port_ = 0;
  Kind kind_ = Kind::kGet;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
  std::size_t wanted_ = 0;
  bool broken_ = false;
};

}  // namespace gateway::bench
