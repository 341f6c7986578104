// One forwarded request: from the gate's decision to the end of the workload's answer, in both directions at once.
//
// Nothing is kept but what the slower side has not taken yet; while there is such a rest, the faster side is not read.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "net/http.h"
#include "server/head.h"
#include "server/seam.h"
#include "server/upstream.h"

namespace gateway::server {

struct Scratch;

// What an exchange asks of the connection that its request came on.
class Caller {
 public:
  virtual void send(ByteView bytes) = 0;                          // keeps what the socket does not take
  virtual bool blocked() const = 0;                               // such a rest waits
  virtual void body_accepted() = 0;                               // the exchange can take more of the request's body
  virtual void wait_at_most(std::chrono::milliseconds time) = 0;  // then Exchange::on_timeout
  // The exchange is over; it must not be touched afterwards. Exactly one of these is called, last.
  virtual void answered(Persistence persistence) = 0;       // the whole answer was sent
  virtual void answer_instead(LocalResponse response) = 0;  // nothing was sent; this is the answer
  virtual void break_off() = 0;  // part of an answer was sent: the connection must be aborted

 protected:
  ~Caller() = default;
};

class Exchange final : Upstream::Owner {
 public:
  struct Environment {
    UpstreamPool& pool;
    Scratch& scratch;
    const ServerLimits& limits;
    ServerMetrics& metrics;
    net::Loop& loop;
    std::size_t& collected_now;  // bytes of all bodies that are kept to be rewritten
  };
  Exchange(Caller& caller, Environment environment, const net::HttpHead& head, ForwardDecision decision,
           CallerProtocol protocol, std::string_view claim = {});
  ~Exchange();  // still running: the caller left
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Connects, and queues the head for the first flush. The caller may be told the end from inside.
  void start(const net::HttpHead& head);
  // The caller's connection is gone. Nothing of Caller is called.
  void caller_left();
  // Takes bytes of the request's body and says how many were its own. Call even with none at hand, after start().
  std::size_t take_request(ByteView bytes);
  bool wants_request() const { return !over_ && !request_.whole() && request_out_.empty(); }
  void on_caller_unblocked();
  void on_timeout();
  // Where the request's body stands: after an early answer the rest of it has still to be stepped over.
  const net::BodyTracker& request_body() const { return request_; }

 private:
  void on_upstream(bool readable, bool writable, bool hung_up) override;
  enum class Origin : std::uint8_t { kPool, kFresh };
  void connect(Origin origin);
  Status append_payload(ByteView payload);
  Status keep_payload(ByteView payload);
  void drop_collected();
  void end_request();
  void flush_request();
  void on_send_failed();
  void read_response();
  std::optional<ByteView> take_response_head(ByteView bytes);
  void begin_response(const net::HttpHead& head, Bytes& out);
  void relay_response_body(ByteView bytes, Bytes& out);
  void on_upstream_ended(bool in_order);
  bool try_again();
  void complete(bool reusable);
  void workload_failed(LocalResponse instead);
  void caller_failed(LocalResponse instead);
  void stop_with(LocalResponse instead);
  void end(ForwardObserver::Ending ending, int status);
  void update_interest();
  void update_deadline();

  Caller& caller_;
  Environment environment_;
  std::unique_ptr<Upstream> upstream_;
  std::unique_ptr<ForwardObserver> observer_;
  std::function<std::variant<Bytes, LocalResponse>(ByteView)> rewrite_body_;
  std::optional<std::size_t> collect_limit_;
  CallerProtocol protocol_;
  net::BodyTracker request_;
  net::BodyTracker response_;
  std::string method_;
  Bytes collected_;      // the request's body, when it is rewritten
  Bytes request_head_;   // while the body is collected; afterwards only for a second try
  Bytes request_out_;    // what the workload has not taken yet
  Bytes response_part_;  // the beginning of a head
  std::uint64_t body_size_ = 0;
  int status_ = 0;  // 0 until the workload's answer began
  std::chrono::steady_clock::time_point begun_;
  bool wants_payload_ = false;
  // Whether the workload read such a body to its end cannot be seen from here, and what it left it would take for
  // another request: its connection ends with the answer.
  bool streams_body_ = false;
  bool rechunk_request_ = false;
  bool rechunk_response_ = false;
  bool sent_any_ = false;     // bytes of the request reached the workload's socket
  bool send_failed_ = false;  // the workload reads no more of the request; its answer may still come
  bool request_ended_ = false;
  bool answer_begun_ = false;  // bytes of the answer went to the caller
  bool response_keep_alive_ = false;
  bool over_ = false;
};

}  // namespace gateway::server
