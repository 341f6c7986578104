#include "harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

extern char** environ;

namespace gateway::harness {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) out.push_back(text);
  }
  for (const auto& [name, value] : more) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become(const Launch& launch, const char* out, const char* err, char** arguments, char** environment) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  const int out_file = ::open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err_file = ::open(err, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const bool ready = nothing >= 0 && out_file >= 0 && err_file >= 0 && ::dup2(nothing, 0) == 0 &&
                     ::dup2(out_file, 1) == 1 && ::dup2(err_file, 2) == 2;
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  if (ready && (launch.folder.empty() || ::chdir(launch.folder.c_str()) == 0)) {
    ::execve(arguments[0], arguments, environment);
  }
  ::_exit(127);
}

std::optional<std::string> line_with(const std::string& output, const std::string& text) {
  const std::size_t at = output.find(text);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t end = output.find('\n', at);
  if (end == std::string::npos) return std::nullopt;  // the rest of the line is still to come
  const std::size_t before = output.rfind('\n', at);
  const std::size_t start = before == std::string::npos ? 0 : before + 1;
  return output.substr(start, end - start);
}

}  // namespace

Program::Program(const Launch& launch) : started_(Clock::now()) {
  std::vector<std::string> arguments = launch.argv;
  std::vector<std::string> environment = merged_environment(launch.environment);
  std::vector<char*> argument_pointers = pointers(arguments);
  std::vector<char*> environment_pointers = pointers(environment);
  const std::string out = folder_.file("out");
  const std::string err = folder_.file("err");
  write_text(out, "");
  write_text(err, "");
  pid_ = ::fork();
  if (pid_ == 0) become(launch, out.c_str(), err.c_str(), argument_pointers.data(), environment_pointers.data());
  if (pid_ > 0) handle_ = net::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (pid_ < 0 || !handle_.valid()) {
    std::perror("harness: cannot start a process");
    std::abort();
  }
}

Program::~Program() {
  if (!ended_) stop();
}

bool Program::running() const { return !ended_ && !wait_for_end(Milliseconds(0)); }
std::string Program::out() const { return ended_ ? ended_->out : read_text(folder_.file("out")); }
std::string Program::err() const { return ended_ ? ended_->err : read_text(folder_.file("err")); }

std::optional<std::string> Program::wait_for(const std::string& text, Milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  while (true) {
    const bool alive = running();  // asked first: what it printed before its end counts
    if (auto line = line_with(out(), text)) return line;
    if (auto line = line_with(err(), text)) return line;
    if (!alive || Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(Milliseconds(5));
  }
}

void Program::send_signal(int number) const {
  if (!ended_) ::syscall(SYS_pidfd_send_signal, handle_.get(), number, nullptr, 0U);
}

bool Program::wait_for_end(Milliseconds patience) const {
  const auto deadline = Clock::now() + patience;
  while (true) {
    pollfd ended{handle_.get(), POLLIN, 0};
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now());
    const int ready = ::poll(&ended, 1, static_cast<int>(std::max<Milliseconds::rep>(left.count(), 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

Ended Program::collect(bool in_time) {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  Ended ended;
  ended.in_time = in_time;
  ended.out = read_text(folder_.file("out"));
  ended.err = read_text(folder_.file("err"));
  ended.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - started_);
  if (in_time) ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended_ = ended;
  return ended;
}

Ended Program::wait(Milliseconds patience) {
  if (ended_) return *ended_;
  const bool in_time = wait_for_end(patience);
  if (!in_time) send_signal(SIGKILL);
  return collect(in_time);
}

Ended Program::stop() {
  if (ended_) return *ended_;
  send_signal(SIGTERM);
  if (!wait_for_end(Milliseconds(3'000))) send_signal(SIGKILL);
  return collect(true);
}

Ended run(const Launch& launch, Milliseconds patience) {
  Program program(launch);
  return program.wait(patience);
}

}  // namespace gateway::harness
