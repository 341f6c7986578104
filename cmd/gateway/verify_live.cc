// gateway verify HOST:PORT|NAME: the checks of `gateway connect`, without opening a port.
#include <boost/json.hpp>

#include "attestation/verification_json.h"
#include "client/client.h"
#include "connect.h"
#include "verify.h"

namespace gateway::cli {
namespace {

Status check_live(const VerifyOptions& options) {
  const auto usage = [](std::string detail, std::string remedy) {
    return fail(ErrorCode::kInvalidArgument, "verify.live_usage", std::move(detail), std::move(remedy));
  };
  if (!options.policy) {
    return usage("a live endpoint is judged under a policy, because what it proves depends on what you expect",
                 "give --policy FILE; or save the evidence: curl -k "
                 "'https://HOST:PORT/.well-known/gateway/attestation?nonce=64_HEX_DIGITS' -o FILE");
  }
  if (options.nonce || options.report_data) {
    return usage("--nonce and --report-data belong to saved evidence; with a live endpoint the nonce is made here",
                 "leave them out");
  }
  if (options.event_log) return usage("--event-log belongs to a saved TDX quote", "leave it out");
  if (options.at) return usage("--at belongs to saved evidence; a live endpoint is judged now", "leave it out");
  return {};
}

// The daemon's refusal is not one of ours, so it cannot stand in a Verification; the JSON has its id all the same.
void print_undecided(const Reported& refusal) {
  boost::json::object out = attestation::verification_json({});
  out["reason"] = refusal.id;
  print_json(out);
}

}  // namespace

int run_verify_live(const VerifyOptions& options) {
  if (const Status usable = check_live(options); !usable) return report(usable.error());
  auto request = read_verify_request(options, SystemClock());
  if (!request) return report_verify_error(options, request.error());
  const auto endpoint = resolve_endpoint(options.evidence);
  if (!endpoint) {
    // A name with a dot is more likely a file's, mistyped.
    if (options.evidence.find('.') != std::string::npos) {
      return report_verify_error(options, no_such_evidence(options.evidence));
    }
    if (options.json) print_undecided(endpoint.error());
    return report_refusal(endpoint.error());
  }
  client::ClientOptions client_options;
  client_options.trust = {
      .local_roots = request->roots, .collateral = request->collateral, .platform = request->platform};
  const auto verification = client::Client::verify(*endpoint, *request->policy, std::move(client_options));
  if (!verification) return report_verify_error(options, verification.error());
  return print_verification(options, *request, *verification);
}

}  // namespace gateway::cli
