#include "subjects.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>

#include "egress/egress.h"
#include "host/forwarder.h"
#include "host/unix_socket.h"
#include "net/address.h"

namespace gateway::bench {
namespace {

constexpr const char* kProxyd = "/lib/systemd/systemd-socket-proxyd";
constexpr const char* kHaproxy = "/usr/sbin/haproxy";

net::Descriptor listen_anywhere(std::uint16_t& port) {
  auto listener = net::listen_on(*net::Address::parse_host_port("127.0.0.1:0"));
  if (!listener) std::abort();
  port = *net::local_port(listener->get());
  return *std::move(listener);
}

template <class Body>
pid_t in_a_process(Body body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  ::_exit(127);
}

std::unique_ptr<Subject> start_forwarder(const std::string& folder) {
  std::uint16_t port = 0;
  net::Descriptor listener = listen_anywhere(port);
  const pid_t pid = in_a_process([&] {
    net::Loop loop;
    const auto opened = host::open_folder(folder);
    host::Forwarder forwarder(loop, std::move(listener),
                              [&] { return host::connect_in_folder(opened->get(), "target"); }, {});
    loop.run();
  });
  return std::make_unique<Subject>("gateway-shim's forwarder", pid, Entrance{port, {}});
}

// Its host dials, as a real one does: here the load's server itself, so that no other process is between.
std::unique_ptr<Subject> start_egress(const std::string& folder) {
  std::uint16_t port = 0;
  net::Descriptor listener = listen_anywhere(port);
  auto door = net::listen_on({.kind = net::Address::Kind::kUnix, .host = folder + "/door"});
  std::array<int, 2> bell{};
  if (!door || ::pipe2(bell.data(), O_CLOEXEC) != 0) std::abort();
  const pid_t pid = in_a_process([&] {
    net::Loop loop;
    egress::Outlet outlet(loop, *std::move(door), [&](std::uint16_t count) {
      const std::string rings(count, 'd');
      if (::write(bell[1], rings.data(), rings.size()) < 0) std::abort();
    });
    image::EgressDescription description;
    description.insecure_allow = {"192.0.2.1:80"};
    egress::Egress egress(
        egress::Policy::make(description).value(),
        {.loop = loop, .outlet = outlet, .tls = {}, .audit = [](const Error&, const std::string&) {}});
    egress.open({.proxy = std::move(listener), .transparent = {}, .dns = {}, .tun = {}});
    loop.run();
  });
  ::close(bell[1]);
  std::thread([from = net::Descriptor(bell[0]), where = folder + "/door"] {
    for (char ring = 0; ::read(from.get(), &ring, 1) == 1;) {
      auto link = net::connect_to({.kind = net::Address::Kind::kUnix, .host = where}, 1'000);
      if (!link) continue;
      std::thread([socket = *std::move(link)] {
        ::fcntl(socket.get(), F_SETFL, 0);
        Bytes request;
        for (std::size_t used = 0; used == 0;) {
          std::uint8_t byte = 0;
          if (::recv(socket.get(), &byte, 1, 0) != 1) return;
          request.push_back(byte);
          if (!net::take_egress(request, used)) return;
        }
        const Bytes answer = net::encode_egress(0, {});
        if (::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
        serve(socket);
      }).detach();
    }
  }).detach();
  return std::make_unique<Subject>(kEgressName, pid, Entrance{port, "CONNECT 192.0.2.1:80 HTTP/1.1\r\n\r\n"});
}

std::unique_ptr<Subject> start_proxyd(const std::string& target) {
  std::uint16_t port = 0;
  const net::Descriptor listener = listen_anywhere(port);
  const pid_t pid = in_a_process([&] {
    // Socket activation: descriptor 3, said to be for this very process.
    ::dup2(listener.get(), 3);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::execl(kProxyd, kProxyd, target.c_str(), static_cast<char*>(nullptr));
  });
  return std::make_unique<Subject>("systemd-socket-proxyd", pid, Entrance{port, {}});
}

std::unique_ptr<Subject> start_haproxy(const std::string& folder, const std::string& target, bool splice) {
  std::uint16_t port = 0;
  listen_anywhere(port);  // found free, and given to HAProxy
  const std::string file = folder + (splice ? "/haproxy-splice.cfg" : "/haproxy.cfg");
  std::ofstream(file) << "global\n  nbthread 1\n  maxconn 4000\n"
                      << "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
                      << (splice ? "  option splice-auto\n  option splice-request\n  option splice-response\n" : "")
                      << "frontend f\n  bind 127.0.0.1:" << port << "\n  default_backend b\n"
                      << "backend b\n  server s unix@" << target << "\n";
  const pid_t pid = in_a_process([&] {
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, 1);
    ::dup2(nothing, 2);
    ::execl(kHaproxy, kHaproxy, "-db", "-f", file.c_str(), static_cast<char*>(nullptr));
  });
  return std::make_unique<Subject>(splice ? "HAProxy, splicing" : "HAProxy", pid, Entrance{port, {}});
}

bool installed(const char* program) {
  if (::access(program, X_OK) == 0) return true;
  std::printf("NOT MEASURED: %s is not installed\n", program);
  return false;
}

}  // namespace

Subject::~Subject() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::chrono::nanoseconds Subject::cpu() const {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) std::abort();
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::vector<std::unique_ptr<Subject>> start_subjects(const std::string& folder, const std::string& target) {
  std::vector<std::unique_ptr<Subject>> subjects;
  subjects.push_back(start_forwarder(folder));
  subjects.push_back(start_egress(folder));
  if (installed(kProxyd)) subjects.push_back(start_proxyd(target));
  if (installed(kHaproxy)) {
    subjects.push_back(start_haproxy(folder, target, false));
    subjects.push_back(start_haproxy(folder, target, true));
  }
  return subjects;
}

}  // namespace gateway::bench
