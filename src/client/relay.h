// One local connection of `gateway connect`: plain HTTP/1.1 here, an attested connection there, bytes passed as they
// come.
//
// A request leaves this machine only on a connection whose enclave verified and is trusted at that moment. The answer
// is passed on unbuffered; an answer that breaks off upstream is reset here, never ended. When the local client leaves,
// its request upstream is cancelled by closing that connection.
//
// Input:  local clients' requests (untrusted: any program of this machine) and the enclave's answers.
// Bounds: heads of net::HttpLimits; at most kHighWater bytes wait in either direction.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "client/heads.h"
#include "client/upstream_pool.h"

namespace gateway::client {

struct RelayLimits {
  net::HttpLimits http{.max_head = 64UZ * 1024, .max_headers = 128, .max_target = 16UZ * 1024};
  Duration head_timeout = std::chrono::seconds(30);      // first to last byte of a head
  Duration idle_timeout = std::chrono::minutes(5);       // between requests of a local client
  Duration wait_timeout = std::chrono::seconds(30);      // for a verified connection
  Duration progress_timeout = std::chrono::minutes(15);  // without a byte in either direction
};

// What the relays of one proxy share. All borrowed, all of the loop's thread.
struct RelayContext {
  net::Loop& loop;
  UpstreamPool& pool;
  const RelayLimits& limits;
  std::uint16_t port = 0;  // the local port, for Host
  std::string_view upstream_host;
  const Secret& authorization;  // value of the header that is added when the client sends none; may be empty
  std::span<std::uint8_t> scratch;
  const std::function<void(const Error&)>& on_refusal;  // an enclave that was refused, for the operator's eyes
};

class Relay {
 public:
  // `over` is called once, deferred, when the relay may be destroyed.
  Relay(RelayContext& context, net::Descriptor socket, std::function<void()> over);
  ~Relay();

 private:
  enum class Phase : std::uint8_t { kHead, kWaiting, kExchange, kLastBytes, kLinger, kOver };

  // Bytes that wait to be written.
  class Outgoing {
   public:
    void put(ByteView bytes) { append(bytes_, bytes); }
    ByteView front() const { return ByteView(bytes_).subspan(at_); }
    void spend(std::size_t count);
    std::size_t size() const { return bytes_.size() - at_; }
    bool empty() const { return at_ == bytes_.size(); }
    void clear();

   private:
    Bytes bytes_;
    std::size_t at_ = 0;
  };

  struct LocalRequest {
    std::string method;
    int minor_version = 1;
    bool keep_alive = true;
    bool has_body = false;
    bool complete = false;  // all of it was read from the local client
    net::BodyTracker body;
    std::string head;  // as it goes to the enclave
    bool retried = false;
  };
  struct Answer {
    bool started = false;  // its head was passed on
    bool whole = false;
    bool closes = false;  // the enclave announced that it closes: its close_notify is part of the end
    net::Framing framing{};
    LocalFraming local{};
    net::BodyTracker body;
    Bytes head;            // an unfinished head
    Bytes held;            // the last piece, until close_notify
    bool surplus = false;  // bytes after the end
  };

  void on_local(bool readable, bool writable, bool hung_up);
  void on_upstream(bool readable, bool writable, bool hung_up);
  void on_timeout();

  void read_local();
  void flush_local();
  void next_request();
  void accept_head(const net::HttpHead& head);
  void acquire();
  void begin_exchange(UpstreamPool::Lease lease);
  void pass_request_body();
  void flush_upstream();
  void read_upstream();
  void take_answer(ByteView bytes);
  Result<std::optional<ByteView>> take_answer_head(ByteView bytes);
  Status take_answer_body(ByteView bytes);
  void deliver_piece(const net::BodyTracker::Piece& piece, ByteView wire);
  void put_local(ByteView bytes);
  void upstream_closed_in_order();
  void upstream_failed(const Error& error);
  void end_exchange();
  void refuse(const Error& error, int status);
  void drop_upstream();
  void linger();
  void abort();
  void end();
  void update_interest();
  void progress();

  RelayContext& context_;
  net::Descriptor socket_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> timer_;
  std::function<void()> over_;
  Phase phase_ = Phase::kHead;
  Bytes local_in_;
  Outgoing local_out_;
  LocalRequest request_;
  Answer answer_;
  std::shared_ptr<UpstreamPool::Waiter> waiter_;
  UpstreamPool::Lease upstream_;
  std::unique_ptr<net::Source> upstream_source_;
  Outgoing upstream_out_;
  bool upstream_wants_write_ = false;
  net::HttpHead head_;  // reused between messages
};

}  // namespace gateway::client
