// The workload's system call filter: an allow-list wide enough for ordinary server programs, language runtimes and
// engines, and nothing that reaches around the namespaces.
//
// - Other architectures (32-bit int 0x80, x32) are killed: their calls would be judged by the wrong numbers.
// - socket() and socketpair() make AF_UNIX, AF_INET and AF_INET6 only: AF_VSOCK is not confined by network namespaces.
// - No namespaces, mounts, modules, kexec, bpf, io_uring, ptrace and other processes' memory, keyrings, userfaultfd,
//   perf, handles of files, clocks to set. clone3 answers ENOSYS, because its flags lie in memory that a filter cannot
//   read; C libraries then use clone, whose flags it judges.
// - ioctl by allow-list, compared on the 32 bits that the kernel looks at: TIOCSTI with garbage above passes otherwise.
// What is not listed answers ENOSYS, so that programs take their fallback for older kernels.
// Errors: kInternal workload.seccomp
#pragma once

#include "base/result.h"

namespace gateway::runtime {

// Installs the filter on the calling thread, for good; it passes to children. Needs NoNewPrivs.
Status install_workload_filter();

}  // namespace gateway::runtime
