#include "harness/temp_folder.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace gateway::harness {
namespace {

[[noreturn]] void give_up(const std::string& what, const std::string& path) {
  std::fprintf(stderr, "harness: cannot %s %s\n", what.c_str(), path.c_str());
  std::abort();
}

}  // namespace

TempFolder::TempFolder() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/gwt.XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) give_up("make a folder below", path_);
  // An enclave that root starts runs under a uid of its own and has to reach its image below.
  ::chmod(path_.c_str(), 0711);
}

TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) std::fprintf(stderr, "harness: %s stays behind: %s\n", path_.c_str(), error.message().c_str());
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) give_up("write", path);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) give_up("read", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace gateway::harness
