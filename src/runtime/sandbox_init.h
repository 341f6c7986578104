// The first process of a workload's sandbox: isolates itself step by step, starts the workload's program, reaps.
//
// Runs in fresh user, pid, mount, ipc, uts and network namespaces with memory of its own (sandbox.h), so nothing of the
// runtime's keys is near. Every step that fails ends it, with the step's id on the channel; none is skipped.
// Afterwards it holds no capability, no descriptor but the channel, cannot be read by the workload (not dumpable), and
// passes SIGTERM on. When it ends, the kernel kills everything else in the sandbox.
// Input:  SandboxSpec from the runtime. Spec: docs/trust.md §3.
#pragma once

namespace gateway::runtime {

// For main: when the process was started with kSandboxArgument. Never returns.
[[noreturn]] void run_sandbox_init();

}  // namespace gateway::runtime
