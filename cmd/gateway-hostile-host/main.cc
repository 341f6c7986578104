// gateway-hostile-host: a host that cheats (README.md). Runs until it is ended.
#include <csignal>
#include <cstdio>

#include "crc.h"
#include "modes.h"

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto options = gateway::hostile::read_options({words + 1, static_cast<std::size_t>(count > 0 ? count - 1 : 0)});
  if (!options) return 2;
  const gateway::SystemClock clock;
  const bool repair = options->mode == gateway::hostile::Mode::kRepairCrc;
  const gateway::Status done =
      repair ? gateway::hostile::repair_crc(options->file) : gateway::hostile::attack(*options, clock);
  if (done) return 0;
  std::fprintf(stderr, "gateway-hostile-host: %s\n", done.error().message().c_str());
  return gateway::exit_status(done.error().code());
}
