#include "runtime/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "image/description.h"
#include "net/enclave_ports.h"
#include "runtime/sandbox_link.h"

namespace gateway::runtime {
namespace {

constexpr rlim_t kOpenFiles = 1024UL * 1024;  // the kernel's own bound, fs.nr_open
constexpr const char* kModulesLock = "/proc/sys/kernel/modules_disabled";

std::unexpected<Error> machine_fault(ErrorId id, const std::string& what, int error = errno) {
  return fail(ErrorCode::kInternal, id, what + ": " + std::strerror(error),
              "the image's kernel lacks what an enclave needs: build it with Debian's cloud kernel");
}

// The root of an initramfs cannot be pivoted away from: it is the one mount without a parent. A bind of it, moved over
// it, has one.
Status make_root_movable() {
  constexpr const char* kAside = "/run";
  if (::mount("/", kAside, nullptr, MS_BIND, nullptr) != 0 || ::chdir(kAside) != 0 ||
      ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0) {
    return machine_fault("runtime.machine.mount", "the root could not be made movable");
  }
  return {};
}

struct FileSystem {
  const char* type;
  const char* where;
  unsigned long flags;
  const char* options;
};
constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr std::array kFileSystems{
    FileSystem{"proc", "/proc", kPlain, nullptr},
    FileSystem{"sysfs", "/sys", kPlain, nullptr},
    FileSystem{"devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=755"},
    FileSystem{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755"},
    FileSystem{"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
};

Status mount_file_systems() {
  for (const FileSystem& each : kFileSystems) {
    if (::mount(each.type, each.where, each.type, each.flags, each.options) == 0) continue;
    return machine_fault("runtime.machine.mount", std::string("no ") + each.type + " at " + each.where);
  }
  return {};
}

Status load_module(const std::string& path) {
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.valid() && (::syscall(SYS_finit_module, file.get(), "", 0) == 0 || errno == EEXIST)) return {};
  return machine_fault("runtime.machine.modules", "the kernel does not take " + path);
}

// For good: the kernel knows no way back until the next boot.
Status lock_modules() {
  const net::Descriptor lock(::open(kModulesLock, O_RDWR | O_CLOEXEC));
  char state = '0';
  if (lock.valid() && ::pwrite(lock.get(), "1", 1, 0) == 1 && ::pread(lock.get(), &state, 1, 0) == 1 && state == '1') {
    return {};
  }
  return machine_fault("runtime.machine.lock", "the kernel's modules could not be locked");
}

std::unexpected<Error> no_heartbeat(const std::string& why) {
  return fail(ErrorCode::kUnavailable, "runtime.machine.heartbeat", "the parent did not answer the heartbeat: " + why,
              "the host's side of vsock is missing: look at its driver");
}

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

}  // namespace

Result<std::vector<std::string>> module_files(const std::string& folder) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> open(::opendir(folder.c_str()));
  if (!open) return machine_fault("runtime.machine.modules", folder + " cannot be read");
  std::vector<std::string> files;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".ko")) files.push_back(folder + "/" + std::string(name));
  }
  std::ranges::sort(files);  // two digits lead: the load order
  return files;
}

Status prepare_machine() {
  GATEWAY_TRY(make_root_movable());
  GATEWAY_TRY(mount_file_systems());
  const rlimit files{kOpenFiles, kOpenFiles};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) return machine_fault("runtime.machine.limits", "descriptors");
  GATEWAY_ASSIGN(const auto modules, module_files(std::string(image::kModulesPath)));
  for (const std::string& path : modules) GATEWAY_TRY(load_module(path));
  // As udev leaves it: of use only to who has a network namespace of its own to make a device in. Images without
  // egress.tun have none.
  if (::chmod("/dev/net/tun", 0666) != 0 && errno != ENOENT) {
    return machine_fault("runtime.machine.modules", "/dev/net/tun cannot be opened to the workload's sandbox");
  }
  GATEWAY_TRY(lock_modules());
  if (const int error = raise_loopback(); error != 0) {
    return machine_fault("runtime.machine.loopback", "the loopback interface stays down", error);
  }
  return {};
}

Status send_heartbeat(const net::Address& parent, int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  const auto connected = net::connect_to(parent, timeout_ms);
  if (!connected) return no_heartbeat(connected.error().detail());
  if (::send(connected->get(), &net::kHeartbeat, 1, MSG_NOSIGNAL) != 1) return no_heartbeat(std::strerror(errno));
  pollfd readable{connected->get(), POLLIN, 0};
  if (::poll(&readable, 1, milliseconds_until(deadline)) != 1) return no_heartbeat("no echo in time");
  std::uint8_t echo = 0;
  if (::recv(connected->get(), &echo, 1, 0) != 1) return no_heartbeat("it closed the connection");
  if (echo != net::kHeartbeat) return no_heartbeat("its echo is another byte");
  return {};
}

Result<net::Descriptor> accept_from(int listener, std::uint32_t cid, int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  pollfd readable{listener, POLLIN, 0};
  while (::poll(&readable, 1, milliseconds_until(deadline)) == 1) {
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    net::Descriptor taken(::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
    if (!taken.valid()) continue;
    if (peer.svm_family == AF_VSOCK && peer.svm_cid == cid) return taken;
    log::warning("runtime.machine.stranger", {{"cid", peer.svm_cid}});
  }
  return fail(
      ErrorCode::kUnavailable, "runtime.machine.control", "the host did not open the control channel in time",
      "look at the host's driver: it connects to the enclave's vsock port " + std::to_string(net::kControlPort));
}

void power_off() {
  ::tcdrain(STDERR_FILENO);
  ::sync();
  ::reboot(RB_AUTOBOOT);  // the image's command line says how; where it cannot, the kernel's panic ends it
  ::_exit(1);
}

}  // namespace gateway::runtime
