// Callers of the enclave under attack: the test holds the access key, as an operator does, and sends lists by the host.
#pragma once

#include <string>
#include <vector>

#include "channel/tokens.h"

namespace gateway::hostile_suite {

// Files for `gateway run --config … --tokens …`, written once.
const std::string& config_file();
const std::string& first_list_file();
// A caller with every right and no quota, in every list that is sent here.
std::string good_token();
std::string new_token();
channel::TokenEntry entry_of(const std::string& id, const std::string& token,
                             std::uint32_t rights = channel::kRightCall);

enum class Signer : std::uint8_t { kAccessKey, kStranger };
// A list of the good caller and these, in a file.
std::string signed_list(std::uint64_t version, const std::vector<channel::TokenEntry>& more,
                        Duration life = std::chrono::hours(1), Signer signer = Signer::kAccessKey);
std::uint64_t next_version();
// Hands a list to the enclave through gatewayd, and waits until its events tell what became of it: "tokens.accepted",
// or the id that refused it.
std::string hand_over(const std::string& list_file);

}  // namespace gateway::hostile_suite
