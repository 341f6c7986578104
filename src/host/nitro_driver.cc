#include "host/nitro_driver.h"

#include <unistd.h>

#include <fstream>

#include "host/nitro_machine.h"

namespace gateway::host {
namespace {

class NitroDriver final : public ShimDriver {
 public:
  using ShimDriver::ShimDriver;

  Status check() override { return check_nitro(*device_); }
  unsigned enclaves_per_cpu() const override { return 1; }
  void clean_up(const std::string&) override {}
  std::string_view pool() const override { return "nitro"; }

  HostCapacity capacity() const override {
    std::ifstream file(kNitroCpuPool);
    std::string cpus;
    std::getline(file, cpus);
    const HugePages pages = read_huge_pages();
    return {.memory_total = pages.total, .memory_available = pages.free, .cpus = parse_cpu_list(cpus), .whole = true};
  }

 protected:
  // Once the enclave runs its shim needs no privilege: it gives up root for ids of its own, as on local.
  Result<EnclaveSpec> prepare(EnclaveSpec spec) override {
    spec.cgroup_note = "the enclave's memory is its own";
    if (::geteuid() != 0) return spec;
    GATEWAY_ASSIGN(const KernelIds ids, choose_kernel_ids(spec.slot));
    spec.ids.enclave = ids.enclave;
    return spec;
  }

 private:
  std::unique_ptr<NitroDevice> device_ = make_nitro_device();
};

}  // namespace

std::unique_ptr<Driver> make_nitro_driver(std::string shim, EgressConfig egress) {
  return std::make_unique<NitroDriver>(std::move(shim), std::move(egress));
}

}  // namespace gateway::host
