#include "fetch/fetcher.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "crypto/random.h"

namespace gateway::fetch {
namespace {

// Half of the time to all of it: many who were turned away together do not come back together.
Duration with_jitter(Duration time) {
  const auto random = crypto::random_array<2>();
  const auto share = static_cast<Duration::rep>(random[0] * 256 + random[1]);  // of 65536
  return time / 2 + Duration(time.count() / 2 * share / 65'536);
}

bool worth_another_try(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

// A proxy that said no will say no again.
bool worth_another_try(const Error& error) {
  return error.code() == ErrorCode::kUnavailable && error.id() != "collateral.fetch.proxy";
}

Status judge(const HttpResponse& response) {
  if (response.status == 200) return {};
  const std::string status = std::to_string(response.status);
  if (response.status == 429 || response.status == 503) {
    return fail(ErrorCode::kUnavailable, "collateral.fetch.busy", "the service has no time for us: status " + status,
                "try again in a few minutes");
  }
  if (response.status == 404 || response.status == 400) {
    return fail(ErrorCode::kNotFound, "collateral.fetch.not_found", "the service does not know what was asked for",
                "check that the evidence and the service belong together: product, chip and TCB, or FMSPC");
  }
  return fail(ErrorCode::kUnavailable, "collateral.fetch.status", "expected status 200, found " + status,
              "check the service's address");
}

std::optional<std::int64_t> seconds_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > 31'536'000) return std::nullopt;
  return value;
}

// The value of a directive of Cache-Control, or "" where it has none; nullopt: it is not there.
std::optional<std::string> directive(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string one;
    for (const char c : list.substr(0, comma)) {
      if (c != ' ' && c != '\t' && c != '"') one.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
    const std::size_t equals = std::min(one.find('='), one.size());
    if (one.substr(0, equals) == wanted) return one.substr(std::min(equals + 1, one.size()));
  }
  return std::nullopt;
}

Answer answer_of(const HttpResponse& response, const Want& want) {
  Answer answer{.content_type = std::string(response.header("content-type").value_or("")),
                .body = response.body,
                .issuer_chain = {}};
  for (const std::string& name : want.chain_in) {
    if (const auto chain = response.header(name)) answer.issuer_chain = *chain;
  }
  return answer;
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view value, Time now) {
  if (const auto seconds = seconds_of(value)) return std::chrono::seconds(*seconds);
  // "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7)
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (value.size() != 29 || !value.ends_with(" GMT") || value.substr(3, 2) != ", ") return std::nullopt;
  const std::size_t month = kMonths.find(value.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  const std::string number = std::to_string(month / 3 + 1);
  const std::string text = std::string(value.substr(12, 4)) + "-" + (number.size() < 2 ? "0" : "") + number + "-" +
                           std::string(value.substr(5, 2)) + "T" + std::string(value.substr(17, 8)) + "Z";
  const auto time = from_rfc3339(text);
  if (!time) return std::nullopt;
  return std::max(Duration::zero(), std::chrono::duration_cast<Duration>(*time - now));
}

std::optional<Time> keep_until(const Want& want, const Content& content, std::string_view cache_control, Time now) {
  if (directive(cache_control, "no-store")) return std::nullopt;
  Time until = content.validity.not_after;
  const bool certificate = want.kind == Kind::kVcek || want.kind == Kind::kAmdChain;
  if (!certificate) until = std::min(until, now + kMaxKept);
  if (const auto age = directive(cache_control, "max-age")) {
    until = std::min(until, now + std::chrono::seconds(seconds_of(*age).value_or(0)));
  }
  if (until <= now) return std::nullopt;
  return until;
}

void Fetcher::wait(Duration time, const Want& want) {
  if (time <= Duration::zero()) return;
  if (surroundings_.tell) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
    surroundings_.tell("waiting " + std::to_string(seconds) + " s for " + want.url.authority());
  }
  surroundings_.sleep(time);
}

void Fetcher::keep_pace(const Want& want) {
  const std::string service = want.url.authority();
  if (const auto last = last_request_.find(service); last != last_request_.end()) {
    const Time now = surroundings_.clock.now();
    if (now >= last->second) wait(want.pace - (now - last->second), want);
  }
  last_request_[service] = surroundings_.clock.now();
}

Result<HttpResponse> Fetcher::ask_once(const Want& want) {
  keep_pace(want);
  return http_.get(want.url);
}

Result<HttpResponse> Fetcher::ask(const Want& want) {
  // A service that was silent for all attempts just now is not worth as many again.
  const std::string service = want.url.authority();
  const unsigned attempts = silent_.contains(service) ? 1 : policy_.attempts;
  Duration pause = std::max(policy_.first, want.pace);
  for (unsigned attempt = 1;; ++attempt) {
    auto response = ask_once(want);
    const bool again = response ? worth_another_try(response->status) : worth_another_try(response.error());
    Duration time = std::max(with_jitter(pause), want.pace);
    if (response && again) {
      const auto told = response->header("retry-after");
      const auto after = told ? parse_retry_after(*told, surroundings_.clock.now()) : std::nullopt;
      if (after) time = std::max(time, *after);
    }
    if (!again || attempt >= attempts || time > policy_.longest) {
      if (response) silent_.erase(service);
      else if (again) silent_.insert(service);
      return response;
    }
    wait(time, want);
    pause = std::min(pause * 2, std::max(policy_.most, want.pace));
  }
}

Result<Fetched> Fetcher::fetch(const Want& want) {
  const Time before = surroundings_.clock.now();
  if (const auto kept = cache_ ? cache_->find(want.url, before) : std::nullopt) {
    auto content = recognise(want, *kept);
    if (content && before <= content->validity.not_after) {
      return Fetched{.content = *std::move(content), .cached = true, .stale = false};
    }
  }
  GATEWAY_ASSIGN(const HttpResponse response, ask(want));
  GATEWAY_TRY(judge(response));
  const Answer answer = answer_of(response, want);
  GATEWAY_ASSIGN(Content content, recognise(want, answer));
  const Time now = surroundings_.clock.now();
  const bool stale = now > content.validity.not_after;
  const auto until = keep_until(want, content, response.header("cache-control").value_or(""), now);
  if (cache_ && until) GATEWAY_TRY(cache_->insert(want.url, answer, *until));
  return Fetched{.content = std::move(content), .cached = false, .stale = stale};
}

}  // namespace gateway::fetch
