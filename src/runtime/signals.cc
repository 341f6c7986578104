#include "runtime/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace gateway::runtime {

Result<std::unique_ptr<Signals>> Signals::watch(net::Loop& loop, std::function<void()> on_stop) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  // Writes to a closed socket are answered by errno alone, and only what is acted on is read.
  for (const int signal : {SIGPIPE, SIGUSR1, SIGUSR2}) ::sigdelset(&set, signal);
  std::unique_ptr<Signals> signals(new Signals);
  signals->descriptor_ = net::Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals->descriptor_.valid()) {
    return fail(ErrorCode::kInternal, "runtime.signals", std::string("signalfd: ") + std::strerror(errno));
  }
  signals->on_stop_ = std::move(on_stop);
  signals->source_ =
      loop.watch(signals->descriptor_.get(), [self = signals.get()](bool, bool, bool) { self->on_readable(); });
  signals->source_->want(true, false);
  return signals;
}

void Signals::on_readable() {
  signalfd_siginfo signal{};
  while (::read(descriptor_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    if (signal.ssi_signo != SIGCHLD && on_stop_) on_stop_();
  }
  reap();
}

void Signals::reap() {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    const auto known = children_.find(pid);
    if (known == children_.end()) continue;
    const OnExit callback = std::move(known->second);
    children_.erase(known);
    callback(status);
  }
}

}  // namespace gateway::runtime
