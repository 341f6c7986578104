// The deployment's configuration against the measured image: it may only narrow.
//
// Input:  the image's description (measured) and the host's configuration (hostile, parsed by channel/deployment.h).
// Output: EffectiveConfig: what the runtime runs with; never more than the image allows.
// Spec:   docs/trust.md §2.
// Errors: kPolicyRejected config.widens (with the key's name)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "channel/deployment.h"
#include "image/description.h"
#include "server/seam.h"

namespace gateway::runtime {

struct EffectiveConfig {
  crypto::PublicKey access_key;
  std::vector<std::string> paths;  // patterns of image::path_allowed
  std::vector<std::string> argv;
  std::map<std::string, std::string, std::less<>> env;
  server::ServerLimits limits;
  log::Level log_level = log::Level::kInfo;
};

Result<EffectiveConfig> narrow(const image::Description& description, const channel::DeploymentConfig& deployment);

}  // namespace gateway::runtime
