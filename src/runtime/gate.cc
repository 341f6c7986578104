#include "runtime/gate.h"

#include "runtime/llama_profile.h"
#include "runtime/metrics.h"
#include "runtime/usage_meter.h"

namespace gateway::runtime {
namespace {

server::LocalResponse wrong_method(std::string_view allow) {
  return server::refuse(405, "gate.method", "this path takes another method", allow);
}
server::LocalResponse no_such_path() { return server::refuse(404, "gate.path", "there is nothing at this path"); }

server::LocalResponse plain_status(bool good) {
  server::LocalResponse response;
  response.status = good ? 200 : 503;
  response.body =
      to_bytes(good ? std::string_view(R"({"status":"ok"})") : std::string_view(R"({"status":"starting"})"));
  if (!good) response.extra_headers = retry_after(1);
  return response;
}

// Two of them could mean one thing here and another behind: then there is none.
std::optional<std::string_view> authorization(const net::HttpHead& head) {
  std::optional<std::string_view> found;
  for (const net::HttpHeader& header : head.headers) {
    if (!net::header_is(header.name, "authorization")) continue;
    if (found) return std::nullopt;
    found = header.value;
  }
  return found;
}

// Counts how a forwarded request ended, and feeds the account of profile llama.
class CallObserver final : public server::ForwardObserver {
 public:
  CallObserver(std::shared_ptr<AdmittedCaller> caller, std::shared_ptr<UsageAccount> account)
      : caller_(std::move(caller)), account_(std::move(account)) {}
  void on_response_payload(ByteView payload) override {
    if (account_) account_->take(payload);
  }
  void on_end(Ending ending, int status) override {
    CallerCounters& counters = caller_->counters;
    switch (ending) {
      case Ending::kComplete: ++counters.complete; break;
      case Ending::kCallerLeft: ++counters.left; break;
      case Ending::kWorkloadFailed: ++counters.workload_failed; break;
    }
    if (account_) account_->settle(ending, status);
  }

 private:
  std::shared_ptr<AdmittedCaller> caller_;
  std::shared_ptr<UsageAccount> account_;
};

}  // namespace

RuntimeGate::RuntimeGate(const image::Description& description, const EffectiveConfig& config, Parts parts)
    : parts_(std::move(parts)),
      paths_(config.paths),
      profile_(description.ingress.profile),
      max_tokens_(description.llama ? description.llama->max_tokens : 0),
      max_body_(config.limits.max_body) {}

server::Decision RuntimeGate::on_request(const net::HttpHead& head, const server::SessionContext& session) {
  const auto target = net::normalise_target(head.target);
  if (!target) {
    return server::refuse(400, target.error().error_id(), "the target is not a plain path");
  }
  bool known = false;
  server::Decision own = own_endpoint(head, *target, session, known);
  return known ? std::move(own) : forward(head, *target);
}

server::Decision RuntimeGate::own_endpoint(const net::HttpHead& head, const net::TargetParts& target,
                                           const server::SessionContext& session, bool& known) {
  const std::string_view path = target.path;
  const bool attestation = path == attestation::kAttestationPath;
  known = attestation || path == "/health" || path == "/ready" || path == "/metrics" || path == kLogsPath;
  if (!known) return server::LocalResponse{};
  if (head.method != "GET") return wrong_method("Allow: GET\r\n");
  if (attestation) return parts_.evidence.answer(target.query, session);
  if (path == "/health") return plain_status(true);
  if (path == "/ready") return plain_status(parts_.workload_ready());
  if (path == "/metrics") return guarded(head, channel::kRightMetrics, kMetricsMediaType, parts_.metrics);
  return guarded(head, channel::kRightLogs, "text/plain; charset=utf-8", [this] { return parts_.logs.text(); });
}

server::Decision RuntimeGate::guarded(const net::HttpHead& head, channel::Right right, std::string_view media_type,
                                      const std::function<Bytes()>& body) {
  auto caller = parts_.admission.admit(authorization(head), right, parts_.loop.now());
  if (!caller) return std::move(caller.error());
  return server::LocalResponse{.status = 200,
                               .media_type = media_type,
                               .body = body(),
                               .extra_headers = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"};
}

server::Decision RuntimeGate::forward(const net::HttpHead& head, const net::TargetParts& target) {
  auto caller = parts_.admission.admit(authorization(head), channel::kRightCall, parts_.loop.now());
  if (!caller) return std::move(caller.error());
  if (!image::path_allowed(paths_, target.path)) return no_such_path();
  if (!parts_.workload_ready()) {
    return server::refuse(503, "workload.not_ready", "the workload is starting", retry_after(1));
  }
  server::ForwardDecision decision;
  decision.target = target.path;
  if (!target.query.empty()) decision.target.append("?").append(target.query);
  // Servers disagree about such a body: one that does not read it would take it for the next request.
  if ((head.method == "GET" || head.method == "HEAD") && head.framing != net::Framing::kNone) {
    return server::refuse(400, "gate.body", "a request with this method takes no body here");
  }
  if (profile_ == image::IngressProfile::kLlama) return forward_llama(head, std::move(decision), target.path, *caller);
  decision.observer = std::make_unique<CallObserver>(std::move(*caller), nullptr);
  return decision;
}

server::Decision RuntimeGate::forward_llama(const net::HttpHead& head, server::ForwardDecision decision,
                                            std::string_view path, const std::shared_ptr<AdmittedCaller>& caller) {
  const auto endpoint = llama_endpoint(path);
  if (!endpoint) return no_such_path();
  if (head.method != llama_method(*endpoint)) {
    return wrong_method(*endpoint == LlamaEndpoint::kModels ? "Allow: GET\r\n" : "Allow: POST\r\n");
  }
  decision.target = path;  // the engine takes nothing from a query on these paths
  if (*endpoint == LlamaEndpoint::kModels) {
    decision.observer = std::make_unique<CallObserver>(caller, nullptr);
    return decision;
  }
  auto account = std::make_shared<UsageAccount>(parts_.loop, caller);
  decision.collect_body = max_body_;
  decision.wants_payload = true;
  decision.rewrite_body = [account, caller, endpoint = *endpoint, cap = max_tokens_,
                           &loop = parts_.loop](ByteView body) -> std::variant<Bytes, server::LocalResponse> {
    // Many heads may have passed before the first body was charged.
    if (auto over = over_quota(*caller, loop.now())) return *std::move(over);
    auto rewritten = rewrite_llama_body(endpoint, body, cap);
    if (auto* refusal = std::get_if<server::LocalResponse>(&rewritten)) return std::move(*refusal);
    LlamaRequest& request = std::get<LlamaRequest>(rewritten);
    account->open(request);
    return std::move(request.body);
  };
  decision.observer = std::make_unique<CallObserver>(caller, std::move(account));
  return decision;
}

}  // namespace gateway::runtime
