// What the filter lets through and refuses is tried from inside a real sandbox (sandbox_test.cc).
#include "runtime/seccomp_filter.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gateway::runtime {
namespace {

TEST(SeccompFilter, AKernelThatRefusesItIsReported) {
  const pid_t child = ::fork();
  if (child == 0) {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    for (const char* call : {"seccomp", "prctl"}) {
      seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(call), 0);
    }
    if (seccomp_load(filter) != 0) ::_exit(3);
    const Status installed = install_workload_filter();
    ::_exit(installed ? 0 : installed.error().id() == "workload.seccomp" ? 1 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace gateway::runtime
