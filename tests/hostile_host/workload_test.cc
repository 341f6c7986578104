// The walls around the workload, the virtual NSM, and the runtime.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "attester/nsm_protocol.h"
#include "callers.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using harness::json_at;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The workload tries every way out that it knows (tests/workload/probe.cc) and tells what came of each.
const std::string& probed() {
  static const std::string json = [] {
    const auto client = harness::RawClient::tls(enclave().listen);
    return client ? client->exchange(harness::get("/probe", good_token())).body : std::string();
  }();
  return json;
}

std::string outcome(const std::string& probe) { return json_at(probed(), "/probes/" + probe).value_or("not tried"); }

void expect_denied(const std::vector<std::string>& probes) {
  for (const std::string& probe : probes) {
    EXPECT_NE(outcome(probe), "allowed") << probe;
    EXPECT_NE(outcome(probe), "not tried") << probe << ": " << probed();
  }
}

TEST(Workload, HasNoAttestationDevice) {
  attack("the workload looks for the attestation device or its socket", "no such thing in its world");
  expect_denied({"open_dev_nsm", "open_dev_mem"});
  EXPECT_EQ(outcome("open_dev_nsm"), "ENOENT");
  EXPECT_THAT(json_at(probed(), "/dev").value_or(""), Not(AnyOf(HasSubstr("nsm"), HasSubstr("vsock"))));
}

TEST(Workload, SeesNoSocketButItsOwn) {
  attack("the workload looks for other sockets", "its own alone");
  std::istringstream lines(json_at(probed(), "/unix_sockets").value_or(""));
  const std::string all = lines.str();
  EXPECT_THAT(all, HasSubstr("/run/gateway/app.sock"));
  for (const char* other : {"control", "ingress", "status", "nsm", "gatewayd", "@"})
    EXPECT_THAT(all, Not(HasSubstr(other)));
  EXPECT_EQ(json_at(probed(), "/run_gateway"), "[\"app.sock\"]");
  // The listener, the connection that asked, and what a program always has.
  for (int i = 0;; ++i) {
    const auto descriptor = json_at(probed(), "/descriptors/" + std::to_string(i));
    if (!descriptor) break;
    EXPECT_THAT(*descriptor, AnyOf(HasSubstr("/dev/null"), HasSubstr("pipe:"), HasSubstr("socket:"))) << *descriptor;
    EXPECT_LE(std::stoi(*descriptor), 8) << *descriptor;
  }
}

TEST(Workload, SeesNoProcessButItsOwn) {
  attack("the workload looks for other processes, their memory, or traces them", "its own alone; ptrace is not there");
  EXPECT_EQ(json_at(probed(), "/processes"), "[\"1\",\"2\"]");
  expect_denied({"ptrace_init", "ptrace_parent", "open_init_memory", "read_description"});
}

TEST(Workload, HasNoNetwork) {
  attack("the workload looks for the network, vsock included", "loopback alone; `EAFNOSUPPORT`, `ENETUNREACH`");
  expect_denied({"af_vsock", "af_netlink", "af_packet", "af_alg", "raw_inet", "connect_outside", "open_dev_tun"});
  EXPECT_EQ(outcome("af_vsock"), "EAFNOSUPPORT");
  EXPECT_EQ(outcome("connect_outside"), "ENETUNREACH");
}

TEST(Workload, HasNoPrivilegeAndNoWayToOne) {
  attack("the workload looks for privileges: capabilities, namespaces, modules, bpf, io_uring", "denied, none left");
  expect_denied({"io_uring", "bpf", "unshare_user", "unshare_net", "init_module", "keyctl", "perf_event_open",
                 "userfaultfd", "setresuid_root", "sethostname", "write_usr", "write_root", "mknod"});
  for (const char* set : {"cap_eff", "cap_prm", "cap_bnd"})
    EXPECT_EQ(json_at(probed(), std::string("/") + set), "0000000000000000");
  EXPECT_EQ(json_at(probed(), "/no_new_privs"), "1");
  EXPECT_EQ(json_at(probed(), "/seccomp"), "2");
  EXPECT_EQ(json_at(probed(), "/uid"), "1000");
}

// How this machine's kernel takes a 32-bit system call of a process that nothing filters: it does it, or it was built
// without them and ends the process with SIGSEGV before any filter is asked.
bool kernel_has_32_bit_calls() {
#if defined(__x86_64__)
  const pid_t child = ::fork();
  if (child == 0) {
    long result = 20;  // getpid
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    ::_exit(result > 0 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status);
#else
  return false;
#endif
}

TEST(Workload, IsKilledAt32BitSystemCalls) {
  attack("a 32-bit system call to get around the filter", "killed with `SIGSYS`, or by a kernel that knows none");
  EXPECT_EQ(outcome("af_vsock_32_bit"), kernel_has_32_bit_calls() ? "killed SYS" : "killed SEGV");
}

TEST(Workload, WhatItPrintsStaysInside) {
  attack("the workload prints what it was told", "in the ring inside; nothing at the host");
  const std::string words = "request GET /headers";  // what the echo workload prints
  const auto client = harness::RawClient::tls(enclave().listen);
  ASSERT_NE(client, nullptr);
  client->exchange(harness::get("/headers", good_token()));
  EXPECT_THAT(client->exchange(harness::get("/.well-known/gateway/logs", good_token())).body, HasSubstr(words));
  EXPECT_EQ(harness::run({.argv = {"/bin/grep", "-rlaF", words, site().state()}}).status, 1);
  EXPECT_THAT(site().gateway({"logs", enclave().name, "--events"}).out, Not(HasSubstr(words)));
}

// Connects to a Unix socket, sends a frame of the virtual NSM's protocol, and gives what comes back; nullopt when
// nobody listens there.
std::optional<std::string> ask_socket(const std::string& path, const std::string& frame) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  path.copy(address.sun_path, path.size());
  const net::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 0, .tv_usec = 500'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return std::nullopt;
  ::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  char answer[4'096];
  const ssize_t size = ::recv(socket.get(), answer, sizeof answer, 0);
  return std::string(answer, size > 0 ? static_cast<std::size_t>(size) : 0);
}

// Every socket of this host's folder that has a name.
std::set<std::string> named_sockets() {
  std::set<std::string> paths;
  std::ifstream table("/proc/net/unix");
  for (std::string line; std::getline(table, line);) {
    const std::size_t at = line.find(site().folder().path());
    if (at != std::string::npos) paths.insert(line.substr(at));
  }
  return paths;
}

TEST(Workload, TheVirtualNsmAnswersNobodyOutside) {
  attack("the virtual NSM reached from outside", "no socket leads to it");
  ByteWriter frame;
  const Bytes request = attester::encode_request({.operation = attester::NsmOperation::kGetRandom});
  frame.u32be(static_cast<std::uint32_t>(request.size()));
  frame.put(request);
  const std::string bytes(as_text(frame.bytes()));
  std::set<std::string> asked = named_sockets();
  // Sockets that were bound by a relative name or in a folder since renamed: by the folder's own listing.
  const std::string folder = site().state() + "/enclaves/" + enclave().name;
  for (const char* name : {"ingress.sock", "status.sock"}) asked.insert(folder + "/" + name);
  asked.insert(site().state() + "/gatewayd.sock");
  std::size_t reached = 0;
  for (const std::string& path : asked) {
    const auto answer = ask_socket(path, bytes);
    if (answer) ++reached;
    EXPECT_THAT(answer.value_or(""), Not(HasSubstr("random"))) << path;
  }
  EXPECT_GE(reached, 3U) << "gatewayd, the shim's status and the enclave's ingress listen on named sockets";
  const auto client = harness::RawClient::tcp(enclave().listen);
  ASSERT_NE(client, nullptr);
  client->send(bytes);
  EXPECT_THAT(client->receive(Milliseconds(1'000)).bytes, Not(HasSubstr("random")));
}

TEST(Workload, EnclavesLeaveNoOpenFolders) {
  attack("another user of the host looks into an enclave's folder", "modes say no");
  const std::string folder = site().state() + "/enclaves/" + enclave().name;
  const auto modes = harness::run({.argv = {"/usr/bin/find", folder, site().state() + "/local-root", "-perm", "/077",
                                            "-not", "-name", "local-root.pem", "-not", "-type", "l"}});
  EXPECT_EQ(modes.out, "");
}

}  // namespace
}  // namespace gateway::hostile_suite
