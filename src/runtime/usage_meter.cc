#include "runtime/usage_meter.h"

#include <algorithm>
#include <boost/json.hpp>

#include "codec/json.h"

namespace gateway::runtime {
namespace {

namespace json = boost::json;

constexpr codec::JsonLimits kLimits{.bytes = kMaxMeteredAnswer, .depth = 32, .values = 100'000};

std::optional<std::uint64_t> count(const json::object& usage, std::string_view key) {
  const json::value* value = usage.if_contains(key);
  if (value == nullptr) return 0;
  if (!value->is_int64() || value->get_int64() < 0) return std::nullopt;
  const auto found = static_cast<std::uint64_t>(value->get_int64());
  if (found > kMaxCountedTokens) return std::nullopt;
  return found;
}

}  // namespace

std::optional<Usage> parse_usage(std::string_view text) {
  const auto parsed = codec::parse_json(text, kLimits);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::value* usage = parsed->get_object().if_contains("usage");
  if (usage == nullptr || !usage->is_object()) return std::nullopt;
  const auto prompt = count(usage->get_object(), "prompt_tokens");
  const auto completion = count(usage->get_object(), "completion_tokens");
  if (!prompt || !completion) return std::nullopt;
  return Usage{*prompt, *completion};
}

void UsageReader::take(ByteView payload) {
  if (shape_ == AnswerShape::kEventStream) return take_stream(as_text(payload));
  if (overlong_) return;
  overlong_ = kept_.size() + payload.size() > kMaxMeteredAnswer;
  if (overlong_) std::string().swap(kept_);
  else kept_.append(as_text(payload));
}

// Lines as they come; only a line that a piece breaks is kept.
void UsageReader::take_stream(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    overlong_ = overlong_ || kept_.size() + piece.size() > kMaxMeteredLine;
    if (end == std::string_view::npos) {
      if (!overlong_) kept_.append(piece);
      return;
    }
    if (!overlong_) {
      if (kept_.empty()) take_line(piece);
      else take_line(kept_.append(piece));
    }
    kept_.clear();
    overlong_ = false;
    text.remove_prefix(end + 1);
  }
}

void UsageReader::take_line(std::string_view line) {
  constexpr std::string_view kData = "data:";
  if (!line.starts_with(kData)) return;
  ++events_;
  // Inside a JSON string the quotes of this word would be escaped, so it cannot come from a model's text.
  if (line.find("\"usage\"") == std::string_view::npos) return;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (const auto usage = parse_usage(line.substr(kData.size()))) usage_ = usage;
}

void UsageReader::end() {
  if (shape_ == AnswerShape::kJson && !overlong_) usage_ = parse_usage(kept_);
}

void UsageAccount::charge(double amount) { caller_->model_tokens.charge(amount, loop_.now()); }

void UsageAccount::open(const LlamaRequest& request) {
  reader_.emplace(request.answer);
  prompt_estimate_ = request.prompt_estimate;
  reserved_ = static_cast<double>(request.max_tokens + request.prompt_estimate);
  charge(reserved_);
}

void UsageAccount::take(ByteView payload) {
  if (reader_) reader_->take(payload);
}

void UsageAccount::settle(server::ForwardObserver::Ending ending, int status) {
  if (!reader_) return;  // refused before it was opened
  const bool complete = ending == server::ForwardObserver::Ending::kComplete;
  if (complete && status >= 400) return charge(-reserved_);
  reader_->end();
  CallerCounters& counters = caller_->counters;
  if (const auto& usage = reader_->usage()) {
    counters.prompt_tokens += usage->prompt;
    counters.completion_tokens += usage->completion;
    return charge(static_cast<double>(usage->prompt + usage->completion) - reserved_);
  }
  const auto seen = static_cast<double>(prompt_estimate_ + reader_->events());
  const double cost = reader_->events() > 0 ? std::min(seen, reserved_) : reserved_;
  counters.estimated_tokens += static_cast<std::uint64_t>(cost);
  charge(cost - reserved_);
}

}  // namespace gateway::runtime
