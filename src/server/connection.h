// One caller's connection: handshake, heads, the server's own answers, and the order of requests on it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "channel/tls.h"
#include "net/loop.h"
#include "server/exchange.h"
#include "server/seam.h"

namespace gateway::server {

struct ServerCore;

class Connection final : Caller {
 public:
  Connection(ServerCore& server, channel::TlsStream tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  // No request after the one that runs; an idle connection ends at once.
  void drain();
  std::size_t index = 0;  // the server's, to find it again
  // Between requests: since when. Such a connection may be closed for the sake of another.
  std::optional<std::chrono::steady_clock::time_point> idle_since() const;
  void close_idle() { close_in_order(Unread::kNothing); }

 private:
  enum class State : std::uint8_t {
    kHandshake,
    kHead,      // between requests, or within a head
    kExchange,  // the workload's turn
    kDeferred,  // the gate's turn
    kDiscard,   // answered; the rest of the request's body is stepped over
    kFlush,     // answered for the last time: sends the rest, then close_notify
    kLinger,    // closed in order; what the caller still sends is thrown away for a moment
    kClosed,
  };
  enum class Unread : std::uint8_t { kNothing, kSomething };

  void on_event(bool readable, bool writable, bool hung_up);
  bool take_claim();
  void on_handshake();
  void on_readable();
  void read_all();
  void take_input(ByteView bytes);
  void on_writable();
  void on_timeout();
  void on_caller_closed();
  bool wants_read() const;
  std::size_t feed(ByteView input);
  void keep_rest(ByteView rest);
  void resume();
  std::optional<std::size_t> write(ByteView bytes);
  bool flush();
  std::size_t take_head(ByteView input);
  std::size_t discard(ByteView input);
  void on_head(const net::HttpHead& head);
  void forward(const net::HttpHead& head, ForwardDecision decision);
  void defer(DeferredResponse decision);
  const SessionContext& session();
  const std::shared_ptr<Connection*>& self();
  void refuse_head(const Error& error);
  void respond(LocalResponse response);
  void after_answer(Persistence persistence);
  void await_head();
  void close_in_order(Unread unread);
  void finish_close();
  void lose();  // the caller is gone, or must be: no close_notify
  void update_interest();
  CallerProtocol protocol() const { return {minor_version_, persistence_}; }

  // Caller
  void send(ByteView bytes) override;
  bool blocked() const override { return !out_.empty(); }
  void body_accepted() override { resume(); }
  void wait_at_most(std::chrono::milliseconds time) override { timer_->arm(time); }
  void answered(Persistence persistence) override;
  void answer_instead(LocalResponse response) override;
  void break_off() override;
  void bury_exchange();

  ServerCore& server_;
  channel::TlsStream tls_;
  std::unique_ptr<net::Source> source_;  // goes before the stream and its descriptor
  std::unique_ptr<net::Timer> timer_;
  std::unique_ptr<Exchange> exchange_;
  Bytes in_;   // decrypted, not taken yet
  Bytes out_;  // from out_sent_ on: what the socket has not taken yet
  std::chrono::steady_clock::time_point head_awaited_since_;
  std::chrono::steady_clock::time_point out_since_;  // when the caller stopped taking all at once
  std::size_t out_sent_ = 0;
  net::BodyTracker body_;  // of a request that is answered without the workload
  std::optional<SessionContext> session_;
  std::shared_ptr<Connection*> self_;  // for callbacks that may outlive this; null inside when it is gone
  std::uint64_t request_number_ = 0;
  std::uint64_t discarded_ = 0;
  State state_ = State::kHandshake;
  Persistence persistence_ = Persistence::kKeepAlive;
  Unread unread_ = Unread::kNothing;
  int minor_version_ = 1;
  std::string claim_;  // of the forwarder, whose connection this is
  bool claim_taken_ = false;
  std::unique_ptr<net::Timer> claim_pause_;
  bool is_head_method_ = false;
  bool expects_continue_ = false;
  bool head_begun_ = false;
  bool body_is_large_ = false;
  bool exchange_fresh_ = false;
  bool feeding_ = false;
  bool reading_ = false;
  bool read_wants_write_ = false;
  bool draining_ = false;
};

}  // namespace gateway::server
