// The shim's status socket (schema in shim_status.h): what a daemon asks and tells, and what survives the daemon.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "host/shim_status.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

struct ShimRequest {
  enum class Kind : std::uint8_t { kStatus, kWatch, kTokens, kStop };
  Kind kind{};
  Bytes tokens;
  std::chrono::milliseconds grace{};
};
// Errors: kMalformed host.shim.request
Result<ShimRequest> parse_shim_request(std::string_view line);

class StatusServer {
 public:
  struct Events {
    std::function<ShimStatus()> status;
    std::function<void(ByteView list)> tokens;
    std::function<void(std::chrono::milliseconds grace)> stop;
  };
  StatusServer(net::Loop& loop, net::Descriptor listener, Events events);
  ~StatusServer();
  void changed();  // tells everyone who watches

 private:
  struct Caller {
    net::Descriptor socket;
    std::unique_ptr<net::Source> source;
    std::string incoming;
    std::string outgoing;
    bool watches = false;
    bool broken = false;  // to be dropped by whoever serves it
  };
  using Handle = std::list<Caller>::iterator;
  void on_acceptable();
  void on_caller(Handle caller, bool readable, bool writable, bool hung_up);
  bool receive(Caller& caller);
  std::string answer(Caller& caller, std::string_view line);
  bool flush(Caller& caller);
  void drop(Handle caller);

  net::Loop& loop_;
  net::Descriptor listener_;
  Events events_;
  std::unique_ptr<net::Source> source_;
  std::list<Caller> callers_;
  const Caller* served_ = nullptr;  // whose request is being answered
};

}  // namespace gateway::host
