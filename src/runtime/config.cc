#include "runtime/config.h"

#include <algorithm>

namespace gateway::runtime {
namespace {

std::unexpected<Error> widens(std::string_view key, std::string detail) {
  return fail(ErrorCode::kPolicyRejected, "config.widens", std::string(key) + ": " + detail,
              "a configuration may only narrow what the measured image allows: change this key, or the image");
}

Status narrow_paths(const image::Description& description, const channel::DeploymentConfig& deployment,
                    EffectiveConfig& effective) {
  effective.paths = description.ingress.paths;
  if (!deployment.paths) return {};
  if (!description.slots.paths_narrow) return widens("ingress.paths", "the image does not declare this slot");
  for (const std::string& pattern : *deployment.paths) {
    if (!image::well_formed_pattern(pattern) || !image::pattern_within(description.ingress.paths, pattern)) {
      return widens("ingress.paths", "a path is not within those of the image");
    }
  }
  effective.paths = *deployment.paths;
  return {};
}

Status narrow_workload(const image::Description& description, const channel::DeploymentConfig& deployment,
                       EffectiveConfig& effective) {
  effective.argv = description.workload.argv;
  if (!deployment.args.empty() && !description.slots.args_append) {
    return widens("workload.args", "the image does not let a deployment append arguments");
  }
  effective.argv.insert(effective.argv.end(), deployment.args.begin(), deployment.args.end());
  effective.env = description.workload.env;
  for (const auto& [name, value] : deployment.env) {
    const bool declared = std::ranges::find(description.slots.env, name) != description.slots.env.end();
    // The name passed the grammar of variables, so it may be shown.
    if (!declared || effective.env.contains(name)) {
      return widens("workload.env." + name, "the image does not let a deployment set this variable");
    }
    effective.env.emplace(name, value);
  }
  return {};
}

// Of the enclave's memory, for bodies that are rewritten: the rest is the workload's.
constexpr std::uint64_t kCollectedPart = 8;

template <class Number>
Status lower(const char* key, Number limit, const std::optional<Number>& wanted, auto& effective) {
  if (wanted && *wanted > limit) return widens(std::string("limits.") + key, "the value is above the image's");
  effective = static_cast<std::remove_reference_t<decltype(effective)>>(wanted.value_or(limit));
  return {};
}

Status narrow_limits(const image::LimitsDescription& image, const channel::DeploymentLimits& wanted,
                     server::ServerLimits& effective) {
  GATEWAY_TRY(lower<std::uint64_t>("max_header", image.max_header, wanted.max_header, effective.http.max_head));
  GATEWAY_TRY(lower<std::uint64_t>("max_body", image.max_body, wanted.max_body, effective.max_body));
  GATEWAY_TRY(lower<std::uint64_t>("max_connections", image.max_connections, wanted.max_connections,
                                   effective.max_connections));
  GATEWAY_TRY(
      lower<std::uint64_t>("max_in_flight", image.max_in_flight, wanted.max_in_flight, effective.max_in_flight));
  GATEWAY_TRY(lower<Duration>("head_timeout", image.head_timeout, wanted.head_timeout, effective.head_timeout));
  GATEWAY_TRY(lower<Duration>("body_timeout", image.body_timeout, wanted.body_timeout, effective.body_timeout));
  GATEWAY_TRY(lower<Duration>("idle_timeout", image.idle_timeout, wanted.idle_timeout, effective.idle_timeout));
  GATEWAY_TRY(
      lower<Duration>("response_timeout", image.response_timeout, wanted.response_timeout, effective.response_timeout));
  effective.http.max_target = std::min(effective.http.max_target, effective.http.max_head);
  return {};
}

}  // namespace

Result<EffectiveConfig> narrow(const image::Description& description, const channel::DeploymentConfig& deployment) {
  EffectiveConfig effective{.access_key = deployment.access_key,
                            .paths = {},
                            .argv = {},
                            .env = {},
                            .limits = {},
                            .log_level = log::Level::kInfo};
  GATEWAY_TRY(narrow_paths(description, deployment, effective));
  GATEWAY_TRY(narrow_workload(description, deployment, effective));
  GATEWAY_TRY(narrow_limits(description.limits, deployment.limits, effective.limits));
  effective.limits.pass_client_claims = description.ingress.client_address;
  effective.limits.max_collected =
      static_cast<std::size_t>(std::max(effective.limits.max_body, description.resources.memory / kCollectedPart));
  if (deployment.log_level) {
    if (*deployment.log_level < log::Level::kInfo) return widens("logging.level", "an image allows info at most");
    effective.log_level = *deployment.log_level;
  }
  return effective;
}

}  // namespace gateway::runtime
