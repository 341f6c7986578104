// Programs as a person starts them: arguments, environment, what they print, how they end.
//
// Every program is ended by its own process id; one that outlives the test program is ended by the kernel.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/temp_folder.h"
#include "net/descriptor.h"

namespace gateway::harness {

using Milliseconds = std::chrono::milliseconds;

struct Launch {
  std::vector<std::string> argv;                        // argv[0] is a path
  std::map<std::string, std::string> environment = {};  // on top of the test's own
  std::string folder = {};                              // working folder; empty: the test's own
};

struct Ended {
  int status = -1;  // exit status; 128 + signal; -1: it was still running when its time was over, and was killed
  bool in_time = true;
  std::string out;  // standard output
  std::string err;  // standard error
  Milliseconds took{};
  std::string both() const { return out + err; }
};

class Program {
 public:
  explicit Program(const Launch& launch);
  ~Program();  // SIGTERM, then after three seconds SIGKILL, to this one process
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool running() const;
  // What it printed so far.
  std::string out() const;
  std::string err() const;
  // The first line with this text on either stream; nullopt when it ended or the time was over.
  std::optional<std::string> wait_for(const std::string& text, Milliseconds patience = Milliseconds(15'000)) const;
  void send_signal(int number) const;
  Ended wait(Milliseconds patience);  // kills it when the time is over
  Ended stop();                       // SIGTERM first

 private:
  bool wait_for_end(Milliseconds patience) const;
  Ended collect(bool in_time);
  TempFolder folder_;
  pid_t pid_ = -1;
  net::Descriptor handle_;  // a pidfd
  std::chrono::steady_clock::time_point started_;
  std::optional<Ended> ended_;
};

// Runs to the end.
Ended run(const Launch& launch, Milliseconds patience = Milliseconds(30'000));

}  // namespace gateway::harness
