// Who may do what: judges each request head, once, before a byte of its body is read.
//
//   GET /health, /ready                       open; they tell nothing else
//   GET /.well-known/gateway/attestation      open: evidence.h
//   GET /.well-known/gateway/logs             a token with the right `logs`: what the workload printed
//   GET /metrics                              a token with the right `metrics`
//   the workload's API                        a token with the right `call`, on allowed paths only
//   everything else                           401 without a token, 404 with one
//
// Input:  heads from callers, untrusted. Paths are normalised once (net/http.h), before they are judged, and the
//         workload sees the normalised form.
// Errors: 400 of net/http.h; 401, 403, 429 of admission.h; 404 gate.path; 405 gate.method; 503 workload.not_ready
#pragma once

#include <functional>

#include "image/description.h"
#include "runtime/admission.h"
#include "runtime/config.h"
#include "runtime/evidence.h"
#include "runtime/log_ring.h"
#include "server/seam.h"

namespace gateway::runtime {

inline constexpr std::string_view kLogsPath = "/.well-known/gateway/logs";

class RuntimeGate final : public server::Gate {
 public:
  struct Parts {  // all outlive the gate
    net::Loop& loop;
    Admission& admission;
    EvidenceService& evidence;
    const LogRing& logs;
    std::function<bool()> workload_ready;
    std::function<Bytes()> metrics;
  };
  RuntimeGate(const image::Description& description, const EffectiveConfig& config, Parts parts);

  server::Decision on_request(const net::HttpHead& head, const server::SessionContext& session) override;

 private:
  server::Decision own_endpoint(const net::HttpHead& head, const net::TargetParts& target,
                                const server::SessionContext& session, bool& known);
  server::Decision guarded(const net::HttpHead& head, channel::Right right, std::string_view media_type,
                           const std::function<Bytes()>& body);
  server::Decision forward(const net::HttpHead& head, const net::TargetParts& target);
  server::Decision forward_llama(const net::HttpHead& head, server::ForwardDecision decision, std::string_view path,
                                 const std::shared_ptr<AdmittedCaller>& caller);

  Parts parts_;
  std::vector<std::string> paths_;
  image::IngressProfile profile_;
  std::uint32_t max_tokens_;
  std::size_t max_body_;
};

}  // namespace gateway::runtime
