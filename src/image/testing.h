// What the tests of this module share: a folder of their own, archives made by hand, refusals by name.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "image/cpio.h"
#include "image/stream.h"

namespace gateway::image::testing {

class Folder {
 public:
  Folder() {
    std::string path = (std::filesystem::temp_directory_path() / "gateway-image-test-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // Names in the folder, to see that nothing half-made was left.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class MemorySink final : public ByteSink {
 public:
  Status write(ByteView view) override {
    append(bytes, view);
    return {};
  }
  Bytes bytes;
};

// One tar entry; `type` as in the header.
inline std::string tar_entry(std::string name, char type, std::string_view contents = {}, std::string link = {},
                             unsigned mode = 0644) {
  std::string header(512, '\0');
  const auto put = [&header](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  const auto octal = [](std::uint64_t value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
    return std::string(text);
  };
  put(0, name.substr(0, 100));
  put(100, octal(mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(contents.size(), 11));
  put(136, octal(0, 11));
  header[156] = type;
  put(157, link.substr(0, 100));
  put(257, std::string("ustar\0"
                       "00",
                       8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  std::string out = header + std::string(contents);
  out.append((512 - out.size() % 512) % 512, '\0');
  return out;
}
inline std::string tar_end() { return std::string(1024, '\0'); }

inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t size = rest.size() + 1;
  while (std::to_string(size).size() + rest.size() != size) ++size;
  return std::to_string(size) + rest;
}

inline Bytes packed_zstd(ByteView contents) {
  MemorySink sink;
  auto compressor = ZstdSink::create(sink, 3);
  EXPECT_TRUE(compressor && compressor->write(contents) && compressor->finish());
  return sink.bytes;
}

}  // namespace gateway::image::testing

// Passes when the Result is an error of this id.
#define EXPECT_REFUSED(result, expected_id)                                                     \
  do {                                                                                          \
    const auto& gateway_refused = (result);                                                     \
    ASSERT_FALSE(gateway_refused.has_value()) << "expected " << (expected_id);                  \
    EXPECT_EQ(gateway_refused.error().id(), (expected_id)) << gateway_refused.error().detail(); \
  } while (false)
#define ASSERT_OK(result)                                                    \
  do {                                                                       \
    const auto& gateway_done = (result);                                     \
    ASSERT_TRUE(gateway_done.has_value()) << gateway_done.error().message(); \
  } while (false)
