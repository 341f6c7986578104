// Bytes between TCP clients and the enclave, both ways, never looked into.
//
// To the enclave by splice(2), through pipes that are borrowed only while bytes are under way; to the client through
// one buffer that all connections share, with a rest of a connection's own while its client does not take it. So an
// idle connection costs two descriptors and no buffer, and a slow reader holds up nobody but itself. Ends travel in
// order: a half-close is passed on after the last byte; a reset is passed on as a reset and drops what was under way,
// as TCP would. Bounds: max_connections; beyond it clients wait in the listener's backlog. Threads: everything on the
// loop's own.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

struct ForwarderLimits {
  std::size_t max_connections = 8192;
  std::size_t spare_pipes = 64;          // kept for the next transfer
  std::size_t pipe_size = 256UZ * 1024;  // asked for; the kernel may give less to ordinary users
};

// Pipes between transfers; always empty while they lie here.
class PipePool {
 public:
  struct Pipe {
    net::Descriptor read_end;
    net::Descriptor write_end;
  };
  PipePool(std::size_t spare, std::size_t size) : spare_(spare), size_(size) {}
  std::optional<Pipe> take();
  void give_back(Pipe pipe);

 private:
  std::vector<Pipe> pipes_;
  std::size_t spare_;
  std::size_t size_;
};

class Forwarder {
 public:
  // Opens one connection to the enclave without blocking. kLimitExceeded (its backlog is full) is tried again.
  using Connect = std::function<Result<net::Descriptor>()>;
  Forwarder(net::Loop& loop, net::Descriptor listener, Connect connect, const ForwarderLimits& limits);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  void stop_accepting();  // closes the listener; open connections go on
  std::size_t connections() const { return count_; }
  std::uint64_t accepted() const { return accepted_; }

 private:
  friend class ForwardedConnection;
  void on_acceptable();
  bool forward(net::Descriptor client);
  void pause_accepting(std::chrono::milliseconds duration);
  void closed(std::list<std::unique_ptr<class ForwardedConnection>>::iterator connection);

  net::Loop& loop_;
  net::Descriptor listener_;
  Connect connect_;
  ForwarderLimits limits_;
  PipePool pool_;
  Bytes buffer_;  // bytes on their way from an enclave to a client
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> resume_;
  net::Descriptor waiting_client_;  // accepted, but the enclave's backlog was full
  bool paused_ = false;
  std::list<std::unique_ptr<class ForwardedConnection>> connections_;
  std::size_t count_ = 0;
  std::uint64_t accepted_ = 0;
};

}  // namespace gateway::host
