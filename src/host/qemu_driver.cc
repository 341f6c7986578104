#include "host/qemu_driver.h"

#include <unistd.h>

#include "host/qemu_machine.h"

namespace gateway::host {
namespace {

class QemuDriver final : public ShimDriver {
 public:
  explicit QemuDriver(QemuDriverOptions options)
      : ShimDriver(std::move(options.shim), std::move(options.egress)), folder_(std::move(options.folder)) {}

  Status check() override { return check_qemu(folder_); }
  unsigned enclaves_per_cpu() const override { return 1; }
  void clean_up(const std::string&) override {}

 protected:
  Result<EnclaveSpec> prepare(EnclaveSpec spec) override {
    spec.cgroup_note = "QEMU gives the machine its memory";
    spec.qemu_folder = folder_;
    if (::geteuid() != 0) return spec;
    GATEWAY_ASSIGN(const KernelIds ids, choose_kernel_ids(spec.slot));  // neither QEMU nor the shim stays root
    spec.ids.enclave = ids.enclave;
    return spec;
  }

 private:
  std::string folder_;
};

}  // namespace

std::unique_ptr<Driver> make_qemu_driver(QemuDriverOptions options) {
  return std::make_unique<QemuDriver>(std::move(options));
}

}  // namespace gateway::host
