#include "runtime/metrics.h"

#include <initializer_list>
#include <string>

namespace gateway::runtime {
namespace {

class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    text_.append(name).append(" ").append(type).append("\n");
  }
  void sample(std::string_view labels, std::uint64_t value) {
    text_.append(name_);
    if (!labels.empty()) text_.append("{").append(labels).append("}");
    text_.append(" ").append(std::to_string(value)).append("\n");
  }
  void single(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    family(name, type, help);
    sample({}, value);
  }
  Bytes take() const { return to_bytes(text_); }

 private:
  std::string text_;
  std::string name_;
};

void write_server(Exposition& out, const server::ServerMetrics& server) {
  out.single("gateway_connections_accepted_total", "counter", "TCP connections taken.", server.connections_accepted);
  out.single("gateway_connections_refused_total", "counter", "Connections beyond the limit or while draining.",
             server.connections_refused);
  out.single("gateway_handshakes_failed_total", "counter", "TLS handshakes that did not end.",
             server.handshakes_failed);
  out.single("gateway_requests_total", "counter", "Requests that reached the gate.", server.requests);
  out.single("gateway_refused_by_server_total", "counter", "Requests malformed, too large, too slow or too many.",
             server.refused_by_server);
  out.family("gateway_answers_total", "counter", "Requests by how they ended.");
  out.sample("by=\"runtime\"", server.answered_here);
  out.sample("by=\"workload\",ending=\"complete\"", server.completed);
  out.sample("by=\"workload\",ending=\"caller_left\"", server.callers_left);
  out.sample("by=\"workload\",ending=\"workload_failed\"", server.workload_failed);
  out.family("gateway_bytes_total", "counter", "Decrypted bytes, heads included.");
  out.sample("direction=\"in\"", server.bytes_from_callers);
  out.sample("direction=\"out\"", server.bytes_to_callers);
  out.single("gateway_connections", "gauge", "Connections open now.", server.connections_now);
  out.single("gateway_in_flight", "gauge", "Requests with the workload now.", server.in_flight_now);
}

void write_callers(Exposition& out, const Admission& admission) {
  struct Column {
    std::string_view label;
    std::uint64_t CallerCounters::* value;
  };
  const auto table = [&](std::string_view name, std::string_view help, std::initializer_list<Column> columns) {
    out.family(name, "counter", help);
    for (const auto& caller : admission.callers()) {
      for (const Column& column : columns) {
        std::string labels = "token=\"" + caller->entry.id + "\"";  // [a-z0-9._-]: needs no escape
        if (!column.label.empty()) labels.append(",").append(column.label);
        out.sample(labels, caller->counters.*column.value);
      }
    }
  };
  table("gateway_token_requests_total", "Requests admitted, by token.", {{"", &CallerCounters::requests}});
  table("gateway_token_refused_total", "Requests over a quota, by token.", {{"", &CallerCounters::refused}});
  table("gateway_token_answers_total", "Forwarded requests by how they ended.",
        {{"ending=\"complete\"", &CallerCounters::complete},
         {"ending=\"caller_left\"", &CallerCounters::left},
         {"ending=\"workload_failed\"", &CallerCounters::workload_failed}});
  table("gateway_model_tokens_total", "Model tokens charged, by token.",
        {{"kind=\"prompt\"", &CallerCounters::prompt_tokens},
         {"kind=\"completion\"", &CallerCounters::completion_tokens},
         {"kind=\"estimated\"", &CallerCounters::estimated_tokens}});
}

}  // namespace

namespace {

void write_egress(Exposition& out, const egress::EgressMetrics& egress) {
  out.single("gateway_egress_opened_total", "counter", "Connections of the workload that reached their destination.",
             egress.opened);
  out.single("gateway_egress_refused_total", "counter", "What the image's list refused: connections, names, packets.",
             egress.refused);
  out.single("gateway_egress_failed_total", "counter", "What the list allows and could not be reached.", egress.failed);
  out.single("gateway_egress_connections", "gauge", "Connections of the workload, now.", egress.open);
}

void write_kms(Exposition& out, const KmsMetrics& kms) {
  out.single("gateway_kms_calls_total", "counter", "Calls that went to KMS.", kms.calls);
  out.single("gateway_kms_refused_total", "counter", "Calls that the image does not allow.", kms.refused);
  out.single("gateway_kms_failed_total", "counter", "Calls that KMS, the host or the network failed.", kms.failed);
}

}  // namespace

Bytes write_metrics(const server::ServerMetrics& server, const EvidenceMetrics& evidence,
                    const WorkloadMetrics& workload, const Admission& admission, const WaysOutMetrics& ways) {
  Exposition out;
  write_server(out, server);
  out.single("gateway_attestation_requests_total", "counter", "Requests for evidence.", evidence.requests);
  out.single("gateway_quotes_total", "counter", "Quotes that the platform made.", evidence.quotes);
  out.single("gateway_quote_failures_total", "counter", "Quotes that the platform refused.", evidence.failures);
  out.single("gateway_workload_starts_total", "counter", "Starts of the workload.", workload.starts);
  out.single("gateway_workload_exits_total", "counter", "Ends of the workload.", workload.exits);
  out.single("gateway_workload_output_bytes_total", "counter", "Bytes that the workload printed.",
             workload.output_bytes);
  out.single("gateway_workload_ready", "gauge", "1 while the workload answers.", workload.ready ? 1 : 0);
  out.single("gateway_token_list_version", "gauge", "Version of the token list.", admission.version().value_or(0));
  out.single("gateway_token_list_not_after_seconds", "gauge", "Expiry of the token list, Unix time.",
             static_cast<std::uint64_t>(
                 std::chrono::floor<std::chrono::seconds>(admission.not_after()).time_since_epoch().count()));
  write_callers(out, admission);
  if (ways.egress != nullptr) write_egress(out, *ways.egress);
  if (ways.kms != nullptr) write_kms(out, *ways.kms);
  return out.take();
}

}  // namespace gateway::runtime
