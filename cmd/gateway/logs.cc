#include "logs.h"

#include <unistd.h>

#include <thread>

#include "codec/json.h"
#include "daemon_client.h"

namespace gateway::cli {
namespace {

constexpr std::chrono::milliseconds kPollInterval{500};

std::string event_line(const boost::json::object& entry) {
  std::string line = safe(text_of(entry, "time")) + "  " + safe(text_of(entry, "source"));
  const auto* event = object_of(entry, "event");
  if (event == nullptr) return line;
  line += "  " + safe(text_of(*event, "event"));
  for (const auto& field : *event) {
    // The entry has a time of the host's; the enclave's own would only repeat it.
    if (field.key() == "event" || field.key() == "time") continue;
    line += "  " + safe(std::string_view(field.key())) + "=";
    line += field.value().is_string() ? safe(std::string_view(field.value().as_string()))
                                      : safe(codec::write_json(field.value()));
  }
  return line;
}

// Prints what came; the sequence number of the last one.
std::uint64_t print_events(const boost::json::object& answer, std::uint64_t after, bool json) {
  const auto* events = answer.if_contains("events");
  if (events == nullptr || !events->is_array()) return after;
  for (const auto& entry : events->as_array()) {
    if (!entry.is_object()) continue;
    after = static_cast<std::uint64_t>(number_of(entry.as_object(), "seq"));
    if (json) {
      print_json(entry);
    } else {
      print_line(event_line(entry.as_object()));
    }
  }
  return after;
}

int show_events(const LogsOptions& options) {
  auto daemon = DaemonClient::connect();
  if (!daemon) return report_refusal(daemon.error());
  std::uint64_t after = 0;
  for (;;) {
    const auto answer = daemon->ask(host::EventsRequest{options.name, after, host::kMaxEventsPerAnswer}, kQuickAnswer);
    if (!answer) return report_refusal(answer.error());
    const std::uint64_t last = print_events(*answer, after, options.json);
    const bool more = last != after;
    after = last;
    if (more) continue;
    const std::string state = text_of(*answer, "state");
    if (!options.follow || state == "stopped" || state == "failed") return kDone;
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace

int run_logs(const LogsOptions& options) {
  if (options.events) return show_events(options);
  const auto listen = listen_of_enclave(options.name);
  if (!listen) return report_refusal(listen.error());
  const DeploymentFiles files = deployment_files(options.name);
  if (!options.token_file && ::access(files.token().c_str(), R_OK) != 0) {
    return report(Error(ErrorCode::kInvalidArgument, "logs.token",
                        "what the workload prints stays in the enclave; reading it takes a token with the right `logs`",
                        "name one with --token-file, or type: gateway logs " + options.name + " --events"));
  }
  return run_logs_attested(options, *listen, files.folder);
}

}  // namespace gateway::cli
