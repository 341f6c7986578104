// Who may use the local port: programs of this machine that mean it, never a web page (DNS rebinding, cross-site
// requests). The port offers no CORS; whatever names another host or another origin is refused.
//
// Input:  the head of a local client's request.
// Errors: kPolicyRejected client.local.host, client.local.origin
#pragma once

#include <cstdint>

#include "base/result.h"
#include "net/http.h"

namespace gateway::client {

// Host must be localhost, 127.0.0.1 or [::1] with the port; an Origin, where there is one, http:// and that same Host.
Status check_local_request(const net::HttpHead& head, std::uint16_t port);

}  // namespace gateway::client
