// A folder of a test's own, removed with everything in it. Its path is short: Unix sockets go into it.
#pragma once

#include <string>

namespace gateway::harness {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Stop the test program when the disk does not do as asked.
void write_text(const std::string& path, const std::string& text);
std::string read_text(const std::string& path);

}  // namespace gateway::harness
