// Small images for tests: a ramdisk with a runtime, one with an application, no kernel.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "host/test_folder.h"
#include "image/cpio.h"
#include "image/description.h"
#include "image/eif.h"
#include "image/stream.h"

namespace gateway::host {

class Collect final : public image::ByteSink {
 public:
  Status write(ByteView view) override {
    append(bytes, view);
    return {};
  }
  Bytes bytes;
};

inline image::Description sample_description() {
  image::Description wanted;
  wanted.name = "sample";
  wanted.workload.argv = {"/bin/app"};
  wanted.ingress.socket = "/run/gateway/app.sock";
  wanted.ingress.paths = {"/echo"};
  return wanted;
}

struct Parts {
  bool init = true;
  std::uint32_t init_mode = 0755;
  std::string description = *image::encode_description(sample_description());
  std::string application = "app";
};

inline Bytes ramdisk_one(const Parts& parts) {
  Collect out;
  image::CpioWriter writer(out, 0);
  EXPECT_TRUE(writer.folder("gateway", 0755).has_value());
  EXPECT_TRUE(writer.file("gateway/cmdline", 0644, as_bytes("quiet")).has_value());
  if (parts.init) {
    EXPECT_TRUE(writer.file("init", parts.init_mode, as_bytes("runtime")).has_value());
  }
  EXPECT_TRUE(writer.finish().has_value());
  return out.bytes;
}

inline Bytes ramdisk_two(const Parts& parts) {
  Collect out;
  image::CpioWriter writer(out, 0);
  EXPECT_TRUE(writer.file("gateway/image.json", 0644, as_bytes(parts.description)).has_value());
  EXPECT_TRUE(writer.folder("rootfs", 0755).has_value());
  EXPECT_TRUE(writer.file("rootfs/app", 0755, as_bytes(parts.application)).has_value());
  EXPECT_TRUE(writer.finish().has_value());
  return out.bytes;
}

inline std::string write_image(const TestFolder& folder, const std::string& name, const Parts& parts,
                               const std::string& metadata = {}) {
  const Bytes first = ramdisk_one(parts);
  const Bytes second = ramdisk_two(parts);
  const std::string path = folder.file(name);
  const auto written = image::write_eif({.kernel = {},
                                         .cmdline = "quiet",
                                         .metadata = metadata,
                                         .ramdisks = {ByteView(first), ByteView(second)},
                                         .signature = {}},
                                        path);
  EXPECT_TRUE(written.has_value()) << written.error().message();
  return path;
}

}  // namespace gateway::host
