// The workload's plaintext on one side, TLS to a proven name on the other. A destination's stream that ends without
// close_notify is passed on as a reset, never as an end.
#pragma once

#include <functional>
#include <memory>

#include "channel/tls.h"
#include "net/loop.h"

namespace gateway::egress {

class TlsRelay {
 public:
  static constexpr std::chrono::seconds kHandshakeTime{15};
  // `closed` is called once, as the last thing that the relay does on the loop's stack; with the reason when TLS
  // failed.
  TlsRelay(net::Loop& loop, net::Descriptor workload, channel::TlsStream service,
           std::function<void(const Error*)> closed, Bytes first);
  ~TlsRelay();
  TlsRelay(const TlsRelay&) = delete;
  TlsRelay& operator=(const TlsRelay&) = delete;
  void start();

 private:
  struct Buffer {
    Bytes bytes;
    std::size_t from = 0;
    ByteView view() const { return ByteView(bytes).subspan(from); }
    void took(std::size_t count);
    bool empty() const { return from == bytes.size(); }
  };
  void on_event();
  bool shake_hands();
  bool outward();
  bool inward();
  void fail(const Error* why);
  void close(const Error* why);
  void update_interest();

  net::Loop& loop_;
  net::Descriptor workload_;
  channel::TlsStream service_;
  std::function<void(const Error*)> closed_;
  std::unique_ptr<net::Source> near_;
  std::unique_ptr<net::Source> far_;
  std::unique_ptr<net::Timer> timer_;
  Buffer out_;
  Buffer in_;
  bool established_ = false;
  bool workload_ended_ = false;  // it sends no more
  bool said_so_ = false;         // close_notify is out
  bool service_ended_ = false;
  bool told_ = false;  // the workload knows
  bool write_waits_ = false;
  bool handshake_writes_ = false;
  bool closing_ = false;
};

}  // namespace gateway::egress
