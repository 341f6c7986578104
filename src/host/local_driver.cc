#include "host/local_driver.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/log.h"
#include "host/files.h"
#include "host/sandbox.h"

namespace gateway::host {
namespace {

class LocalDriver final : public ShimDriver {
 public:
  explicit LocalDriver(LocalDriverOptions options)
      : ShimDriver(options.shim, options.egress), options_(std::move(options)), cgroups_(find_cgroup_parent()) {}

  Status check() override {
    GATEWAY_TRY(find_bwrap());
    return check_user_namespaces();
  }

  void clean_up(const std::string& name) override {
    if (cgroups_) remove_cgroup(*cgroups_, name);
  }

  unsigned enclaves_per_cpu() const override { return options_.enclaves_per_cpu; }

 protected:
  Result<EnclaveSpec> prepare(EnclaveSpec spec) override {
    limit_memory(spec);
    GATEWAY_ASSIGN(spec.ids, ids_of(spec.slot));
    spec.root_folder = options_.root_folder;
    return spec;
  }

 private:
  // Where no group can be made no limit is claimed, and the note says why.
  void limit_memory(EnclaveSpec& spec) {
    if (!cgroups_) {
      spec.cgroup_note = cgroups_.error().detail();
      return;
    }
    auto group = make_cgroup(*cgroups_, spec.name, spec.memory);
    if (group) {
      spec.cgroup = *std::move(group);
    } else {
      spec.cgroup_note = group.error().detail();
    }
  }

  // Root must have ids for its enclaves; an ordinary user may have none for workloads, and then `ps`, `inspect` and
  // `doctor` say so.
  Result<KernelIds> ids_of(std::uint32_t slot) const {
    auto ids = choose_kernel_ids(slot);
    if (::geteuid() == 0) return ids;
    if (!separate_ids_) return KernelIds{};
    return ids;
  }

  // Tried for real, once: whether the workloads of an ordinary user's enclaves can have a uid of their own.
  static bool separate_ids_work() {
    const auto ids = choose_kernel_ids(0);
    const Status tried = [&]() -> Status {
      GATEWAY_TRY(ids);
      GATEWAY_TRY(make_user_namespace(*ids));
      return {};
    }();
    if (!tried && ::geteuid() != 0) log::warning("host.workload.shares_uid", {{"why", tried.error().detail()}});
    return tried.has_value();
  }

  LocalDriverOptions options_;
  Result<CgroupParent> cgroups_;
  bool separate_ids_ = separate_ids_work();
};

int try_namespace(void*) { return 0; }

}  // namespace

std::unique_ptr<Driver> make_local_driver(LocalDriverOptions options) {
  return std::make_unique<LocalDriver>(std::move(options));
}

Status check_user_namespaces() {
  alignas(16) std::array<char, 16384> stack{};
  const pid_t child = ::clone(try_namespace, stack.data() + stack.size(), CLONE_NEWUSER | SIGCHLD, nullptr);
  if (child > 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {};
  }
  return fail(ErrorCode::kUnavailable, "host.platform_unavailable",
              std::string("this host refuses user namespaces: ") + std::strerror(errno),
              "type: sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000");
}

}  // namespace gateway::host
