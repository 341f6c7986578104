#include "verifier/metrics.h"

namespace gateway::verifier {
namespace {

void put(std::string& out, std::string_view name, std::string_view kind, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help);
  out.append("\n# TYPE ").append(name).append(" ").append(kind).append("\n");
}

void put_value(std::string& out, std::string_view name, std::string_view labels, std::int64_t value) {
  out.append(name);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(std::to_string(value)).append("\n");
}

std::string label(std::string_view key, std::string_view value) {
  return std::string(key) + "=\"" + std::string(value) + "\"";
}

}  // namespace

void Metrics::count(const attestation::Verification& verification) {
  const std::string_view platform = verification.platform ? to_string(*verification.platform) : "unknown";
  ++verifications[{platform, to_string(verification.appraisal)}];
  if (verification.reason) ++reasons[verification.reason->id()];
}

std::string metrics_text(const Metrics& metrics, std::size_t sessions_now, const std::vector<Expiry>& expiries,
                         Time now) {
  std::string out;
  put(out, "gateway_verifier_verifications_total", "counter", "Evidence judged, by platform and appraisal.");
  for (const auto& [key, count] : metrics.verifications) {
    put_value(out, "gateway_verifier_verifications_total",
              label("platform", key.first) + "," + label("appraisal", key.second), static_cast<std::int64_t>(count));
  }
  put(out, "gateway_verifier_reasons_total", "counter", "First failed checks, by id.");
  for (const auto& [id, count] : metrics.reasons) {
    put_value(out, "gateway_verifier_reasons_total", label("id", id), static_cast<std::int64_t>(count));
  }
  put(out, "gateway_verifier_refused_total", "counter", "Requests that never reached a verification.");
  const std::pair<std::string_view, std::uint64_t> refused[] = {{"quota", metrics.refused_quota},
                                                                {"request", metrics.refused_request},
                                                                {"sessions", metrics.refused_sessions},
                                                                {"token", metrics.refused_token}};
  for (const auto& [why, count] : refused) {
    put_value(out, "gateway_verifier_refused_total", label("why", why), static_cast<std::int64_t>(count));
  }
  put(out, "gateway_verifier_sessions_opened_total", "counter", "Challenges given out.");
  put_value(out, "gateway_verifier_sessions_opened_total", {}, static_cast<std::int64_t>(metrics.sessions_opened));
  put(out, "gateway_verifier_sessions", "gauge", "Challenges that have not expired.");
  put_value(out, "gateway_verifier_sessions", {}, static_cast<std::int64_t>(sessions_now));
  put(out, "gateway_verifier_collateral_expires_seconds", "gauge",
      "Seconds until a document of the collateral runs out; then verifications that need it are undecided.");
  for (const Expiry& one : expiries) {
    put_value(out, "gateway_verifier_collateral_expires_seconds",
              label("kind", one.kind) + "," + label("name", one.name),
              std::chrono::duration_cast<std::chrono::seconds>(one.at - now).count());
  }
  return out;
}

}  // namespace gateway::verifier
