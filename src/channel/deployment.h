// The deployment's configuration: what the host hands to an enclave beside the measured image. Parsing alone; whether
// it narrows what the image allows is judged inside the enclave (runtime/config.h), never here.
//
//     version = 1
//     access_key = "base64 of a P-256 SubjectPublicKeyInfo"   # signs token lists (channel/tokens.h)
//     [ingress]
//     paths = ["/v1/completions"]        # fewer than the image's
//     [workload]
//     args = ["--threads", "2"]          # appended, where the image declares args_append
//     env = { MODEL_ALIAS = "small" }    # names that the image declares
//     [limits]                           # lower than the image's
//     max_header = 8192
//     max_body = 1048576
//     max_connections = 100
//     max_in_flight = 4
//     response_timeout = "60s"           # also head_timeout, body_timeout, idle_timeout
//     [logging]
//     level = "warning"                  # debug, info, warning, error; info is the most that an image allows
//
// Input:  untrusted: on its way to the enclave it belongs to the host.
// Output: DeploymentConfig: what the text says. Its digest is SHA-384 of the exact bytes, and part of K.
// Bounds: kMaxDeploymentSize bytes; counts and lengths below.
// Errors: kMalformed toml.syntax; kLimitExceeded deployment.size; kInvalidArgument toml.* (unknown keys
//         included), deployment.version, deployment.access_key, deployment.path, deployment.argument,
//         deployment.environment, deployment.limit, deployment.level
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace gateway::channel {

inline constexpr std::size_t kMaxDeploymentSize = 64UZ * 1024;
inline constexpr std::size_t kMaxDeploymentPaths = 64;
inline constexpr std::size_t kMaxDeploymentArguments = 64;
inline constexpr std::size_t kMaxDeploymentVariables = 64;
inline constexpr std::size_t kMaxDeploymentText = 4096;  // one path, argument or value

// Absent means: as the image says.
struct DeploymentLimits {
  std::optional<std::uint64_t> max_header;  // bytes of one request head
  std::optional<std::uint64_t> max_body;    // bytes of one request body
  std::optional<std::uint64_t> max_connections;
  std::optional<std::uint64_t> max_in_flight;  // requests with the workload at once
  std::optional<Duration> head_timeout;
  std::optional<Duration> body_timeout;
  std::optional<Duration> idle_timeout;
  std::optional<Duration> response_timeout;
};

struct DeploymentConfig {
  crypto::PublicKey access_key;
  std::optional<std::vector<std::string>> paths;
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  DeploymentLimits limits;
  std::optional<log::Level> log_level;
};

Result<DeploymentConfig> parse_deployment(std::string_view toml, std::string file_name);

// `config` of policies, `config_digest` of K.
crypto::Sha384 deployment_digest(ByteView exact_bytes);

// The smallest configuration: this access key, everything else as the image says. The same key gives the same bytes.
std::string make_default_config(const crypto::PublicKey& access_key);

}  // namespace gateway::channel
