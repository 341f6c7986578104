#include "runtime/sandbox_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace gateway::runtime {
namespace {

constexpr std::array kDevices{"null", "zero", "full", "random", "urandom"};
constexpr std::array<std::array<const char*, 2>, 4> kDeviceLinks{{{"fd", "/proc/self/fd"},
                                                                  {"stdin", "/proc/self/fd/0"},
                                                                  {"stdout", "/proc/self/fd/1"},
                                                                  {"stderr", "/proc/self/fd/2"}}};
constexpr unsigned long kNoSurprises = MS_NOSUID | MS_NODEV;

std::string by_descriptor(const net::Descriptor& descriptor) {
  return "/proc/self/fd/" + std::to_string(descriptor.get());
}

// A bind inherits flags that this user namespace may not clear: a remount must name them again.
unsigned long inherited_flags(const std::string& path) {
  struct statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) return 0;
  unsigned long flags = 0;
  if ((status.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((status.f_flag & ST_NOATIME) != 0) flags |= MS_NOATIME;
  if ((status.f_flag & ST_NODIRATIME) != 0) flags |= MS_NODIRATIME;
  if ((status.f_flag & ST_RELATIME) != 0) flags |= MS_RELATIME;
  return flags;
}

}  // namespace

// A descriptor of the folder `name` of the new root: of whatever is mounted there now.
net::Descriptor MountTree::point(const char* name) const {
  return net::Descriptor(::openat(root_.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

int MountTree::make_private() { return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno; }

int MountTree::bind_root(const std::string& rootfs) {
  if (::mount(rootfs.c_str(), rootfs.c_str(), nullptr, MS_BIND, nullptr) != 0) return errno;
  const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | kNoSurprises | inherited_flags(rootfs);
  if (::mount(nullptr, rootfs.c_str(), nullptr, flags, nullptr) != 0) return errno;
  root_ = net::Descriptor(::open(rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return root_.valid() ? 0 : errno;
}

int MountTree::mount_proc() {
  const net::Descriptor at = point("proc");
  if (!at.valid()) return errno;
  constexpr unsigned long kFlags = kNoSurprises | MS_NOEXEC | MS_RDONLY;
  return ::mount("proc", by_descriptor(at).c_str(), "proc", kFlags, nullptr) == 0 ? 0 : errno;
}

int MountTree::mount_tmpfs(const char* name, const std::string& options) {
  const net::Descriptor at = point(name);
  if (!at.valid()) return errno;
  return ::mount("tmpfs", by_descriptor(at).c_str(), "tmpfs", kNoSurprises, options.c_str()) == 0 ? 0 : errno;
}

int MountTree::mount_devices(std::uint64_t shm_bytes) {
  if (const int error = mount_tmpfs("dev", "size=64k,nr_inodes=64,mode=755"); error != 0) return error;
  const net::Descriptor folder = point("dev");
  if (!folder.valid()) return errno;
  for (const char* name : kDevices) {
    const net::Descriptor made(::openat(folder.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!made.valid()) return errno;
    const std::string source = std::string("/dev/") + name;
    struct stat status{};
    if (::stat(source.c_str(), &status) != 0) return errno;
    if (!S_ISCHR(status.st_mode)) return ENODEV;
    if (::mount(source.c_str(), by_descriptor(made).c_str(), nullptr, MS_BIND, nullptr) != 0) return errno;
  }
  for (const auto& [name, target] : kDeviceLinks) {
    if (::symlinkat(target, folder.get(), name) != 0) return errno;
  }
  if (::mkdirat(folder.get(), "shm", 0755) != 0) return errno;
  if (const int error = mount_tmpfs("dev/shm", "size=" + std::to_string(shm_bytes) + ",mode=1777"); error != 0) {
    return error;
  }
  constexpr unsigned long kFlags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  return ::mount(nullptr, by_descriptor(folder).c_str(), nullptr, kFlags, nullptr) == 0 ? 0 : errno;
}

int MountTree::mount_scratch(std::uint64_t bytes) {
  return mount_tmpfs("tmp", "size=" + std::to_string(bytes) + ",mode=1777");
}

int MountTree::mount_shared(std::uint32_t uid, std::uint32_t gid, net::Descriptor& shared) {
  const std::string owner = ",uid=" + std::to_string(uid) + ",gid=" + std::to_string(gid);
  const std::string options = "size=" + std::to_string(kSharedBytes) + ",nr_inodes=4096,mode=755" + owner;
  if (const int error = mount_tmpfs("run", options); error != 0) return error;
  const net::Descriptor folder = point("run");
  if (!folder.valid() || ::mkdirat(folder.get(), "gateway", 0755) != 0) return errno;
  shared = point("run/gateway");
  return shared.valid() ? 0 : errno;
}

int MountTree::pivot() {
  if (::fchdir(root_.get()) != 0) return errno;
  // Both names are the same folder: the old root ends up mounted over the new one, and is detached from there.
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return errno;
  if (::umount2(".", MNT_DETACH) != 0) return errno;
  if (::chdir("/") != 0) return errno;
  root_.reset();
  return 0;
}

int drop_capabilities() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
  }
  constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                  SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                  SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, 2> none{};
  return ::syscall(SYS_capset, &header, none.data()) == 0 ? 0 : errno;
}

}  // namespace gateway::runtime
