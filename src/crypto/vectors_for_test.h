// The vectors of hardware and standards that lie beside a checkout ($GATEWAY_VECTORS), for this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/bytes.h"

namespace gateway::crypto {

inline const char* vectors_folder() { return std::getenv("GATEWAY_VECTORS"); }

inline std::string read_vector(const std::filesystem::path& path) {
  std::ifstream file(path.is_absolute() ? path : std::filesystem::path(vectors_folder()) / path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace gateway::crypto

#define GATEWAY_NEEDS_VECTORS()                                                               \
  if (::gateway::crypto::vectors_folder() == nullptr) {                                       \
    GTEST_SKIP() << "GATEWAY_VECTORS is not set: this test on data from outside did NOT run"; \
  }
