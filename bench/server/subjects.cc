#include "subjects.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "net/address.h"
#include "server/server.h"

namespace gateway::bench {
namespace {

using namespace std::chrono_literals;

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Status write_file(const std::string& path, std::string_view text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) return fail(ErrorCode::kUnavailable, "bench.file", "cannot write " + path);
  return {};
}

Result<std::uint16_t> free_port() {
  GATEWAY_ASSIGN(const net::Address any, net::Address::parse_host_port("127.0.0.1:0"));
  GATEWAY_ASSIGN(const net::Descriptor socket, net::listen_on(any));
  return net::local_port(socket.get());
}

Result<pid_t> spawn(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail(ErrorCode::kUnavailable, "bench.fork", "no process could be made");
  if (pid > 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

// The same work as ours: a small answer of its own, everything else relayed as it comes.
std::string nginx_configuration(const Workspace& workspace, std::uint16_t port) {
  std::ostringstream out;
  out << "daemon off;\nmaster_process off;\nworker_processes 1;\nerror_log " << workspace.path("nginx.log")
      << " error;\npid " << workspace.path("nginx.pid") << ";\nevents { worker_connections 8192; }\n"
      << "http {\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 75s;\n  server_tokens "
         "off;\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    out << "  " << kind << "_temp_path " << workspace.path(kind) << ";\n";
  }
  std::string body(kSmallBody);
  body.pop_back();
  out << "  upstream workload { server unix:" << workspace.path("workload.sock")
      << "; keepalive 64; keepalive_requests 1000000000; }\n"
      << "  server {\n    listen 127.0.0.1:" << port << " ssl backlog=1024;\n"
      << "    ssl_certificate " << workspace.path("certificate.pem") << ";\n"
      << "    ssl_certificate_key " << workspace.path("key.pem") << ";\n"
      << "    ssl_protocols TLSv1.3;\n    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n"
      << "    ssl_session_tickets off;\n    ssl_session_cache off;\n"
      << "    location = / { default_type application/json; return 200 '" << body << "\\n'; }\n"
      << "    location / { proxy_pass http://workload; proxy_http_version 1.1; proxy_set_header Connection '';\n"
      << "      proxy_buffering off; }\n  }\n}\n";
  return out.str();
}

class BenchGate final : public server::Gate {
 public:
  server::Decision on_request(const net::HttpHead& head, const server::SessionContext&) override {
    if (head.target == "/") {
      return server::LocalResponse{
          .status = 200, .media_type = "application/json", .body = to_bytes(kSmallBody), .extra_headers = {}};
    }
    return server::ForwardDecision{.target = std::string(head.target),
                                   .collect_body = std::nullopt,
                                   .rewrite_body = nullptr,
                                   .wants_payload = false,
                                   .observer = nullptr};
  }
};

Status run_server(const std::string& folder, std::uint16_t port) {
  GATEWAY_ASSIGN(const std::vector<crypto::Certificate> certificates,
                 crypto::Certificate::from_pem(read_file(folder + "/certificate.pem")));
  GATEWAY_ASSIGN(const crypto::PrivateKey key,
                 crypto::PrivateKey::from_pem(Secret(as_bytes(read_file(folder + "/key.pem")))));
  GATEWAY_ASSIGN(channel::TlsContext tls, channel::TlsContext::server(certificates.front(), key));
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_host_port("127.0.0.1:" + std::to_string(port)));
  GATEWAY_ASSIGN(net::Descriptor listener, net::listen_on(address));
  GATEWAY_ASSIGN(const net::Address workload, net::Address::parse_url("unix://" + folder + "/workload.sock"));
  net::Loop loop;
  BenchGate gate;
  const server::Server server(loop, std::move(tls), std::move(listener), server::dial(workload), {}, gate);
  loop.run();
  return {};
}

}  // namespace

Result<std::unique_ptr<Workspace>> Workspace::make() {
  std::string folder = (std::filesystem::temp_directory_path() / "gateway-bench.XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return fail(ErrorCode::kUnavailable, "bench.folder", "no temporary folder");
  std::unique_ptr<Workspace> out(new Workspace(folder));
  GATEWAY_ASSIGN(crypto::PrivateKey key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(const channel::ServerIdentity identity,
                 channel::make_server_identity(std::move(key), SystemClock().now(), std::nullopt));
  GATEWAY_ASSIGN(const Secret pem, identity.key.to_pem());
  GATEWAY_TRY(write_file(out->path("key.pem"), as_text(pem.reveal())));
  GATEWAY_TRY(write_file(out->path("certificate.pem"), identity.certificate.to_pem()));
  return out;
}

Workspace::~Workspace() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Result<std::unique_ptr<Subject>> Subject::wait_for(std::unique_ptr<Subject> subject) {
  const std::string where = "127.0.0.1:" + std::to_string(subject->port());
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_host_port(where));
  for (int i = 0; i < 100; ++i) {
    if (net::connect_to(address, 1000)) return subject;
    int status = 0;
    if (::waitpid(subject->pid_, &status, WNOHANG) == subject->pid_) break;
    std::this_thread::sleep_for(50ms);
  }
  return fail(ErrorCode::kUnavailable, "bench.start", subject->name() + " did not start");
}

Result<std::unique_ptr<Subject>> Subject::start_ours(const Workspace& workspace) {
  GATEWAY_ASSIGN(const std::uint16_t port, free_port());
  GATEWAY_ASSIGN(const pid_t pid, spawn({"/proc/self/exe", "--serve", workspace.path(""), std::to_string(port)}));
  return wait_for(std::unique_ptr<Subject>(new Subject("gateway", pid, port)));
}

Result<std::unique_ptr<Subject>> Subject::start_nginx(const Workspace& workspace) {
  GATEWAY_ASSIGN(const std::uint16_t port, free_port());
  GATEWAY_TRY(write_file(workspace.path("nginx.conf"), nginx_configuration(workspace, port)));
  GATEWAY_ASSIGN(const pid_t pid,
                 spawn({"nginx", "-c", workspace.path("nginx.conf"), "-e", workspace.path("nginx.log")}));
  return wait_for(std::unique_ptr<Subject>(new Subject("nginx", pid, port)));
}

Subject::~Subject() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::chrono::nanoseconds Subject::cpu_time() const {
  std::istringstream in(read_file("/proc/" + std::to_string(pid_) + "/schedstat"));
  std::int64_t nanoseconds = 0;
  in >> nanoseconds;
  return std::chrono::nanoseconds(nanoseconds);
}

std::size_t Subject::status_kib(std::string_view field) const {
  std::istringstream in(read_file("/proc/" + std::to_string(pid_) + "/status"));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field)) return std::stoul(line.substr(field.size() + 1));
  }
  return 0;
}

std::size_t Subject::memory() const { return status_kib("RssAnon") * 1024; }
std::size_t Subject::resident() const { return status_kib("VmRSS") * 1024; }

int serve(const std::string& folder, std::uint16_t port) {
  const Status status = run_server(folder, port);
  if (!status) std::fprintf(stderr, "bench: %s\n", status.error().message().c_str());
  return 1;
}

}  // namespace gateway::bench
