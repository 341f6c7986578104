// A service on this machine for tests: answers what a test says, byte by byte, over HTTP or TLS, and remembers what it
// was asked. And a proxy that knows CONNECT. Never linked into a program that is installed.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channel/tls.h"
#include "net/descriptor.h"

namespace gateway::fetch::testing {

// "HTTP/1.1 200 OK", the headers, Content-Length unless one is among them, the body.
std::string http_answer(int status, std::vector<std::pair<std::string, std::string>> headers, std::string_view body);
// As Intel's services put a chain into a header.
std::string percent_encoded(std::string_view text);

enum class Ending : std::uint8_t { kInOrder, kAbrupt };  // of TLS: with close_notify, or without

class FakeService {
 public:
  // From a request's target to the bytes of the answer; runs on the service's thread.
  using Handler = std::function<std::string(const std::string& target)>;
  explicit FakeService(Handler handler, std::optional<channel::TlsContext> tls = std::nullopt,
                       Ending ending = Ending::kInOrder);
  ~FakeService();
  FakeService(const FakeService&) = delete;
  FakeService& operator=(const FakeService&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url() const;                    // http://127.0.0.1:PORT or https://localhost:PORT
  std::vector<std::string> requests() const;  // heads, as received

 private:
  void run();
  void serve(net::Descriptor socket);

  Handler handler_;
  std::optional<channel::TlsContext> tls_;
  Ending ending_;
  std::uint16_t port_ = 0;
  net::Descriptor listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Tunnels every CONNECT to the port that it names, on this machine; or answers all with `refusal`.
class FakeProxy {
 public:
  explicit FakeProxy(std::string refusal = {});
  ~FakeProxy();
  FakeProxy(const FakeProxy&) = delete;
  FakeProxy& operator=(const FakeProxy&) = delete;

  std::string url() const { return "http://user:secret@127.0.0.1:" + std::to_string(port_); }
  std::vector<std::string> requests() const;

 private:
  void run();
  void tunnel(const net::Descriptor& client);

  std::string refusal_;
  std::uint16_t port_ = 0;
  net::Descriptor listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace gateway::fetch::testing
