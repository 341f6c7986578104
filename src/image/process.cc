#include "image/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

extern char** environ;

namespace gateway::image {
namespace {

constexpr std::size_t kMaxOutput = 64UZ * 1024 * 1024;
constexpr std::size_t kMaxComplaint = 2000;

struct Started {
  pid_t child = -1;
  Descriptor output;
  Descriptor complaints;
};

// The environment with messages in English, so that what the programs print can be read.
std::vector<std::string> plain_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool language = text.starts_with("LC_") || text.starts_with("LANG=") || text.starts_with("LANGUAGE=");
    if (!language && !text.starts_with("APT_CONFIG=")) out.emplace_back(text);
  }
  out.emplace_back("LC_ALL=C.UTF-8");
  out.emplace_back("DEBIAN_FRONTEND=noninteractive");
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::unexpected<Error> no_start(const std::string& name, int reason) {
  if (reason == ENOENT) {
    return fail(ErrorCode::kNotFound, "image.process.missing", "the program " + name + " is not installed",
                "install it; on Debian it comes with apt or dpkg");
  }
  return fail(ErrorCode::kUnavailable, "image.process.failed", system_reason("starting " + name, reason));
}

enum class Complaints : std::uint8_t { kCapture, kPass };

Result<Started> start(std::vector<std::string> arguments, const std::string& folder, Complaints complaints) {
  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return no_start(arguments[0], errno);
  Descriptor out_read(out[0]);
  const Descriptor out_write(out[1]);
  if (::pipe2(err, O_CLOEXEC) != 0) return no_start(arguments[0], errno);
  Descriptor err_read(err[0]);
  const Descriptor err_write(err[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  if (complaints == Complaints::kCapture) ::posix_spawn_file_actions_adddup2(&actions, err_write.get(), 2);
  if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<std::string> environment = plain_environment();
  pid_t child = -1;
  const int reason = ::posix_spawnp(&child, arguments[0].c_str(), &actions, nullptr, pointers(arguments).data(),
                                    pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (reason != 0) return no_start(arguments[0], reason);
  return Started{child, std::move(out_read), std::move(err_read)};
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string last_part(const std::string& text) {
  const std::size_t from = text.size() > kMaxComplaint ? text.size() - kMaxComplaint : 0;
  std::string out = text.substr(from);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace

Result<std::string> run_program(const std::vector<std::string>& arguments, const std::string& folder) {
  GATEWAY_ASSIGN(Started started, start(arguments, folder, Complaints::kCapture));
  std::string output;
  std::string complaint;
  std::string* const texts[2] = {&output, &complaint};
  pollfd streams[2] = {{started.output.get(), POLLIN, 0}, {started.complaints.get(), POLLIN, 0}};
  Bytes buffer(64UZ * 1024);
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    if (::poll(streams, 2, -1) < 0) continue;
    for (std::size_t i = 0; i < 2; ++i) {
      if (streams[i].revents == 0) continue;
      const ssize_t got = ::read(streams[i].fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        streams[i].fd = -1;  // poll() passes over it from now on
      } else if (texts[i]->size() <= kMaxOutput) {
        texts[i]->append(as_text(ByteView(buffer).first(static_cast<std::size_t>(got))));
      }
    }
  }
  const int status = wait_for(started.child);
  if (output.size() > kMaxOutput) {
    return fail(ErrorCode::kLimitExceeded, "image.process.output", arguments[0] + " printed more than 64 MiB");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(ErrorCode::kUnavailable, "image.process.failed", arguments[0] + " failed: " + last_part(complaint),
                "the program's own message says why; is the network or the mirror reachable?");
  }
  return output;
}

Result<std::unique_ptr<ProgramSource>> ProgramSource::start(const std::vector<std::string>& arguments) {
  GATEWAY_ASSIGN(Started started, image::start(arguments, {}, Complaints::kPass));
  return std::unique_ptr<ProgramSource>(new ProgramSource(started.child, std::move(started.output), arguments[0]));
}

ProgramSource::~ProgramSource() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  wait_for(child_);
}

Result<std::size_t> ProgramSource::read(std::span<std::uint8_t> out) {
  DescriptorSource source(output_.get());
  return source.read(out);
}

Status ProgramSource::finish() {
  const int status = wait_for(std::exchange(child_, -1));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kUnavailable, "image.process.failed", name_ + " failed while it was being read",
              "the file that it reads may be damaged; remove it from the cache and try again");
}

}  // namespace gateway::image
