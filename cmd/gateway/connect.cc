#include "connect.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "attestation/verification_json.h"
#include "checks.h"
#include "client/proxy.h"
#include "terminal.h"
#include "verify.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxTokenFile = 4096;

// Every local client needs two descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) say("gateway: the limit of open files stays as it is");
}

Result<Secret> read_authorization(const std::optional<std::string>& path) {
  if (!path) return Secret();
  GATEWAY_ASSIGN(Bytes content, read_file(*path, kMaxTokenFile));
  const Secret file = Secret::take(std::move(content));
  std::string_view token = as_text(file.reveal());
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.remove_suffix(1);
  const bool plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.empty() || !plain || file.size() > kMaxTokenFile) {
    return fail(ErrorCode::kInvalidArgument, "connect.token_file", *path + " does not hold one token on one line",
                "name the file that `gateway run` or `gateway token new` wrote");
  }
  constexpr std::string_view kScheme = "Bearer ";
  Secret header(kScheme.size() + token.size());
  auto out = header.reveal_mutable();
  std::ranges::copy(as_bytes(kScheme), out.begin());
  std::ranges::copy(as_bytes(token), out.begin() + static_cast<std::ptrdiff_t>(kScheme.size()));
  return header;
}

// Ends the loop on SIGINT and SIGTERM. The signals must be blocked before any thread starts.
class StopOnSignal {
 public:
  explicit StopOnSignal(net::Loop& loop) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    descriptor_ = net::Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    source_ = loop.watch(descriptor_.get(), [&loop](bool, bool, bool) { loop.stop(); });
    source_->want(true, false);
  }

 private:
  net::Descriptor descriptor_;
  std::unique_ptr<net::Source> source_;
};

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

int serve(const ConnectOptions& options, const std::string& endpoint_text, VerifyRequest request, Secret authorization) {
  auto endpoint = client::Endpoint::parse(endpoint_text);
  if (!endpoint) return report(endpoint.error());
  auto listen = net::Address::parse_host_port(options.listen);
  if (!listen) return report(listen.error());
  const auto context = channel::TlsContext::client();
  if (!context) return report(context.error());
  const client::SystemTrustClock clock;
  client::Verifier verifier(std::move(*request.policy),
                            {.local_roots = std::move(request.roots), .collateral = std::move(request.collateral)}, clock);
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

}  // namespace

Result<std::string> resolve_endpoint(const std::string& text) { return text; }

int run_connect(const ConnectOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  VerifyOptions trust;
  trust.policy = options.policy;
  trust.roots = options.roots;
  trust.collateral = options.collateral;
  auto request = read_verify_request(trust, SystemClock());
  if (!request) return report(request.error());
  auto authorization = read_authorization(options.token_file);
  if (!authorization) return report(authorization.error());
  const auto endpoint = resolve_endpoint(options.endpoint);
  if (!endpoint) return report(endpoint.error());
  return serve(options, *endpoint, std::move(*request), std::move(*authorization));
}

}  // namespace gateway::cli
