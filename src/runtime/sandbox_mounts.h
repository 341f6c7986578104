// The workload's file system tree, and the end of its privileges. Called by sandbox_init in this order only.
//
// Root read-only from the image; a fresh /proc, read-only; /dev with null, zero, full, random, urandom and a bounded
// shm; bounded tmpfs on /tmp and /run; no /sys. Mount points are taken from the root file system without following
// links, so a link in an image cannot lead a mount elsewhere. All functions return 0 or errno.
#pragma once

#include <cstdint>
#include <string>

#include "net/descriptor.h"

namespace gateway::runtime {

inline constexpr std::uint64_t kSharedBytes = 16ULL * 1024 * 1024;  // /run: sockets and pid files

class MountTree {
 public:
  int make_private();
  int bind_root(const std::string& rootfs);
  int mount_proc();
  int mount_devices(std::uint64_t shm_bytes);
  int mount_scratch(std::uint64_t bytes);
  // `shared` becomes a path descriptor of /run/gateway, through which the runtime reaches the workload's socket.
  int mount_shared(std::uint32_t uid, std::uint32_t gid, net::Descriptor& shared);
  int pivot();

 private:
  net::Descriptor point(const char* name) const;
  int mount_tmpfs(const char* name, const std::string& options);
  net::Descriptor root_;
};

// Bounding, ambient, inheritable, permitted and effective sets empty; securebits locked so that no id brings them back.
int drop_capabilities();

}  // namespace gateway::runtime
