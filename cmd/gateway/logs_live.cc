// gateway logs NAME: what the workload printed, read over an attested connection with a token that has the right
// `logs`.
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "checks.h"
#include "client/client.h"
#include "codec/json.h"
#include "daemon_client.h"
#include "host/files.h"
#include "logs.h"
#include "token_files.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr const char* kLogsPath = "/.well-known/gateway/logs";
constexpr std::chrono::milliseconds kPollInterval{1'000};
constexpr std::size_t kMaxRecord = 64UZ * 1024;
constexpr std::size_t kMaxLogs = 4UZ * 1024 * 1024;
constexpr std::size_t kOverlap = 4096;  // of what was printed last, to find where new text begins

// What `gateway run` printed when it started this enclave, as a policy. Its words came from the host's daemon: they
// guard against reading another enclave's logs by mistake; who does not trust this host gives a policy of their own.
Result<std::string> policy_of_record(const std::string& path) {
  GATEWAY_ASSIGN(const Bytes text, host::read_file(path, kMaxRecord));
  GATEWAY_ASSIGN(const boost::json::value value, codec::parse_json(as_text(text), {}));
  const auto* run = value.if_object();
  const auto* measurements = run ? object_of(*run, "measurements") : nullptr;
  if (!measurements) {
    return fail(ErrorCode::kMalformed, "logs.record", path + " is not what `gateway run` wrote", "give --policy FILE");
  }
  const auto quoted = [](const std::string& word) { return "\"" + safe(word) + "\""; };
  std::string policy = "[[accept]]\nplatform = " + quoted(text_of(*run, "platform")) + "\n";
  if (const std::string root = text_of(*run, "root"); !root.empty()) policy += "root = " + quoted(root) + "\n";
  policy += "measurements = { \"0\" = " + quoted(text_of(*measurements, "0")) +
            ", \"1\" = " + quoted(text_of(*measurements, "1")) + ", \"2\" = " + quoted(text_of(*measurements, "2")) +
            " }\n";
  return policy + "config = " + quoted(text_of(*run, "config")) + "\n";
}

Result<attestation::Policy> read_policy(const LogsOptions& options, const std::string& folder) {
  if (options.policy) {
    GATEWAY_ASSIGN(const Bytes text, read_file(*options.policy, attestation::kMaxPolicySize));
    return attestation::Policy::parse(as_text(text), *options.policy);
  }
  const std::string record = DeploymentFiles{folder}.run_record();
  GATEWAY_ASSIGN(const std::string text, policy_of_record(record));
  return attestation::Policy::parse(text, record);
}

Result<std::string> fetch(client::Client& client, const Secret& authorization) {
  client::Request request{.method = "GET", .target = kLogsPath, .headers = {}, .body = {}};
  request.headers.emplace_back("Authorization", as_text(authorization.reveal()));
  GATEWAY_ASSIGN(auto response, client.request(request));
  GATEWAY_ASSIGN(const Bytes body, response.read_all(kMaxLogs));
  if (response.status() == 200) return std::string(as_text(body));
  if (response.status() == 401 || response.status() == 403) {
    return fail(ErrorCode::kPolicyRejected, "logs.token_refused", "the enclave does not let this token read the logs",
                "use one with the right `logs`: gateway token add NAME --id ID --right logs");
  }
  return fail(ErrorCode::kUnavailable, "logs.answer",
              "the enclave answered with status " + std::to_string(response.status()), "try again");
}

// Where the text that was not there before begins.
std::size_t start_of_news(std::string_view before, std::string_view now) {
  if (now.starts_with(before)) return before.size();
  const std::string_view tail = before.substr(before.size() - std::min(before.size(), kOverlap));
  const std::size_t found = now.rfind(tail);
  return found == std::string_view::npos ? 0 : found + tail.size();
}

// Text of the workload: line by line, and nothing that could steer a terminal.
void print(std::string_view text, bool as_json) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (as_json) {
      print_json({{"line", safe(line)}});
    } else {
      std::string out(line);
      std::ranges::replace_if(
          out, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, '?');
      print_line(out);
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
}

}  // namespace

int run_logs_attested(const LogsOptions& options, const std::string& listen, const std::string& folder) {
  const auto policy = read_policy(options, folder);
  if (!policy) return report(policy.error());
  const auto authorization = read_authorization(options.token_file.value_or(DeploymentFiles{folder}.token()));
  if (!authorization) return report(authorization.error());
  auto client = client::Client::connect(listen, *policy);
  if (!client) return report(client.error());
  std::string before;
  for (;;) {
    auto now = fetch(*client, *authorization);
    if (!now) return report(now.error());
    std::string_view news = std::string_view(*now).substr(start_of_news(before, *now));
    // While more is to come, a line is printed when it is whole.
    if (options.follow) news = news.substr(0, news.rfind('\n') + 1);
    print(news, options.json);
    if (!options.follow) return kDone;
    before = now->substr(0, static_cast<std::size_t>(news.data() - now->data()) + news.size());
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace gateway::cli
