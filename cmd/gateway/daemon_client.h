// How commands reach gatewayd, and what they share: requests and answers, refusals that came from elsewhere, and the
// folder in which `gateway run` keeps what belongs to the caller and never to the daemon.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "host/control_api.h"
#include "host/unix_socket.h"
#include "terminal.h"

namespace gateway::cli {

using host::Outcome;
using host::Reported;

class DaemonClient {
 public:
  // $GATEWAY_SOCKET, $GATEWAY_STATE, the user's own daemon, then the system's.
  // Errors: kUnavailable daemon.unreachable, daemon.silent
  static Outcome<DaemonClient> connect();
  // The same; starts gatewayd when none answers, and says so.
  static Outcome<DaemonClient> connect_or_start();
  // The answer's object. `image` travels with the request; `patience` is how long the daemon may think.
  Outcome<boost::json::object> ask(const host::Request& request, std::chrono::milliseconds patience, int image = -1);

 private:
  explicit DaemonClient(net::Descriptor socket) : socket_(std::move(socket)) {}
  host::LineSocket socket_;
};

inline constexpr std::chrono::milliseconds kQuickAnswer{15'000};

// A refusal of the daemon, a shim or an enclave: printed as terminal.h's report() prints errors; the exit status.
int report_refusal(const Reported& refusal);

// The listening address of an enclave that runs on this host.
Outcome<std::string> listen_of_enclave(const std::string& name);

// A text field of an answer; empty when it is absent or null.
std::string text_of(const boost::json::object& object, std::string_view key);
std::int64_t number_of(const boost::json::object& object, std::string_view key);
const boost::json::object* object_of(const boost::json::object& object, std::string_view key);
// Text that came from an enclave or its host, safe for a terminal.
std::string safe(std::string_view text);

// Files of one deployment, in $GATEWAY_STATE or the user's state folder, mode 0700; files 0600.
struct DeploymentFiles {
  std::string folder;
  std::string access_key() const { return folder + "/access-key.pem"; }  // signs token lists
  std::string config() const { return folder + "/config.toml"; }
  std::string token() const { return folder + "/token"; }             // text form, no newline
  std::string token_list() const { return folder + "/tokens.cbor"; }  // signed
  std::string root() const { return folder + "/root.pem"; }           // local root certificate
  std::string run_record() const { return folder + "/run.json"; }     // what `gateway run --json` printed
};
DeploymentFiles deployment_files(const std::string& name);

}  // namespace gateway::cli
