// The two servers that are compared: ours and nginx, each a process of its own with one worker, the same certificate,
// TLS 1.3 alone, no tickets, in front of the same Unix socket.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "channel/tls.h"

namespace gateway::bench {

inline constexpr std::string_view kSmallBody =
    "{\"status\":\"ok\",\"service\":\"gateway\",\"comment\":\"a small answer\"}\n";

// A temporary folder with the certificate, removed with everything in it.
class Workspace {
 public:
  static Result<std::unique_ptr<Workspace>> make();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }

 private:
  explicit Workspace(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

// A running server; killed when destroyed.
class Subject {
 public:
  static Result<std::unique_ptr<Subject>> start_ours(const Workspace& workspace);
  static Result<std::unique_ptr<Subject>> start_nginx(const Workspace& workspace);
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  const std::string& name() const { return name_; }
  std::uint16_t port() const { return port_; }
  std::chrono::nanoseconds cpu_time() const;  // of its one thread, from the scheduler's own account
  std::size_t memory() const;                 // bytes of its own: anonymous pages that are resident
  std::size_t resident() const;               // bytes, shared pages included

 private:
  Subject(std::string name, pid_t pid, std::uint16_t port) : name_(std::move(name)), pid_(pid), port_(port) {}
  static Result<std::unique_ptr<Subject>> wait_for(std::unique_ptr<Subject> subject);
  std::size_t status_kib(std::string_view field) const;
  std::string name_;
  pid_t pid_;
  std::uint16_t port_;
};

// What our server's process runs: `gateway_bench_server --serve FOLDER PORT`.
int serve(const std::string& folder, std::uint16_t port);

}  // namespace gateway::bench
