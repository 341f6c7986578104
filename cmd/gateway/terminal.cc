#include "terminal.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "codec/json.h"

namespace gateway::cli {
namespace {

void write_line(std::FILE* to, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), to);
  std::fputc('\n', to);
  std::fflush(to);
}

}  // namespace

void print_json(const boost::json::value& value) { write_line(stdout, codec::write_json(value)); }
void print_line(std::string_view line) { write_line(stdout, line); }
void say(std::string_view line) { write_line(stderr, line); }

bool colour_on_stderr() {
  static const bool colour = isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return colour;
}

int report(const Error& error) {
  const bool colour = colour_on_stderr();
  say((colour ? "\x1b[31m" : "") + std::string("gateway: ") + std::string(error.id()) + (colour ? "\x1b[0m" : ""));
  if (!error.detail().empty()) say("  " + error.detail());
  if (!error.remedy().empty()) say("  what to do: " + error.remedy());
  return exit_status(error.code());
}

}  // namespace gateway::cli
