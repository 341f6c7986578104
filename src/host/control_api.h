// The control socket of gatewayd: one JSON object a line each way, strict in both directions.
//
// Access is the socket's file mode. The image travels as a descriptor (SCM_RIGHTS) beside the request, so the daemon
// never opens a path that a caller named. Requests:
//     {"op":"version"}
//     {"op":"run","name":…,"platform":"local","listen":"127.0.0.1:0","config":base64,"tokens":base64,"traffic":TEXT}
//         + descriptor; TEXT: JSON of host/traffic.h
//     {"op":"ps"}   {"op":"inspect","name":…}   {"op":"stop","name":…,"grace_ms":10000}
//     {"op":"events","name":…,"after":0,"limit":1000}   {"op":"tokens","name":…,"list":base64}
// Answers: {"ok":true,…} or {"ok":false,"error":{"code","id","detail","remedy"}}.
// Bounds: kMaxRequestLine, kMaxAnswerLine.
// Errors: kMalformed host.request.syntax, host.request.key; kUnsupported host.request.op;
//         kInvalidArgument host.name; kMalformed host.traffic; kMalformed host.answer.syntax
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "host/reported.h"
#include "host/traffic.h"

namespace gateway::host {

inline constexpr std::size_t kMaxRequestLine = 2UZ * 1024 * 1024;
inline constexpr std::size_t kMaxAnswerLine = 4UZ * 1024 * 1024;
inline constexpr std::size_t kMaxEventsPerAnswer = 1000;
inline constexpr std::chrono::milliseconds kMaxGrace{600'000};

struct VersionRequest {};
struct RunRequest {
  std::string name;
  std::string platform = "local";
  std::string listen = "127.0.0.1:0";
  Bytes config;
  Bytes tokens;
  Traffic traffic;
};
struct PsRequest {};
struct InspectRequest {
  std::string name;
};
struct StopRequest {
  std::string name;
  std::chrono::milliseconds grace{10'000};
};
struct EventsRequest {
  std::string name;
  std::uint64_t after = 0;  // sequence number of the last event that the caller has
  std::size_t limit = kMaxEventsPerAnswer;
};
struct TokensRequest {
  std::string name;
  Bytes list;
};
using Request =
    std::variant<VersionRequest, RunRequest, PsRequest, InspectRequest, StopRequest, EventsRequest, TokensRequest>;

Result<Request> parse_request(std::string_view line);
std::string encode_request(const Request& request);

std::string encode_refusal(const Reported& refusal);
// A whole answer: its object, or the refusal in it.
struct Answer {
  std::optional<Reported> refusal;
  std::string body;  // the JSON object as text, when not refused
};
Result<Answer> parse_answer(std::string_view line);

}  // namespace gateway::host
