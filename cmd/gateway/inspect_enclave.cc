#include "inspect_enclave.h"

#include "codec/json.h"
#include "daemon_client.h"

namespace gateway::cli {

int run_inspect_enclave(const InspectEnclaveOptions& options) {
  auto daemon = DaemonClient::connect();
  if (!daemon) return report_refusal(daemon.error());
  const auto answer = daemon->ask(host::InspectRequest{options.name}, kQuickAnswer);
  if (!answer) return report_refusal(answer.error());
  const auto* enclave = object_of(*answer, "enclave");
  if (enclave == nullptr) {
    return report(Error(ErrorCode::kInternal, "inspect.answer", "gatewayd's answer holds no enclave"));
  }
  if (options.json) {
    print_json(*enclave);
  } else {
    std::string text = codec::write_json_pretty(*enclave);
    if (text.ends_with('\n')) text.pop_back();
    print_line(text);
  }
  return kDone;
}

}  // namespace gateway::cli
