// For tests: the real gateway-enclave under bubblewrap, with a virtual NSM on a thread and the host's side of every
// channel, as a shim gives them. The host can misbehave through what it hands over.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "attestation/binding.h"
#include "attester/virtual_nsm.h"
#include "channel/deployment.h"
#include "channel/tls.h"
#include "channel/tokens.h"
#include "image/description.h"
#include "net/control.h"
#include "net/descriptor.h"
#include "runtime/test_tree.h"

namespace gateway::runtime {

struct TestAnswer {
  int status = 0;
  std::string head;
  std::string body;
  bool ended_in_order = false;  // with Connection: close
};

// One TLS connection to the enclave, blocking.
class TestClient {
 public:
  explicit TestClient(const std::string& ingress_path);
  bool connected() const { return stream_.has_value(); }
  TestAnswer request(const std::string& method, const std::string& target, const std::string& token = {},
                     const std::string& body = {});
  TestAnswer send_and_read(const std::string& raw);
  channel::TlsStream& stream() { return *stream_; }

 private:
  void wait(channel::Progress progress);
  std::optional<channel::TlsStream> stream_;
  std::string buffer_;
};

class TestEnclave {
 public:
  TestEnclave();
  ~TestEnclave();

  // What the image says and what the host hands over; change before start().
  image::Description description;
  std::string measured_cmdline = "reboot=t panic=-1";
  std::string passed_cmdline = "reboot=t panic=-1";
  std::string config;         // the default one
  channel::TokenList tokens;  // "caller" (call), "reader" (logs, metrics)
  bool hand_over_tokens = true;

  static bool possible();  // user namespaces and bubblewrap
  void start();
  // The next frame of this type; what comes before it is kept in events(). Empty after ten seconds or at the end.
  std::optional<Bytes> await(net::ControlType type);
  // The reason why it did not start: "id\ndetail".
  std::string await_fatal();
  bool await_ready() { return await(net::ControlType::kReady).has_value(); }
  void send(net::ControlType type, ByteView body);
  Bytes sign(const channel::TokenList& list) const;
  int wait_for_exit();  // its exit status

  const std::string& events() const { return events_; }
  const std::string& ingress_path() const { return ingress_path_; }
  std::string token(const std::string& name) const { return std::string(as_text(tokens_.at(name).reveal())); }
  const attester::LocalRoot& root() const { return root_; }
  const TestTree& tree() const { return tree_; }
  pid_t pid() const { return pid_; }

 private:
  void spawn(int control, int nsm, int ingress, int egress);

  TestTree tree_;
  attester::LocalRoot root_;
  SystemClock clock_;
  crypto::PrivateKey access_key_;
  std::map<std::string, Secret> tokens_;
  std::string ingress_path_;
  net::Descriptor control_;
  net::Descriptor nsm_socket_;
  std::unique_ptr<attester::VirtualNsm> nsm_;
  std::thread nsm_thread_;
  pid_t pid_ = -1;
  std::string events_;
};

}  // namespace gateway::runtime
