// Reads the engine's own count of tokens from its answers as they pass, and charges the caller's quota with it.
//
// At the start the most that the request can cost is charged (so that many requests at once cannot overdraw), at the
// end the difference to the engine's `usage` is given back. Where no usage came (the caller left, the engine failed in
// mid-stream, an answer larger than kMaxMeteredAnswer) the charge is what was seen: one token an event of a stream and
// the estimate of the prompt; where nothing was seen, all that was charged. Leaving early is no way around a quota. An
// answer with an error status costs nothing.
//
// Input:  the workload's answers: untrusted; bounded; never altered here.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/loop.h"
#include "runtime/admission.h"
#include "runtime/llama_profile.h"

namespace gateway::runtime {

inline constexpr std::size_t kMaxMeteredAnswer = 256UZ * 1024;
inline constexpr std::size_t kMaxMeteredLine = 64UZ * 1024;
inline constexpr std::uint64_t kMaxCountedTokens = 100'000'000;  // a larger count is no count

struct Usage {
  std::uint64_t prompt = 0;
  std::uint64_t completion = 0;
};

// `usage` of an answer or of one event's data; nullopt where it is missing, null or not a count.
std::optional<Usage> parse_usage(std::string_view json);

// Finds the usage in an answer that comes in pieces.
class UsageReader {
 public:
  explicit UsageReader(AnswerShape shape) : shape_(shape) {}
  void take(ByteView payload);
  void end();
  const std::optional<Usage>& usage() const { return usage_; }
  std::uint64_t events() const { return events_; }

 private:
  void take_stream(std::string_view text);
  void take_line(std::string_view line);
  AnswerShape shape_;
  std::string kept_;       // the answer so far, or the part of a line
  bool overlong_ = false;  // the rest of this line, or of this answer, is skipped
  std::uint64_t events_ = 0;
  std::optional<Usage> usage_;
};

// One request's account. Shared by the rewriting of the body, which opens it, and the observer, which settles it.
class UsageAccount {
 public:
  UsageAccount(net::Loop& loop, std::shared_ptr<AdmittedCaller> caller) : loop_(loop), caller_(std::move(caller)) {}
  void open(const LlamaRequest& request);
  void take(ByteView payload);
  void settle(server::ForwardObserver::Ending ending, int status);

 private:
  void charge(double amount);
  net::Loop& loop_;
  std::shared_ptr<AdmittedCaller> caller_;
  std::optional<UsageReader> reader_;
  double reserved_ = 0;
  std::uint64_t prompt_estimate_ = 0;
};

}  // namespace gateway::runtime
