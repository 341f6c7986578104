// For tests: the tree that an image's ramdisks unpack to, made in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace gateway::runtime {

class TestTree {
 public:
  TestTree() {
    std::string name = std::filesystem::temp_directory_path() / "gateway-tree-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);
    for (const char* path : {"gateway", "dev", "proc", "sys", "run", "tmp", "rootfs/bin", "rootfs/usr", "rootfs/etc",
                             "rootfs/proc", "rootfs/dev", "rootfs/run", "rootfs/tmp"}) {
      std::filesystem::create_directories(folder_ / path);
    }
    copy_program(TEST_WORKLOAD, "rootfs/bin/test_workload");
  }
  ~TestTree() { std::filesystem::remove_all(folder_); }
  TestTree(const TestTree&) = delete;
  TestTree& operator=(const TestTree&) = delete;

  void write(const std::string& path, std::string_view text) const { std::ofstream(folder_ / path) << text; }
  void copy_program(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(from, folder_ / to, std::filesystem::copy_options::overwrite_existing);
    ::chmod((folder_ / to).c_str(), 0755);
  }
  std::string path(const std::string& below = {}) const { return (folder_ / below).string(); }

 private:
  std::filesystem::path folder_;
};

}  // namespace gateway::runtime
