// What the tests of this suite share: one host, one enclave that is attacked, and the attacker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/json_pointer.h"
#include "harness/raw_client.h"
#include "harness/site.h"
#include "table.h"

namespace gateway::hostile_suite {

using harness::Milliseconds;

// What a caller would lose to an attacker who succeeds. Nobody but the caller and the workload may ever see it.
inline constexpr const char* kPrompt = "the-prompt-that-nobody-else-may-see";

harness::Site& site();
const std::string& echo_image();
// The enclave under attack; its image has short time limits. Callers: callers.h.
const harness::Enclave& enclave();
const std::string& policy();  // a file that accepts it

// gateway-hostile-host in one of its modes.
class Attacker {
 public:
  explicit Attacker(std::vector<std::string> mode_and_options);
  const std::string& endpoint() const { return endpoint_; }
  std::string seen() const { return harness::read_text(seen_); }  // all plaintext
  harness::Program& program() const { return *program_; }

 private:
  std::string seen_;
  std::unique_ptr<harness::Program> program_;
  std::string endpoint_;
};

// Options of `forge` and its variants that make it the enclave's twin, signed by the host's own root.
std::vector<std::string> twin_of(const harness::Enclave& enclave, std::vector<std::string> mode);

// HOST:PORT that nobody listens on.
std::string free_endpoint();

// `gateway verify` and `gateway connect` both refuse with this id (exit status 1); the local port stays closed.
void expect_refused(const std::string& endpoint, const std::string& policy_file, const std::string& id,
                    const std::vector<std::string>& more = {});
// The same against an attacker, who moreover saw requests for attestation and nothing else.
void expect_refused(const Attacker& attacker, const std::string& policy_file, const std::string& id,
                    const std::vector<std::string>& more = {});
void expect_saw_nothing(const Attacker& attacker);

// A `gateway connect` that stands: its local port, plain HTTP.
class Connection {
 public:
  explicit Connection(const std::string& endpoint, std::vector<std::string> more = {});
  const std::string& local() const { return local_; }
  harness::Program& program() const { return *program_; }
  harness::HttpAnswer exchange(const std::string& request, std::string_view method = "GET") const;

 private:
  std::unique_ptr<harness::Program> program_;
  std::string local_;
};

}  // namespace gateway::hostile_suite
