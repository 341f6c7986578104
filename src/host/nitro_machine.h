// A Nitro enclave on EC2, through AWS's driver: processors of its pool, memory of huge pages, the image copied in,
// start, heartbeat. No other program takes part. The enclave lives as long as its shim holds its descriptor.
//
// Input:  the driver's answers; the enclave's heartbeat (one byte).
// Spec:   Linux, include/uapi/linux/nitro_enclaves.h; AWS's heartbeat: byte 0xB7 on the parent's port 9000.
// Errors: kUnavailable host.nitro.{device,cpus,memory,image,start,heartbeat,silent}; kInvalidArgument
// host.nitro.memory_small
#pragma once

#include "host/enclave_spec.h"
#include "host/machine.h"
#include "host/nitro_device.h"

namespace gateway::host {

// An enclave's memory must be at least so many times its image (AWS).
inline constexpr std::uint64_t kNitroMemoryFactor = 4;

// Whether there is a device; what to do when not.
Status check_nitro(NitroDevice& device);

// Blocks until the enclave is started; it may then still be booting. `patience` is for the port of the heartbeat, which
// all starts of a host share; the enclave must be heard within `heartbeat_time`.
Result<std::unique_ptr<Machine>> make_nitro_machine(
    const EnclaveSpec& spec, std::unique_ptr<NitroDevice> device,
    std::chrono::milliseconds patience = std::chrono::milliseconds(20'000),
    std::chrono::milliseconds heartbeat_time = std::chrono::milliseconds(30'000));

}  // namespace gateway::host
