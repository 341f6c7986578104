#include "runtime/identity_map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "net/descriptor.h"

namespace gateway::runtime {
namespace {

constexpr std::uint32_t kPreferredId = 100'000;

std::string read_file(const char* path) {
  const net::Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

bool write_file(const std::string& path, std::string_view text) {
  const net::Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// The runtime maps another id and later reaches a socket that belongs to it: both need capabilities of its own.
bool may_use_another_id() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return std::ranges::all_of(std::array{CAP_SETUID, CAP_SETGID, CAP_DAC_OVERRIDE}, [&](int capability) {
    return (sets[0].effective & (1U << static_cast<unsigned>(capability))) != 0;
  });
}

std::uint64_t next_number(std::string_view& text) {
  text.remove_prefix(std::min(text.size(), text.find_first_of("0123456789")));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc() ? value : 0;
}

}  // namespace

std::uint32_t second_id(std::string_view map, std::uint32_t own) {
  std::uint32_t highest = 0;
  while (map.find_first_of("0123456789") != std::string_view::npos) {
    const std::uint64_t first = next_number(map);
    next_number(map);
    const std::uint64_t end = std::min<std::uint64_t>(first + next_number(map), UINT32_MAX);  // exclusive; -1 is no id
    if (first <= kPreferredId && kPreferredId < end && own != kPreferredId) return kPreferredId;
    for (std::uint64_t id = end; id > first; --id) {
      const auto candidate = static_cast<std::uint32_t>(id - 1);
      if (candidate == own || candidate == 0) continue;
      highest = std::max(highest, candidate);
      break;
    }
  }
  return highest;
}

WorkloadIdentity choose_workload_identity() {
  const WorkloadIdentity shared{.uid = ::geteuid(), .gid = ::getegid(), .own = false};
  if (!may_use_another_id()) return shared;
  const std::uint32_t uid = second_id(read_file("/proc/self/uid_map"), shared.uid);
  const std::uint32_t gid = second_id(read_file("/proc/self/gid_map"), shared.gid);
  if (uid == 0 || gid == 0) return shared;
  return {.uid = uid, .gid = gid, .own = true};
}

Status write_identity_maps(pid_t child, std::uint32_t inner_uid, std::uint32_t inner_gid,
                           const WorkloadIdentity& identity) {
  const std::string folder = "/proc/" + std::to_string(child);
  const auto line = [](std::uint32_t inner, std::uint32_t outer) {
    return std::to_string(inner) + " " + std::to_string(outer) + " 1\n";
  };
  const bool written = (identity.own || write_file(folder + "/setgroups", "deny")) &&
                       write_file(folder + "/gid_map", line(inner_gid, identity.gid)) &&
                       write_file(folder + "/uid_map", line(inner_uid, identity.uid));
  if (written) return {};
  return fail(ErrorCode::kUnavailable, "workload.identity",
              std::string("the workload's user could not be mapped: ") + std::strerror(errno),
              "run `gateway doctor` on the host; the enclave does not start a workload less isolated");
}

}  // namespace gateway::runtime
