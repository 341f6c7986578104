// The duties of the first process of a virtual machine (Nitro, and QEMU's nitro-enclave): on local a sandbox stands
// before the runtime starts; here there is a kernel and the tree of the ramdisks, nothing else.
//
//  1. a root that a workload's namespace can be moved out of; /proc, /sys, /dev, /run, /tmp; as many descriptors as the
//     kernel gives
//  2. the measured kernel modules, in their order; then the kernel takes no more
//  3. the loopback interface
//  4. the heartbeat: byte 0xB7 to the parent's port 9000, and back, within 20 s
// Then the host is let in: the enclave listens on two vsock ports, and takes the first connection to the control port
// that comes from the parent. (It listens, rather than connects, because one parent has many enclaves and one set of
// ports.)
//
// Input:  files of the measured tree; the heartbeat's echo (host, hostile; one byte).
// Spec:   AWS's enclave bootstrap: heartbeat, CID 3; docs/platforms/nitro.md.
// Errors: kInternal runtime.machine.{mount,modules,lock,loopback,limits}; kUnavailable
// runtime.machine.{heartbeat,control}
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace gateway::runtime {

// Steps 1 to 3. Once, before threads; what it made is never unmade.
Status prepare_machine();

// `folder`/NN-name.ko in load order. Errors: kInternal runtime.machine.modules
Result<std::vector<std::string>> module_files(const std::string& folder);

// Sends the byte and waits for its echo.
Status send_heartbeat(const net::Address& parent, int timeout_ms = 20'000);

// The first connection to `listener` whose other side is `cid`; others are closed. `timeout_ms` is for all of it.
Result<net::Descriptor> accept_from(int listener, std::uint32_t cid, int timeout_ms);

// Ends the machine. What was printed is out before.
[[noreturn]] void power_off();

}  // namespace gateway::runtime
