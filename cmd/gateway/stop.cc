#include "stop.h"

#include "base/clock.h"
#include "daemon_client.h"

namespace gateway::cli {
namespace {

constexpr std::chrono::milliseconds kBeyondGrace{60'000};

}  // namespace

int run_stop(const StopOptions& options) {
  const auto grace = parse_duration(options.grace);
  if (!grace || *grace < Duration(0) || *grace > host::kMaxGrace) {
    return report(
        Error(ErrorCode::kInvalidArgument, "stop.grace", "--grace is a duration from 0s to 10m, such as 30s"));
  }
  auto daemon = DaemonClient::connect();
  if (!daemon) return report_refusal(daemon.error());
  boost::json::array stopped;
  int status = kDone;
  for (const auto& name : options.names) {
    const auto answer = daemon->ask(host::StopRequest{name, *grace}, *grace + kBeyondGrace);
    if (!answer) {
      status = report_refusal(answer.error());
      continue;
    }
    stopped.emplace_back(name);
    if (!options.json) print_line(name);
  }
  if (options.json) print_json(boost::json::object{{"stopped", std::move(stopped)}});
  return status;
}

}  // namespace gateway::cli
