#include "verifier_serve.h"

#include <signal.h>

#include <boost/json.hpp>
#include <filesystem>

#include "channel/tls.h"
#include "crypto/random.h"
#include "key_files.h"
#include "net/address.h"
#include "server/server.h"
#include "serving.h"
#include "terminal.h"
#include "verifier/config.h"
#include "verifier/service.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxConfig = 1024UZ * 1024;

// Names in the file mean files beside it.
std::string beside(const std::string& config, const std::string& name) {
  return (std::filesystem::path(config).parent_path() / name).string();
}

Result<std::vector<verifier::NamedPolicy>> read_policies(const std::string& config,
                                                         const std::vector<verifier::PolicyFile>& files) {
  std::vector<verifier::NamedPolicy> policies;
  for (const verifier::PolicyFile& each : files) {
    const std::string path = beside(config, each.file);
    GATEWAY_ASSIGN(const Bytes content, read_file(path, attestation::kMaxPolicySize));
    auto policy = attestation::Policy::parse(as_text(content), path);
    if (!policy) {
      const Error& cause = policy.error();
      return std::unexpected(Error(ErrorCode::kInvalidArgument, cause.error_id(), cause.detail(), cause.remedy()));
    }
    policies.push_back(
        {.id = each.id, .policy = *std::move(policy), .digest = "sha256:" + to_hex(crypto::sha256(ByteView(content)))});
  }
  return policies;
}

Result<verifier::Settings> read_settings(const std::string& file, const verifier::ServiceConfig& config) {
  GATEWAY_ASSIGN(auto policies, read_policies(file, config.policies));
  std::vector<std::string> folders;
  for (const std::string& name : config.collateral) folders.push_back(beside(file, name));
  GATEWAY_ASSIGN(const std::vector<Bytes> collateral, read_collateral(folders));
  GATEWAY_ASSIGN(auto key, read_private_key(beside(file, config.ear_key)));
  return verifier::Settings{.policies = std::move(policies),
                            .collateral = attestation::Collateral::recognise(collateral),
                            .ear_key = std::move(key),
                            .developer = "Gateway",
                            .build = "gateway " GATEWAY_VERSION,
                            .callers = config.callers,
                            .anonymous_per_minute = config.anonymous_per_minute,
                            .max_sessions = config.max_sessions,
                            .session_life = config.session_life};
}

struct Identity {
  channel::TlsContext context;
  std::string leaf_sha256;
};

Result<Identity> tls_identity(const std::string& file, const verifier::ServiceConfig& config, Time now) {
  if (config.tls_certificate && config.tls_key) {
    GATEWAY_ASSIGN(const auto chain, read_certificates(beside(file, *config.tls_certificate)));
    GATEWAY_ASSIGN(const auto key, read_private_key(beside(file, *config.tls_key)));
    GATEWAY_ASSIGN(auto context, channel::TlsContext::server(chain.front(), key));
    return Identity{std::move(context), to_hex(crypto::sha256(chain.front().der()))};
  }
  GATEWAY_ASSIGN(auto key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(const auto made, channel::make_server_identity(std::move(key), now, std::nullopt));
  GATEWAY_ASSIGN(auto context, channel::TlsContext::server(made.certificate, made.key));
  return Identity{std::move(context), to_hex(crypto::sha256(made.certificate.der()))};
}

void announce(const VerifierServeOptions& options, const std::string& listen, const Identity& identity,
              const verifier::ServiceConfig& config, const verifier::Settings& settings) {
  say("verifier: https://" + listen + "   (Ctrl-C ends it)");
  say("  certificate  sha256:" + identity.leaf_sha256 + (config.tls_certificate ? "" : "  (made at start)"));
  for (const auto& policy : settings.policies) say("  policy       " + policy.id + "  " + policy.digest);
  if (settings.callers.empty()) say("  callers      everybody: no [[caller]] is configured");
  for (const verifier::Expiry& one : verifier::expiries_of(settings.collateral)) {
    if (one.kind != "certificate") say("  " + one.kind + " of " + one.name + " is good until " + to_rfc3339(one.at));
  }
  if (options.json) print_json({{"listen", listen}, {"certificate", "sha256:" + identity.leaf_sha256}});
}

Status serve(const VerifierServeOptions& options) {
  GATEWAY_ASSIGN(const Bytes text, read_file(options.config, kMaxConfig));
  GATEWAY_ASSIGN(const auto config, verifier::ServiceConfig::parse(as_text(text), options.config));
  GATEWAY_ASSIGN(verifier::Settings settings, read_settings(options.config, config));
  GATEWAY_ASSIGN(const auto address, net::Address::parse_host_port(options.listen.value_or(config.listen)));
  const SystemClock clock;
  GATEWAY_ASSIGN(const Identity identity, tls_identity(options.config, config, clock.now()));

  net::Loop loop;
  const StopOnSignal stop(loop);
  GATEWAY_ASSIGN(net::Descriptor listener, net::listen_on(address));
  GATEWAY_ASSIGN(const std::uint16_t port, net::local_port(listener.get()));
  const bool brackets = address.host.find(':') != std::string::npos;
  const std::string listen = (brackets ? "[" + address.host + "]" : address.host) + ":" + std::to_string(port);
  announce(options, listen, identity, config, settings);
  verifier::Service service(
      std::move(settings),
      {.clock = clock, .monotonic = [&loop] { return loop.now(); }, .random = crypto::random_bytes});
  server::ServerLimits limits;
  limits.max_body = verifier::kMaxBody;
  const auto nobody = [] {
    return fail(ErrorCode::kInternal, "verifier.upstream", "this service has nothing behind it");
  };
  const server::Server server(loop, identity.context, std::move(listener), nobody, limits, service);
  loop.run();
  return {};
}

}  // namespace

int run_verifier_serve(const VerifierServeOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const Status ended = serve(options);
  return ended ? kDone : report(ended.error());
}

}  // namespace gateway::cli
