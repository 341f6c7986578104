#include "runtime/arguments.h"

#include <fcntl.h>

#include <array>
#include <optional>
#include <string_view>

namespace gateway::runtime {
namespace {

constexpr int kConnectTimeoutMs = 20'000;
constexpr std::array<std::string_view, 5> kNames{"--platform=", "--control=", "--nsm=", "--ingress=", "--egress="};

std::unexpected<Error> bad_arguments(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "runtime.arguments", std::move(detail),
              "expected --platform=local|nitro --control=URL --nsm=fd:N|PATH --ingress=URL --egress=URL, each once");
}

}  // namespace

Result<Arguments> parse_arguments(std::span<const char* const> words) {
  std::array<std::optional<std::string_view>, kNames.size()> values;
  for (const std::string_view word : words) {
    std::size_t name = 0;
    while (name < kNames.size() && !word.starts_with(kNames[name])) ++name;
    if (name == kNames.size()) return bad_arguments("an argument is not known");
    if (values[name]) return bad_arguments("an argument is given twice");
    values[name] = word.substr(kNames[name].size());
  }
  for (const auto& value : values) {
    if (!value || value->empty()) return bad_arguments("an argument is missing");
  }
  Arguments arguments;
  const auto platform = attestation::platform_from(*values[0]);
  if (!platform || (*platform != attestation::Platform::kLocal && *platform != attestation::Platform::kNitro)) {
    return bad_arguments("the platform is not one that this binary runs on");
  }
  arguments.platform = *platform;
  GATEWAY_ASSIGN(arguments.control, net::Address::parse_url(*values[1]));
  arguments.nsm = *values[2];
  if (!arguments.nsm.starts_with("fd:") && !arguments.nsm.starts_with('/')) return bad_arguments("--nsm is neither");
  GATEWAY_ASSIGN(arguments.ingress, net::Address::parse_url(*values[3]));
  GATEWAY_ASSIGN(arguments.egress, net::Address::parse_url(*values[4]));
  return arguments;
}

Result<net::Descriptor> inherit(std::uint32_t number) {
  const int descriptor = static_cast<int>(number);
  if (::fcntl(descriptor, F_GETFD) < 0) {
    return bad_arguments("descriptor " + std::to_string(number) + " is not open");
  }
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return net::Descriptor(descriptor);
}

Result<net::Descriptor> open_control(const net::Address& address) {
  if (address.kind == net::Address::Kind::kDescriptor) return inherit(address.port);
  return net::connect_to(address, kConnectTimeoutMs);
}

Result<net::Descriptor> open_door(const net::Address& address) {
  if (address.kind != net::Address::Kind::kDescriptor) return net::listen_on(address);
  GATEWAY_ASSIGN(net::Descriptor listener, inherit(address.port));
  ::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) | O_NONBLOCK);
  return listener;
}

}  // namespace gateway::runtime
