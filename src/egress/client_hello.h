// The name in a TLS ClientHello, before anything of it goes on.
//
// Input:  what the workload sends first, untrusted. Bounds: kMaxClientHello.
// Spec:   RFC 8446 §4.1.2, §5.1; RFC 6066 §3. Errors: kMalformed egress.hello
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace gateway::egress {

inline constexpr std::size_t kMaxClientHello = 32UZ * 1024;

// The one host name of server_name, in lower case; nullopt: more is needed. A first flight that is no TLS handshake, or
// names no host, is an error.
Result<std::optional<std::string>> server_name_of(ByteView stream);

}  // namespace gateway::egress
