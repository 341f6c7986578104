#include "collateral.h"

#include <array>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "attestation/formats/bundle.h"
#include "fetch/obtain.h"
#include "terminal.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;
using attestation::SnpProduct;

constexpr std::size_t kMaxEvidence = attestation::formats::kMaxBundleSize;

std::unexpected<Error> usage(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "collateral.usage", std::move(detail), std::move(remedy));
}

class GivenClock final : public Clock {
 public:
  explicit GivenClock(std::optional<Time> at) : at_(at) {}
  Time now() const override { return at_ ? *at_ : SystemClock().now(); }

 private:
  std::optional<Time> at_;
};

struct Plan {
  fetch::Needs needs;
  fetch::Services services;
  fetch::HttpClientOptions http;
  std::vector<crypto::Certificate> tls_roots;
  std::optional<Time> at;
};

Result<std::optional<SnpProduct>> read_product(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    std::string lower(attestation::to_string(product));
    lower[0] = static_cast<char>(lower[0] + ('a' - 'A'));
    if (*name == lower || *name == attestation::to_string(product)) return product;
  }
  return usage("--product is not a product of AMD's", "write Milan, Genoa or Turin");
}

Result<std::optional<fetch::Proxy>> read_proxy(const std::optional<std::string>& given) {
  std::optional<std::string> text = given;
  for (const char* name : {"https_proxy", "HTTPS_PROXY"}) {
    const char* const value = std::getenv(name);
    if (!text && value != nullptr && *value != '\0') text = value;
  }
  if (!text || text->empty()) return std::nullopt;
  GATEWAY_ASSIGN(fetch::Proxy proxy, fetch::Proxy::parse(*text));
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    const char* const value = std::getenv(name);
    if (!given && proxy.except.empty() && value != nullptr) proxy.except = value;
  }
  return proxy;
}

// What was written on the command line, before anything is read or asked for.
Result<Plan> read_options(const CollateralFetchOptions& options) {
  Plan plan;
  if (options.pccs) plan.services.use_pccs(*options.pccs);
  if (options.kds) plan.services.use_kds(*options.kds);
  for (const auto* url : {&plan.services.pcs, &plan.services.kds}) GATEWAY_TRY(fetch::Url::parse(*url));
  GATEWAY_ASSIGN(plan.http.proxy, read_proxy(options.proxy));
  if (options.timeout) {
    const auto timeout = parse_duration(*options.timeout);
    if (!timeout || *timeout <= Duration::zero()) return usage("--timeout is not a duration", "write it as 30s or 2m");
    plan.http.timeout = *timeout;
  }
  if (options.at) {
    plan.at = from_rfc3339(*options.at);
    if (!plan.at) return usage("--at is not a time of RFC 3339", "write it as 2026-01-31T12:00:00Z");
  }
  for (const std::string& file : options.tls_roots) {
    GATEWAY_ASSIGN(const auto roots, read_certificates(file));
    plan.tls_roots.insert(plan.tls_roots.end(), roots.begin(), roots.end());
  }
  return plan;
}

Result<fetch::Needs> read_needs(const CollateralFetchOptions& options) {
  GATEWAY_ASSIGN(const auto product, read_product(options.product));
  GATEWAY_ASSIGN(const Bytes evidence, read_file(options.evidence, kMaxEvidence));
  if (evidence.size() > kMaxEvidence) {
    return fail(ErrorCode::kLimitExceeded, "collateral.fetch.evidence_size",
                "expected evidence of at most " + std::to_string(kMaxEvidence) + " bytes");
  }
  return fetch::needs_of(evidence, product);
}

Status make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return {};
  return fail(ErrorCode::kUnavailable, "collateral.fetch.write", path + " cannot be made: " + error.message(),
              "check the name, and that you may write there");
}

json::object error_json(const Error& error) {
  return {{"id", error.id()}, {"detail", error.detail()}, {"remedy", error.remedy()}};
}

json::object to_json(const fetch::Obtained& line) {
  const bool stored = !line.files.empty();
  json::object out{{"kind", fetch::to_string(line.kind)}, {"url", line.url}, {"files", json::array()}};
  for (const std::string& file : line.files) out["files"].as_array().emplace_back(file);
  out["not_before"] = stored ? json::value(to_rfc3339(line.validity.not_before)) : json::value(nullptr);
  out["not_after"] = stored ? json::value(to_rfc3339(line.validity.not_after)) : json::value(nullptr);
  out["cached"] = line.cached;
  out["error"] = line.error ? json::value(error_json(*line.error)) : json::value(nullptr);
  return out;
}

void print(const std::vector<fetch::Obtained>& lines, bool complete, bool as_json) {
  if (as_json) {
    json::array collateral;
    for (const fetch::Obtained& line : lines) collateral.push_back(to_json(line));
    return print_json({{"complete", complete}, {"collateral", std::move(collateral)}});
  }
  if (lines.empty()) say("this evidence carries all that it needs");
  for (const fetch::Obtained& line : lines) {
    for (const std::string& file : line.files) print_line(file);
    const std::string kind(fetch::to_string(line.kind));
    if (!line.error)
      say(kind + ": holds until " + to_rfc3339(line.validity.not_after) + (line.cached ? " (cached)" : ""));
    if (line.error) say(kind + " from " + line.url + ":");
    if (line.error) report(*line.error);
  }
}

Result<int> fetch_all(const CollateralFetchOptions& options) {
  GATEWAY_ASSIGN(const Plan plan, read_options(options));
  GATEWAY_ASSIGN(const fetch::Needs needs, read_needs(options));
  GATEWAY_TRY(make_folder(options.output));
  GATEWAY_ASSIGN(auto tls, channel::TlsContext::web_client(plan.tls_roots));
  const fetch::HttpClient http(std::move(tls), plan.http);
  const GivenClock clock(plan.at);
  std::optional<fetch::Cache> cache;
  if (options.cache) cache.emplace(*options.cache);
  fetch::Fetcher fetcher(http,
                         {.clock = clock,
                          .sleep = [](Duration time) { std::this_thread::sleep_for(time); },
                          .tell = [](const std::string& words) { say(words); }},
                         std::move(cache));
  GATEWAY_ASSIGN(const auto lines, fetch::obtain(needs, plan.services, fetcher, options.output));
  const bool complete = fetch::complete(lines);
  print(lines, complete, options.json);
  return complete ? kDone : kUndecided;
}

}  // namespace

int run_collateral_fetch(const CollateralFetchOptions& options) {
  const auto status = fetch_all(options);
  if (status) return *status;
  if (options.json)
    print_json({{"complete", false}, {"collateral", json::array()}, {"error", error_json(status.error())}});
  return report(status.error());
}

}  // namespace gateway::cli
