#include "host/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "host/files.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxFile = 64UZ * 1024;
constexpr const char* kV2Mount = "/sys/fs/cgroup";
constexpr const char* kV1Memory = "/sys/fs/cgroup/memory";

std::optional<std::string> text_of(const std::string& path) {
  auto bytes = read_file(path, kMaxFile);
  if (!bytes) return std::nullopt;
  return std::string(as_text(*bytes));
}

// The files of a control group take one write each.
bool put(const std::string& path, std::string_view value) {
  const net::Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

bool folder_exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool make_or_find(const std::string& path) { return ::mkdir(path.c_str(), 0755) == 0 || folder_exists(path); }

// This process's own group of a hierarchy: the line of /proc/self/cgroup whose controllers are `controllers`.
std::optional<std::string> own_group(std::string_view prefix) {
  const auto text = text_of("/proc/self/cgroup");
  if (!text) return std::nullopt;
  std::size_t at = 0;
  while (at < text->size()) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line = std::string_view(*text).substr(at, end - at);
    const std::size_t first = line.find(':');
    if (first != std::string_view::npos && line.substr(first).starts_with(prefix)) {
      return std::string(line.substr(first + prefix.size()));
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::unexpected<Error> none(std::string reason) {
  return fail(
      ErrorCode::kUnavailable, "host.cgroup.none", std::move(reason),
      "run gatewayd as root (its systemd unit does), or type: systemd-run --user --scope -p Delegate=yes gatewayd");
}

bool has_word(const std::optional<std::string>& text, std::string_view word) {
  return text && text->find(word) != std::string::npos;
}

// Makes `folder` a group whose children can be limited, with no process in it.
bool make_parent(const std::string& base, const std::string& folder) {
  const bool handed_on =
      has_word(text_of(base + "/cgroup.subtree_control"), "memory") || put(base + "/cgroup.subtree_control", "+memory");
  return handed_on && make_or_find(folder) && put(folder + "/cgroup.subtree_control", "+memory");
}

Result<CgroupParent> find_v2() {
  // Root's groups lie beside those of services: a unit whose own group has children with limits could not be started
  // again while they live, since version 2 wants processes in leaves only.
  const std::string top = std::string(kV2Mount) + "/gateway";
  if (::geteuid() == 0 && make_parent(kV2Mount, top)) return CgroupParent{CgroupParent::Version::kV2, top};
  const auto own = own_group("::");
  if (!own) return none("no cgroup of version 2");
  const std::string base = std::string(kV2Mount) + (*own == "/" ? "" : *own);
  if (!has_word(text_of(base + "/cgroup.controllers"), "memory")) return none("no memory controller");
  if (::access((base + "/cgroup.subtree_control").c_str(), W_OK) != 0) return none("cgroup not writable");
  // An ordinary user's own delegated group: the daemon moves into a leaf of it and limits the others.
  const std::string leaf = base + "/gatewayd";
  if (!put(base + "/cgroup.subtree_control", "+memory") &&
      (!make_or_find(leaf) || !put(leaf + "/cgroup.procs", std::to_string(::getpid())) ||
       !put(base + "/cgroup.subtree_control", "+memory"))) {
    return none("cgroup not delegated");
  }
  return CgroupParent{CgroupParent::Version::kV2, base};
}

Result<CgroupParent> find_v1() {
  const auto own = own_group(":memory:");
  if (!own || !folder_exists(kV1Memory)) return none("no memory cgroup");
  const std::string base = std::string(kV1Memory) + (*own == "/" ? "" : *own);
  const std::string folder = base + "/gateway";
  if (!make_or_find(folder) || ::access(folder.c_str(), W_OK) != 0) return none("cgroup not writable");
  return CgroupParent{CgroupParent::Version::kV1, folder};
}

std::string group_folder(const CgroupParent& parent, const std::string& name) {
  return parent.folder + "/enclave-" + name;
}

}  // namespace

Result<CgroupParent> find_cgroup_parent() {
  struct statfs mounted{};
  constexpr long kCgroup2Magic = 0x63677270;
  if (::statfs(kV2Mount, &mounted) == 0 && mounted.f_type == kCgroup2Magic) return find_v2();
  return find_v1();
}

Result<std::string> make_cgroup(const CgroupParent& parent, const std::string& name, std::uint64_t memory) {
  remove_cgroup(parent, name);
  const std::string folder = group_folder(parent, name);
  const std::string limit = std::to_string(memory);
  if (!make_or_find(folder)) return none("cgroup not writable");
  const bool limited = parent.version == CgroupParent::Version::kV2 ? put(folder + "/memory.max", limit)
                                                                    : put(folder + "/memory.limit_in_bytes", limit);
  if (!limited) {
    remove_cgroup(parent, name);
    return none("the cgroup takes no memory limit");
  }
  // Best effort: kernels without swap accounting have no such file.
  if (parent.version == CgroupParent::Version::kV2) {
    put(folder + "/memory.swap.max", "0");
    put(folder + "/memory.oom.group", "1");
  } else {
    put(folder + "/memory.swappiness", "0");
  }
  return folder;
}

void remove_cgroup(const CgroupParent& parent, const std::string& name) { ::rmdir(group_folder(parent, name).c_str()); }

std::uint64_t out_of_memory_kills(const std::string& cgroup) {
  for (const char* file : {"/memory.events", "/memory.oom_control"}) {
    const auto text = text_of(cgroup + file);
    const std::size_t at = text ? text->find("oom_kill ") : std::string::npos;
    if (at == std::string::npos) continue;
    std::uint64_t count = 0;
    std::from_chars(text->data() + at + std::strlen("oom_kill "), text->data() + text->size(), count);
    return count;
  }
  return 0;
}

std::optional<std::uint64_t> memory_in_use(const std::string& cgroup) {
  for (const char* file : {"/memory.current", "/memory.usage_in_bytes"}) {
    if (const auto text = text_of(cgroup + file)) {
      std::uint64_t bytes = 0;
      if (std::from_chars(text->data(), text->data() + text->size(), bytes).ec == std::errc()) return bytes;
    }
  }
  return std::nullopt;
}

}  // namespace gateway::host
