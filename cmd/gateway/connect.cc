#include "connect.h"

#include <signal.h>

#include <boost/json.hpp>

#include "attestation/verification_json.h"
#include "checks.h"
#include "client/proxy.h"
#include "daemon_client.h"
#include "release.h"
#include "serving.h"
#include "terminal.h"
#include "token_files.h"
#include "verify.h"

namespace gateway::cli {
namespace {

void announce(const ConnectOptions& options, const std::string& endpoint, const client::Proxy& proxy,
              const attestation::Verification& verification) {
  say("");
  say("  " + endpoint + " is what the policy asks for; nothing was sent to it before that was clear");
  say("  listening on http://" + proxy.listen_address() + "   (Ctrl-C ends it)");
  if (!options.json) return;
  print_json({{"listen", proxy.listen_address()},
              {"endpoint", endpoint},
              {"verification", attestation::verification_json(verification)}});
}

int refuse(const ConnectOptions& options, const std::string& endpoint, const client::Attempt& made) {
  if (made.verification) say_checks(made.verification->checks);
  say("");
  if (options.json) {
    boost::json::object out{{"listen", nullptr}, {"endpoint", endpoint}};
    if (made.verification) {
      out["verification"] = attestation::verification_json(*made.verification);
    } else {
      attestation::Verification nothing;
      nothing.reason = made.error;
      out["verification"] = attestation::verification_json(nothing);
    }
    print_json(out);
  }
  const int status = report(*made.error);
  say(status == kUndecided ? "  undecided: the local port stays closed" : "  refused: the local port stays closed");
  return status;
}

int serve(const ConnectOptions& options, const std::string& endpoint_text, VerifyRequest request,
          Secret authorization) {
  auto endpoint = client::Endpoint::parse(endpoint_text);
  if (!endpoint) return report(endpoint.error());
  auto listen = net::Address::parse_host_port(options.listen);
  if (!listen) return report(listen.error());
  if (const auto free = client::Proxy::check_listen(*listen); !free) return report(free.error());
  const auto context = channel::TlsContext::client();
  if (!context) return report(context.error());
  const client::SystemTrustClock clock;
  client::Verifier verifier(std::move(*request.policy),
                            {.local_roots = std::move(request.roots), .collateral = std::move(request.collateral)},
                            clock);
  client::ProxyOptions proxy_options;
  proxy_options.listen = std::move(*listen);
  proxy_options.authorization = std::move(authorization);
  proxy_options.on_refusal = [](const Error& error) { report(error); };

  client::Attempt made = client::attempt(*endpoint, *context, verifier, proxy_options.pool.verify_timeout);
  if (made.error) return refuse(options, endpoint_text, made);
  say_checks(made.verification->checks);

  net::Loop loop;
  const StopOnSignal stop(loop);
  const auto proxy = client::Proxy::open(loop, std::move(*endpoint), *context, verifier, std::move(made.connection),
                                         std::move(proxy_options));
  if (!proxy) return report(proxy.error());
  announce(options, endpoint_text, **proxy, *made.verification);
  loop.run();
  return kDone;
}

// What is accepted: a policy file, or a release that its maintainer signed.
Result<VerifyRequest> read_trust(const ConnectOptions& options) {
  if (options.policy.has_value() == options.release.has_value()) {
    return fail(ErrorCode::kInvalidArgument, "connect.usage", "what is accepted must be said, and said once",
                "give --policy FILE, or --release FILE --release-key KEY --config sha384:…");
  }
  VerifyOptions trust;
  trust.policy = options.policy;
  trust.authenticate_only = options.release.has_value();  // the policy follows from the release, below
  trust.roots = options.roots;
  trust.collateral = options.collateral;
  GATEWAY_ASSIGN(VerifyRequest request, read_verify_request(trust, SystemClock()));
  if (!options.release) return request;
  ReleaseOptions release;
  release.file = *options.release;
  release.key = options.release_key;
  release.floor = options.release_floor;
  release.config = options.config;
  release.root = options.root_digest;
  if (release.config.empty()) {
    return fail(ErrorCode::kInvalidArgument, "connect.usage",
                "a release says nothing of the deployment's configuration",
                "give --config sha384:…, which `gateway run` and `gateway config digest` print");
  }
  GATEWAY_ASSIGN(const std::string policy, policy_of_release(release));
  GATEWAY_ASSIGN(request.policy, attestation::Policy::parse(policy, *options.release));
  return request;
}

}  // namespace

Outcome<std::string> resolve_endpoint(const std::string& text) {
  if (text.find(':') != std::string::npos) return text;
  return listen_of_enclave(text);
}

int run_connect(const ConnectOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  auto request = read_trust(options);
  if (!request) return report(request.error());
  Secret authorization;
  if (options.token_file) {
    auto read = read_authorization(*options.token_file);
    if (!read) return report(read.error());
    authorization = std::move(*read);
  }
  const auto endpoint = resolve_endpoint(options.endpoint);
  if (!endpoint) return report_refusal(endpoint.error());
  return serve(options, *endpoint, std::move(*request), std::move(authorization));
}

}  // namespace gateway::cli
