// gatewayd's configuration: TOML, all of it optional.
//
//     state_dir = "/var/lib/gateway"     # images, enclaves, the local root, the database
//     socket = "/run/gateway/gatewayd.sock"
//     group = "gateway"                  # who may call beside the owner
//     qemu = "/var/cache/qemu-nitro"     # what `./dev qemu-nitro` built: platform qemu, for tests
//     [limits]
//     memory = "12GiB"                   # of all enclaves together; the host's memory when absent
//     enclaves_per_cpu = 4               # platform local: how many may share a processor
//     [egress]                           # narrows what images allow; never widens it
//     offered = true                     # false: no enclave has a way out
//     allow = ["*.amazonaws.com:443"]    # absent: whatever an image allows
//     resolver = "192.0.2.53:53"         # absent: the first name server of /etc/resolv.conf
//     aws_credentials = "instance-role"  # or a file of JSON; absent: none are passed on
//     imds = "http://169.254.169.254"    # the instance's metadata service
//     packets = true                     # for images with egress.tun: needs passt
//     [log]
//     level = "info"                     # debug, info, warning, error
//     format = "text"                    # text, json
//
// Errors: those of codec/toml.h; kInvalidArgument toml.bad_value, host.egress.config, host.egress.resolver,
// image.egress
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "host/egress_config.h"

namespace gateway::host {

struct DaemonConfig {
  std::string state_dir;  // empty: state_folder_of_user()
  std::string socket;     // empty: gatewayd.sock in the state folder
  std::optional<std::string> group;
  std::string qemu;  // empty: no platform qemu
  std::uint64_t memory = 0;
  unsigned enclaves_per_cpu = 4;
  EgressConfig egress;
  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;
};

Result<DaemonConfig> parse_daemon_config(std::string_view toml, std::string file_name);

// $GATEWAY_STATE; else /var/lib/gateway for root and $XDG_STATE_HOME/gateway or ~/.local/state/gateway for others.
std::string state_folder_of_user();
// $GATEWAY_SOCKET, else gatewayd.sock in the folder.
std::string socket_in(const std::string& state_folder);

// "512MiB", "8GiB", plain bytes.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace gateway::host
