// The control channel between an enclave and its host: frames over any stream socket.
//
// Both sides treat the other's frames as hostile input. Nothing that crosses it is secret.
// Frame:  u32be length of (type ‖ body), u8 type, body. Bounds: kMaxControlBody.
// Errors: kMalformed control.frame; kLimitExceeded control.size; kUnavailable control.closed
#pragma once

#include "base/bytes.h"

namespace gateway::net {

enum class ControlType : std::uint8_t {
  kConfig = 1,   // host → enclave: the deployment's configuration, exact bytes
  kCmdline = 2,  // host → enclave on local: the image's cmdline as the shim passes it
  kTokens = 3,   // host → enclave: a signed token list (channel/tokens.h)
  kStop = 4,     // host → enclave: u32be seconds of grace
  kPing = 5,
  kEvent = 16,  // enclave → host: one JSON line of the runtime's own events
  kReady = 17,
  kFatal = 18,  // dotted id, newline, detail: the enclave is about to stop
  kPong = 19,
  kDial = 20,  // u16be: so many connections to the egress port are wanted (net/egress_link.h)
};

inline constexpr std::size_t kMaxControlBody = 1024UZ * 1024;

struct ControlFrame {
  ControlType type{};
  Bytes body;
};

// Blocking, whole frames.
Status write_control(int file_descriptor, ControlType type, ByteView body);
Result<ControlFrame> read_control(int file_descriptor);

// Incremental, for event loops: feed bytes, take frames.
class ControlDecoder {
 public:
  void feed(ByteView bytes) { append(buffer_, bytes); }
  Result<std::optional<ControlFrame>> next();

 private:
  Bytes buffer_;
};

}  // namespace gateway::net
