#include "host/kernel_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "host/files.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxFile = 1024UZ * 1024;
constexpr std::uint32_t kIdsPerEnclave = 4;  // three in use
constexpr std::uint32_t kFirstOfRoot = 70'000;
constexpr std::uint32_t kCountOfRoot = 20'000;
constexpr std::uint32_t kLeastOfRoot = 10'000;  // below lie people and services
constexpr std::uint32_t kSubIdsPerEnclave = 2;
constexpr const char* kNewUidMap = "/usr/bin/newuidmap";
constexpr const char* kNewGidMap = "/usr/bin/newgidmap";

std::unexpected<Error> none(std::string detail) {
  return fail(
      ErrorCode::kUnavailable, "host.ids.none", std::move(detail),
      "type: sudo apt install uidmap && sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER");
}

std::unexpected<Error> no_namespace(std::string_view step) {
  return fail(
      ErrorCode::kUnavailable, "host.ids.namespace",
      "a user namespace with ids for the workload cannot be made: " + std::string(step) + ": " + std::strerror(errno),
      "type: gateway doctor");
}

std::string text_of(const char* path) {
  const auto bytes = read_file(path, kMaxFile);
  return bytes ? std::string(as_text(*bytes)) : std::string();
}

bool take_number(std::string_view& text, std::uint64_t& number) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return false;
  const auto [end, error] = std::from_chars(text.data() + start, text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

template <class Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool put(const std::string& path, std::string_view text) {
  const net::Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// The three lines of a map, as words: inner, outer, count.
std::vector<std::string> map_words(std::uint32_t enclave, std::uint32_t workload, std::uint32_t spare) {
  return {"0",
          std::to_string(spare),
          "1",
          std::to_string(kInnerEnclaveId),
          std::to_string(enclave),
          "1",
          std::to_string(kInnerWorkloadId),
          std::to_string(workload),
          "1"};
}

std::string map_text(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text.append(words[i]).append(i % 3 == 2 ? "\n" : " ");
  return text;
}

bool run_map_tool(const char* tool, pid_t target, const std::vector<std::string>& words) {
  std::vector<std::string> arguments{tool, std::to_string(target)};
  arguments.insert(arguments.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::array<char*, 1> environment{nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, tool, &actions, nullptr, pointers.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  int status = -1;
  while (error == 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  errno = error != 0 ? error : EPERM;
  return error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool write_maps(pid_t target, const KernelIds& ids) {
  const std::uint32_t own_uid = ids.enclave != 0 ? ids.enclave : ::getuid();
  const std::uint32_t own_gid = ids.enclave != 0 ? ids.enclave : ::getgid();
  const auto uids = map_words(own_uid, ids.workload_uid, ids.spare_uid);
  const auto gids = map_words(own_gid, ids.workload_gid, ids.spare_gid);
  if (::geteuid() != 0) return run_map_tool(kNewUidMap, target, uids) && run_map_tool(kNewGidMap, target, gids);
  const std::string folder = "/proc/" + std::to_string(target);
  return put(folder + "/uid_map", map_text(uids)) && put(folder + "/gid_map", map_text(gids));
}

// Makes the namespace, says so (0, or why not), and stays until it has been told that the maps are written.
[[noreturn]] void hold_namespace(std::uint32_t id, int ready, int done) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool made = (id == 0 || drop_to(id)) && ::unshare(CLONE_NEWUSER) == 0;
  const int why = made ? 0 : errno;
  char byte = 0;
  if (::write(ready, &why, sizeof why) == sizeof why && made) [[maybe_unused]]
    const ssize_t got = ::read(done, &byte, 1);
  ::_exit(0);
}

}  // namespace

bool drop_to(std::uint32_t id) {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(id, id, id) == 0 && ::setresuid(id, id, id) == 0 &&
         ::setuid(0) != 0;
}

IdRange find_range(std::string_view text, std::string_view user, std::string_view number) {
  IdRange range;
  each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (range.count != 0 || colon == std::string_view::npos) return;
    const std::string_view who = line.substr(0, colon);
    if (who.empty() || (who != user && who != number)) return;
    line.remove_prefix(colon + 1);
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    if (!take_number(line, first) || !line.starts_with(':')) return;
    line.remove_prefix(1);
    if (!take_number(line, count) || !line.empty() || first == 0 || first + count > UINT32_MAX) return;
    range = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
  });
  return range;
}

IdRange root_range(std::string_view uid_map) {
  IdRange best;
  each_line(uid_map, [&](std::string_view line) {
    std::uint64_t first = 0;
    std::uint64_t outer = 0;
    std::uint64_t count = 0;
    if (!take_number(line, first) || !take_number(line, outer) || !take_number(line, count)) return;
    const std::uint64_t end = std::min<std::uint64_t>(first + count, UINT32_MAX);
    if (first <= kFirstOfRoot && kFirstOfRoot + kCountOfRoot <= end) {
      best = {kFirstOfRoot, kCountOfRoot};
    } else if (best.count == 0 && first <= kLeastOfRoot && end > kLeastOfRoot + kCountOfRoot) {
      best = {static_cast<std::uint32_t>(end - kCountOfRoot), kCountOfRoot};
    }
  });
  return best;
}

Result<KernelIds> choose_kernel_ids(std::uint32_t slot) {
  if (::geteuid() == 0) {
    const IdRange range = root_range(text_of("/proc/self/uid_map"));
    if ((slot + 1) * std::uint64_t{kIdsPerEnclave} > range.count) {
      return fail(ErrorCode::kUnavailable, "host.ids.none", "root has no ids to give to an enclave in this container",
                  "run gatewayd as an ordinary user");
    }
    const std::uint32_t first = range.first + slot * kIdsPerEnclave;
    return KernelIds{first, first + 1, first + 1, first + 2, first + 2};
  }
  const passwd* entry = ::getpwuid(::getuid());
  const std::string user = entry == nullptr ? "" : entry->pw_name;
  const std::string number = std::to_string(::getuid());
  const IdRange uids = find_range(text_of("/etc/subuid"), user, number);
  const IdRange gids = find_range(text_of("/etc/subgid"), user, number);
  if (::access(kNewUidMap, X_OK) != 0 || ::access(kNewGidMap, X_OK) != 0)
    return none("the package uidmap is not installed");
  if (uids.count < kSubIdsPerEnclave || gids.count < kSubIdsPerEnclave)
    return none("no range in /etc/subuid and /etc/subgid");
  // A short range is shared from its start again: better two workloads with one uid than a workload with its runtime's.
  const std::uint32_t uid = uids.first + slot % (uids.count / kSubIdsPerEnclave) * kSubIdsPerEnclave;
  const std::uint32_t gid = gids.first + slot % (gids.count / kSubIdsPerEnclave) * kSubIdsPerEnclave;
  return KernelIds{0, uid, gid, uid + 1, gid + 1};
}

Result<net::Descriptor> make_user_namespace(const KernelIds& ids) {
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) return no_namespace("a pipe");
  const net::Descriptor ready_read(ready[0]);
  net::Descriptor ready_write(ready[1]);
  if (::pipe2(done.data(), O_CLOEXEC) != 0) return no_namespace("a pipe");
  const net::Descriptor done_read(done[0]);
  net::Descriptor done_write(done[1]);
  const pid_t holder = ::fork();
  if (holder < 0) return no_namespace("fork");
  if (holder == 0) {
    ready_write.release();
    done_write.reset();  // its end would otherwise never be seen
    hold_namespace(ids.enclave, ready[1], done[0]);
  }
  ready_write.reset();
  int why = ECHILD;
  const bool made = ::read(ready_read.get(), &why, sizeof why) == sizeof why && why == 0;
  const bool mapped = made && write_maps(holder, ids);
  if (made) why = errno;
  net::Descriptor space;
  if (mapped) {
    space = net::Descriptor(::open(("/proc/" + std::to_string(holder) + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  }
  done_write.reset();
  while (::waitpid(holder, nullptr, 0) < 0 && errno == EINTR) {
  }
  errno = why;
  if (!made) return no_namespace("unshare");
  if (!mapped) return no_namespace("its maps");
  if (!space.valid()) return no_namespace("its handle");
  return space;
}

}  // namespace gateway::host
