// Commands, their flags and their help. CLI11 stands behind this and is included in flags.cc alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace gateway::cli {

inline constexpr const char* kExitStatus =
    "Exit status: 0 done or affirmed, 1 refused, 2 usage, 3 undecided, 4 a fault of ours.";

// One flag or word of a command; what is said of it is said in a chain.
class Flag {
 public:
  Flag& required();
  Flag& type(const char* name);  // as help shows it: FILE, HOST:PORT
  Flag& one_each();              // repeatable, with one value each time
  Flag& shows_default();
  Flag& needs(const Flag& other);
  Flag& excludes(const Flag& other);

 private:
  friend class Command;
  explicit Flag(CLI::Option* option) : option_(option) {}
  CLI::Option* option_;
};

class Command {
 public:
  // A command whose flags fill `options`, and whose run() gives the exit status.
  template <class Options>
  Command command(const char* name, const char* description, std::shared_ptr<Options>& options,
                  int (*run)(const Options&)) {
    options = std::make_shared<Options>();
    return add(name, description, [options, run] { return run(*options); });
  }
  Command group(const char* name, const char* description);  // of commands, one of which must be named

  Flag option(const char* name, std::string& to, const char* help);
  Flag option(const char* name, std::optional<std::string>& to, const char* help);
  Flag option(const char* name, std::vector<std::string>& to, const char* help);
  Flag option(const char* name, unsigned& to, const char* help);
  Flag option(const char* name, std::uint64_t& to, const char* help);
  Flag flag(const char* name, bool& to, const char* help);
  Flag flag(const char* name, std::function<void()> given, const char* help);
  void footer(const std::string& text);

 private:
  friend class CommandLine;
  Command(CLI::App* app, int* status) : app_(app), status_(status) {}
  Command add(const char* name, const char* description, std::function<int()> run);
  CLI::App* app_;
  int* status_;
};

class CommandLine {
 public:
  CommandLine(const char* description, const char* version);
  ~CommandLine();
  Command root();
  int run(int argc, char** argv);  // the exit status

 private:
  std::unique_ptr<CLI::App> app_;
  int status_ = 0;
};

}  // namespace gateway::cli
