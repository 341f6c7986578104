// Asks services for what is wanted: from the cache while it holds, then over the network, patiently.
//
// Input:  answers, untrusted. Nothing is kept that does not parse as what was asked for; nothing is believed.
// Bounds: RetryPolicy; HttpClientOptions.
// Spec:   RFC 9110 §10.2.3 (Retry-After), RFC 6585 §4 (429), RFC 9111 §5.2 (Cache-Control: max-age, no-store).
// Errors: those of http_client.h and content.h; kNotFound collateral.fetch.not_found; kUnavailable
// collateral.fetch.busy,
//         collateral.fetch.status
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/clock.h"
#include "fetch/cache.h"
#include "fetch/http_client.h"

namespace gateway::fetch {

struct RetryPolicy {
  unsigned attempts = 5;
  Duration first = std::chrono::seconds(1);  // doubled each time, with jitter; at least the service's pace
  Duration most = std::chrono::minutes(1);
  Duration longest = std::chrono::minutes(5);  // a Retry-After beyond this is not waited for
};

struct Fetched {
  Content content;
  bool cached = false;
  bool stale = false;  // what the service sent has expired; it is never cached
};

class Fetcher {
 public:
  struct Surroundings {
    const Clock& clock;                       // borrowed
    std::function<void(Duration)> sleep;      // and whoever waits may say so
    std::function<void(std::string)> tell{};  // "waiting 10 s before …"; optional
  };
  Fetcher(const HttpClient& http, Surroundings surroundings, std::optional<Cache> cache, RetryPolicy policy = {})
      : http_(http), surroundings_(std::move(surroundings)), cache_(std::move(cache)), policy_(policy) {}

  Result<Fetched> fetch(const Want& want);

 private:
  Result<HttpResponse> ask(const Want& want);
  Result<HttpResponse> ask_once(const Want& want);
  void keep_pace(const Want& want);
  void wait(Duration time, const Want& want);

  const HttpClient& http_;
  Surroundings surroundings_;
  std::optional<Cache> cache_;
  RetryPolicy policy_;
  std::map<std::string, Time> last_request_;  // by authority
  std::set<std::string> silent_;              // authorities that did not answer the last time
};

// For tests: seconds, or an HTTP date (IMF-fixdate) less now; nullopt: neither.
std::optional<Duration> parse_retry_after(std::string_view value, Time now);
// Until when an answer may be kept: what it says itself, what Cache-Control allows, and kMaxKept for what its issuer
// may replace early. nullopt: not at all.
inline constexpr Duration kMaxKept = std::chrono::hours(24);
std::optional<Time> keep_until(const Want& want, const Content& content, std::string_view cache_control, Time now);

}  // namespace gateway::fetch
