// The vsock ports on which an enclave and its parent find each other (platforms with a kernel of their own).
#pragma once

#include <cstdint>

namespace gateway::net {

inline constexpr std::uint32_t kParentCid = 3;         // fixed by AWS
inline constexpr std::uint32_t kHeartbeatPort = 9000;  // of the parent; fixed by AWS, as is the byte
inline constexpr std::uint8_t kHeartbeat = 0xB7;
inline constexpr std::uint32_t kControlPort = 7000;  // of the enclave
inline constexpr std::uint32_t kIngressPort = 7001;  // of the enclave
inline constexpr std::uint32_t kEgressPort = 7002;   // of the enclave: the host dials when it is asked to

}  // namespace gateway::net
