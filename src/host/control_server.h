// The daemon's control socket: a thread a caller, one request after the other. File permissions decide who may call.
//
// Input:  untrusted lines of at most kMaxRequestLine bytes; a broken one is refused and ends the connection.
// Bounds: kMaxCallers at once, an idle time.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "host/control_api.h"
#include "net/descriptor.h"

namespace gateway::host {

struct ControlServerOptions {
  std::string path;
  mode_t mode = 0600;
  std::optional<gid_t> group;  // who else may call, with mode 0660
};

class ControlServer {
 public:
  using Handler = std::function<std::string(const Request& request, std::optional<net::Descriptor> image)>;
  static Result<std::unique_ptr<ControlServer>> open(const ControlServerOptions& options, Handler handler);
  ~ControlServer();  // waits for requests that are under way; removes the socket
  // Until `stop` becomes readable.
  void serve(int stop);

 private:
  struct Caller {
    std::thread thread;
    std::atomic<bool> over{false};
    int socket = -1;
  };
  ControlServer(std::string path, net::Descriptor listener, Handler handler);
  void welcome();
  void converse(net::Descriptor socket);
  void reap(bool all);

  std::string path_;
  net::Descriptor listener_;
  Handler handler_;
  std::list<Caller> callers_;
};

}  // namespace gateway::host
