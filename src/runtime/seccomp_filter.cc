#include "runtime/seccomp_filter.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
#include <span>

namespace gateway::runtime {
namespace {

// Calls allowed with any arguments, by what they are for. Names the running libseccomp does not know are skipped: they
// stay refused. Names of other architectures (open, stat, …) resolve to nothing there and are skipped as well.
constexpr auto kFiles = std::to_array<const char*>({
    "access",
    "chdir",
    "chmod",
    "chown",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "flistxattr",
    "flock",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "futimesat",
    "getcwd",
    "getdents",
    "getdents64",
    "getxattr",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listxattr",
    "llistxattr",
    "lremovexattr",
    "lseek",
    "lsetxattr",
    "lstat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "removexattr",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "setxattr",
    "splice",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "tee",
    "truncate",
    "umask",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
    "vmsplice",
    "write",
    "writev",
});
constexpr auto kEvents = std::to_array<const char*>({
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_setup",
    "io_submit",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "signalfd",
    "signalfd4",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
});
constexpr auto kMemory = std::to_array<const char*>({
    "brk",        "madvise", "membarrier", "memfd_create", "mincore",       "mlock", "mlock2",
    "mlockall",   "mmap",    "mprotect",   "mremap",       "mseal",         "msync", "munlock",
    "munlockall", "munmap",  "pkey_alloc", "pkey_free",    "pkey_mprotect",
});
constexpr auto kProcesses = std::to_array<const char*>({
    "alarm",
    "arch_prctl",
    "capget",
    "capset",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "fork",
    "futex",
    "futex_waitv",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "gettid",
    "getuid",
    "ioprio_get",
    "ioprio_set",
    "kill",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "prctl",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setitimer",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setrlimit",
    "setsid",
    "setuid",
    "sigaltstack",
    "sysinfo",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "times",
    "tkill",
    "uname",
    "vfork",
    "wait4",
    "waitid",
});
constexpr auto kClocks = std::to_array<const char*>({
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "gettimeofday",
    "nanosleep",
});
constexpr auto kSockets = std::to_array<const char*>({
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
});
constexpr auto kSystemV = std::to_array<const char*>({
    // confined by the ipc namespace
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedsend",
    "mq_unlink",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
});

constexpr auto kIoctls = std::to_array<unsigned long>({
    TCGETS,         TCSETS,         TCSETSW,    TCSETSF,       TIOCGWINSZ,   TIOCGPGRP,   FIONREAD,     FIONBIO,
    FIOASYNC,       FIOCLEX,        FIONCLEX,   SIOCATMARK,    SIOCGIFCONF,  SIOCGIFNAME, SIOCGIFFLAGS, SIOCGIFADDR,
    SIOCGIFNETMASK, SIOCGIFBRDADDR, SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCOUTQ,
});

constexpr unsigned long kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                          CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
constexpr unsigned long kLow32 = 0xffff'ffffUL;

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};
using Filter = std::unique_ptr<void, Release>;

// Collects the first failure; the rules read as a list.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx context) : context_(context) {}
  int error() const { return error_; }

  void attribute(scmp_filter_attr name, std::uint32_t value) { note(seccomp_attr_set(context_, name, value)); }
  void allow(std::span<const char* const> names) {
    for (const char* name : names) {
      const int number = seccomp_syscall_resolve_name(name);
      if (number != __NR_SCMP_ERROR && number >= 0) note(seccomp_rule_add(context_, SCMP_ACT_ALLOW, number, 0));
    }
  }
  void when(std::uint32_t action, const char* name, scmp_arg_cmp condition) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number != __NR_SCMP_ERROR && number >= 0) note(seccomp_rule_add_array(context_, action, number, 1, &condition));
  }

 private:
  void note(int result) {
    if (error_ == 0 && result != 0) error_ = -result;
  }
  scmp_filter_ctx context_;
  int error_ = 0;
};

scmp_arg_cmp equal_to(unsigned argument, unsigned long value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp masked(unsigned argument, unsigned long mask, unsigned long value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_socket_rules(Rules& rules) {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) {
    rules.when(SCMP_ACT_ALLOW, "socket", equal_to(0, static_cast<unsigned long>(family)));
  }
  rules.when(SCMP_ACT_ALLOW, "socketpair", equal_to(0, AF_UNIX));
  // The other families answer as a kernel without them would.
  for (const char* call : {"socket", "socketpair"}) {
    for (unsigned long family = 0; family <= AF_INET6; ++family) {
      const bool allowed = family == AF_UNIX || ((family == AF_INET || family == AF_INET6) && call[6] == '\0');
      if (!allowed) rules.when(SCMP_ACT_ERRNO(EAFNOSUPPORT), call, equal_to(0, family));
    }
    rules.when(SCMP_ACT_ERRNO(EAFNOSUPPORT), call, {0, SCMP_CMP_GT, AF_INET6, 0});
  }
}

void add_rules(Rules& rules) {
  rules.attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  rules.attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree: the filter runs on every call of the engine
  for (const std::span<const char* const> names : std::initializer_list<std::span<const char* const>>{
           kFiles, kEvents, kMemory, kProcesses, kClocks, kSockets, kSystemV}) {
    rules.allow(names);
  }
  add_socket_rules(rules);
  rules.when(SCMP_ACT_ALLOW, "clone", masked(0, kNamespaceFlags, 0));
  for (const unsigned long request : kIoctls) rules.when(SCMP_ACT_ALLOW, "ioctl", masked(1, kLow32, request));
  for (const unsigned long persona : {0UL, kLow32}) {
    rules.when(SCMP_ACT_ALLOW, "personality", masked(0, kLow32, persona));
  }
}

}  // namespace

Status install_workload_filter() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
  int error = filter ? 0 : ENOMEM;
  if (error == 0) {
    Rules rules(filter.get());
    add_rules(rules);
    error = rules.error();
  }
  if (error == 0) error = -seccomp_load(filter.get());
  if (error == 0) return {};
  return fail(ErrorCode::kInternal, "workload.seccomp",
              std::string("the workload's system call filter could not be installed: ") + std::strerror(error),
              "the kernel must have CONFIG_SECCOMP_FILTER");
}

}  // namespace gateway::runtime
