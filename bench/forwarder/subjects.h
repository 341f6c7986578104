// What is compared: processes that pass bytes between a TCP port and a Unix socket, each in a process of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transfer.h"

namespace gateway::bench {

class Subject {
 public:
  Subject(std::string name, pid_t pid, Entrance entrance)
      : name_(std::move(name)), pid_(pid), entrance_(std::move(entrance)) {}
  ~Subject();  // ends its process
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  const std::string& name() const { return name_; }
  const Entrance& entrance() const { return entrance_; }
  // Processor time that the process has used so far, in user and kernel together.
  std::chrono::nanoseconds cpu() const;

 private:
  std::string name_;
  pid_t pid_;
  Entrance entrance_;
};

inline constexpr const char* kEgressName = "enclave's egress proxy";

// The forwarder, an enclave's egress proxy (which carries bytes the same way, once it has judged), and those of the
// floors that are installed; `target` is the Unix socket, `folder` for their files.
std::vector<std::unique_ptr<Subject>> start_subjects(const std::string& folder, const std::string& target);

}  // namespace gateway::bench
