// Writes the heads that the server sends: its own answers, requests to the workload, answers of the workload.
//
// The workload never sees hop-by-hop fields, Authorization, Proxy-Authorization, Expect, or names with an underscore
// (which CGI-like servers mistake for a hyphen). Framing fields are written anew from what was parsed, never copied.
#pragma once

#include <optional>
#include <string_view>

#include "net/http.h"
#include "server/seam.h"

namespace gateway::server {

// What the caller's connection allows.
enum class Persistence : std::uint8_t { kKeepAlive, kClose };
struct CallerProtocol {
  int minor_version = 1;
  Persistence persistence = Persistence::kKeepAlive;
};

void append_local_head(Bytes& out, const LocalResponse& response, CallerProtocol caller);

// How a body is announced: a length, chunks, or nothing at all.
struct BodyAnnouncement {
  std::optional<std::uint64_t> length;
  bool chunked = false;
};
// In two steps, because a body that is rewritten has its length last.
// `claim`: what the forwarder says of the caller's address; empty: nothing.
void begin_request_head(Bytes& out, const net::HttpHead& head, std::string_view target, std::string_view claim);
void end_request_head(Bytes& out, BodyAnnouncement body);
void append_response_head(Bytes& out, const net::HttpHead& head, BodyAnnouncement body, CallerProtocol caller);

// A chunk written in place: open it for at most so many bytes of payload, append the payload, close it.
class ChunkWriter {
 public:
  ChunkWriter(Bytes& out, std::size_t at_most);
  void close();  // leaves nothing of a chunk without payload: that would end the body

 private:
  Bytes& out_;
  std::size_t begin_;
  std::size_t digits_;
};
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace gateway::server
