// What is compared: processes that pass bytes between a TCP port and a Unix socket, each in a process of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gateway::bench {

class Subject {
 public:
  Subject(std::string name, pid_t pid, std::uint16_t port) : name_(std::move(name)), pid_(pid), port_(port) {}
  ~Subject();  // ends its process
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  const std::string& name() const { return name_; }
  std::uint16_t port() const { return port_; }
  // Processor time that the process has used so far, in user and kernel together.
  std::chrono::nanoseconds cpu() const;

 private:
  std::string name_;
  pid_t pid_;
  std::uint16_t port_;
};

// The forwarder, and those of the floors that are installed; `target` is the Unix socket, `folder` for their files.
std::vector<std::unique_ptr<Subject>> start_subjects(const std::string& folder, const std::string& target);

}  // namespace gateway::bench
