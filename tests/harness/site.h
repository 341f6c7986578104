// One host of a test's own: a state folder, gatewayd, images, enclaves, and the policies of who talks to them.
//
// Programs come from the folder that the test program lies in. What a test asks for here and does not get is an
// exception with the reason, which fails the test: suites that need processes do not skip.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "harness/process.h"
#include "harness/temp_folder.h"

namespace gateway::harness {

// Empty when enclaves of platform local can run here; otherwise what is missing, in words.
std::string what_local_lacks();
// The path of a program of this build.
std::string program(const std::string& name);

// What `gateway run --json` said, and the token that it stored.
struct Enclave {
  std::string name;
  std::string listen;
  std::array<std::string, 3> measurements;
  std::string config;
  std::string root;
  std::string root_file;
  std::string token;
};

// The TOML of one [[accept]]; fields may be changed before it is written. An empty field is left out.
struct PolicyEntry {
  std::string platform = "local";
  std::string root;
  std::array<std::string, 3> measurements;
  std::string config;
  std::string max_age = "5m";
  std::string to_toml() const;
};
PolicyEntry entry_for(const Enclave& enclave);

class Site {
 public:
  Site();
  ~Site();  // stops every enclave and the daemon, by process id
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  const TempFolder& folder() const { return folder_; }
  std::string state() const { return folder_.file("state"); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string write(const std::string& name, const std::string& text) const;  // its path

  void start_daemon(const std::string& config = {});  // TOML of gatewayd's file
  Program& daemon() { return *daemon_; }
  void stop_daemon() { daemon_.reset(); }  // enclaves go on

  // `gateway …` with this site's state.
  Launch launch(std::vector<std::string> arguments) const;
  Ended gateway(std::vector<std::string> arguments, Milliseconds patience = Milliseconds(30'000)) const;

  // An image of the echo workload (tests/workload). `more` is further TOML for the spec; paths replace the usual ones.
  struct EchoImage {
    std::string name = "echo";
    std::string kernel = "none";  // or a path
    std::string cmdline = {};     // empty: the default
    std::string ingress = {};     // further lines of that table
    std::string more = {};        // "[limits]\nhead_timeout = \"1s\"\n"
    std::string runtime = "gateway-enclave";
  };
  std::string build_echo(const EchoImage& image) const;  // the .eif

  Enclave run_enclave(const std::string& image, const std::string& name, std::vector<std::string> more = {}) const;
  Ended try_run(const std::string& image, const std::string& name, std::vector<std::string> more = {}) const;
  void stop_enclave(const std::string& name) const;
  std::string write_policy(const std::string& name, const PolicyEntry& entry) const {
    return write(name, entry.to_toml());
  }

 private:
  void stop_everything();
  TempFolder folder_;
  std::unique_ptr<Program> daemon_;
};

}  // namespace gateway::harness
