// A folder of a test's own, gone when the test is.
#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "crypto/random.h"
#include "host/files.h"

namespace gateway::host {

class TestFolder {
 public:
  TestFolder() : path_(std::filesystem::temp_directory_path() / ("host-" + to_hex(crypto::random_bytes(8)))) {
    std::filesystem::create_directory(path_);
  }
  ~TestFolder() { remove_tree(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace gateway::host
