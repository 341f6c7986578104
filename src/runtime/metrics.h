// The runtime's figures as Prometheus text, for holders of a token with the right `metrics`.
// Labels are names of tokens and words of our own; nothing that a caller or the workload sent.
// Spec: Prometheus text exposition format 0.0.4.
#pragma once

#include "egress/passage.h"
#include "runtime/admission.h"
#include "runtime/evidence.h"
#include "runtime/kms_service.h"
#include "server/server.h"

namespace gateway::runtime {

struct WorkloadMetrics {
  std::uint64_t starts = 0;
  std::uint64_t exits = 0;
  std::uint64_t output_bytes = 0;
  bool ready = false;
};

inline constexpr std::string_view kMetricsMediaType = "text/plain; version=0.0.4; charset=utf-8";

struct WaysOutMetrics {  // absent: the image has none
  const egress::EgressMetrics* egress = nullptr;
  const KmsMetrics* kms = nullptr;
};

Bytes write_metrics(const server::ServerMetrics& server, const EvidenceMetrics& evidence,
                    const WorkloadMetrics& workload, const Admission& admission, const WaysOutMetrics& ways = {});

}  // namespace gateway::runtime
