// gateway-shim: the process of one enclave's own (host/shim.h). gatewayd starts it; people do not.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "host/shim.h"

namespace {

constexpr std::string_view kUsage =
    "usage: gateway-shim --enclave FOLDER [--report fd:N] [--detach]\n"
    "Runs the one enclave that FOLDER describes. Started by gatewayd; `gateway ps` shows what runs.\n";

// Whatever the daemon had open is the daemon's. Only standard error and the report stay.
void close_inherited(int keep) {
  const auto close_from = [](int first, unsigned last) {
    if (static_cast<unsigned>(first) <= last) ::syscall(SYS_close_range, static_cast<unsigned>(first), last, 0U);
  };
  if (keep < 3) return close_from(3, ~0U);
  close_from(3, static_cast<unsigned>(keep) - 1);
  close_from(keep + 1, ~0U);
}

}  // namespace

int main(int argument_count, char** arguments) {
  gateway::host::ShimOptions options;
  int report = -1;
  bool detach = false;
  bool good = argument_count > 1;
  for (int i = 1; i < argument_count && good; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--detach") {
      detach = true;
      continue;
    }
    const std::string_view value = i + 1 < argument_count ? arguments[++i] : "";
    if (argument == "--enclave") {
      options.folder = value;
    } else if (argument == "--report" && value.starts_with("fd:")) {
      good = std::from_chars(value.data() + 3, value.data() + value.size(), report).ec == std::errc() && report > 2;
    } else {
      good = false;
    }
  }
  if (!good || options.folder.empty()) {
    std::fwrite(kUsage.data(), 1, kUsage.size(), stderr);
    return 2;
  }
  close_inherited(report);
  if (report > 2) {
    ::fcntl(report, F_SETFD, FD_CLOEXEC);
    options.report = gateway::net::Descriptor(report);
  }
  // Nobody's child: it neither dies with the daemon nor waits to be reaped by it.
  if (detach) {
    const pid_t child = ::fork();
    if (child != 0) return child < 0 ? 4 : 0;
  }
  ::setsid();
  ::umask(077);
  if (::chdir("/") != 0) return 4;
  gateway::log::set_up(gateway::log::Format::kJson, gateway::log::Level::kInfo);
  const gateway::SystemClock clock;
  return gateway::host::run_shim(std::move(options), clock);
}
