// A client that sends any bytes, over TCP or over TLS 1.3, and says how the other side ended. For what no proper client
// would send, and for attackers that hold a valid token but no policy.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "channel/tls.h"
#include "harness/process.h"

namespace gateway::harness {

enum class Ending : std::uint8_t {
  kOpen,     // still open when the time was over, or when enough had come
  kInOrder,  // close_notify on TLS, end of stream on TCP
  kCut,      // TLS: the stream ended without close_notify
  kReset,
};

struct Received {
  std::string bytes;
  Ending ending = Ending::kOpen;
  Milliseconds took{};
};

// One HTTP answer, parsed by net/http.h. status 0: none came, or none that parses.
struct HttpAnswer {
  int status = 0;
  std::string head;
  std::string body;  // payload, without chunk framing
  bool whole = false;
  Ending ending = Ending::kOpen;
  Milliseconds took{};
  std::string error_id() const;  // "/error/id" of a JSON body; empty when there is none
};

class RawClient {
 public:
  // HOST:PORT; nullptr when nobody answers, or when the handshake fails.
  static std::unique_ptr<RawClient> tcp(const std::string& endpoint);
  static std::unique_ptr<RawClient> tls(const std::string& endpoint);
  ~RawClient();  // without close_notify
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool send(std::string_view bytes, Milliseconds patience = Milliseconds(10'000));
  using Enough = std::function<bool(std::string_view)>;
  Received receive(Milliseconds patience, const Enough& enough = {});
  // Sends a request's bytes and reads one answer to its end.
  HttpAnswer exchange(std::string_view request, std::string_view method = "GET",
                      Milliseconds patience = Milliseconds(10'000));
  // Reads the next answer, when several requests were sent.
  HttpAnswer next_answer(std::string_view method = "GET", Milliseconds patience = Milliseconds(10'000));
  void shut_writing() const;  // FIN under whatever was sent

 private:
  RawClient() = default;
  enum class Step : std::uint8_t { kBytes, kWait, kEnded };
  Step read_some(std::string& to, Ending& ending, short& wanted);

  net::Descriptor socket_;
  std::optional<channel::TlsStream> stream_;
  std::string unread_;  // bytes after the last answer
};

// "GET PATH HTTP/1.1" with Host, the token when it is not empty, and further lines ("Name: value\r\n…").
std::string get(const std::string& path, const std::string& token = {}, const std::string& lines = {});
std::string post(const std::string& path, const std::string& body, const std::string& token = {},
                 const std::string& lines = {});

// Whether something accepts connections at HOST:PORT.
bool port_is_open(const std::string& endpoint);

}  // namespace gateway::harness
