#include "serving.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "terminal.h"

namespace gateway::cli {

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) say("gateway: the limit of open files stays as it is");
}

StopOnSignal::StopOnSignal(net::Loop& loop) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  descriptor_ = net::Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  source_ = loop.watch(descriptor_.get(), [&loop](bool, bool, bool) { loop.stop(); });
  source_->want(true, false);
}

}  // namespace gateway::cli
