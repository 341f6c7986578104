#include "host/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace gateway::host {

ProcessMachine::~ProcessMachine() = default;

void ProcessMachine::start(net::Loop& loop, Events events) {
  events_ = std::move(events);
  ended_ = loop.watch(process_.handle.get(), [this](bool, bool, bool) { on_ended(); });
  ended_->want(true, false);
  ::fcntl(process_.messages.get(), F_SETFL, O_NONBLOCK);
  messages_ = loop.watch(process_.messages.get(), [this](bool, bool, bool) { on_message(); });
  messages_->want(true, false);
}

void ProcessMachine::kill() { ::syscall(SYS_pidfd_send_signal, process_.handle.get(), SIGKILL, nullptr, 0); }

void ProcessMachine::on_message() {
  std::array<char, 2048> buffer{};
  const ssize_t got = ::read(process_.messages.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return messages_.reset();
  events_.output({buffer.data(), static_cast<std::size_t>(got)});
}

void ProcessMachine::on_ended() {
  ended_.reset();
  if (messages_) on_message();  // its last words
  int wait_status = 0;
  ::waitpid(process_.child, &wait_status, 0);
  events_.ended(wait_status);
}

}  // namespace gateway::host
