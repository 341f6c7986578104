// Any bytes as a ramdisk: packings and archives in any concatenation, contents and links read through.
#include "image/unpack.h"

namespace {

class Reader final : public gateway::image::CpioVisitor {
 public:
  gateway::Status on_entry(const gateway::image::CpioEntry& entry, gateway::image::CpioReader& reader) override {
    if (entry.name.starts_with('/') || entry.name == ".." || entry.name.starts_with("../") ||
        entry.name.find("/../") != std::string::npos || entry.name.ends_with("/..")) {
      __builtin_trap();
    }
    if (entry.type == gateway::image::FileType::kSymlink) {
      GATEWAY_TRY(reader.link_target());
      return {};
    }
    gateway::Bytes buffer(4096);
    while (true) {
      GATEWAY_ASSIGN(const std::size_t got, reader.read(buffer));
      if (got == 0) return {};
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader reader;
  (void)gateway::image::visit_ramdisk({data, size}, {.entries = 1000, .bytes = 1 << 20, .name = 4096}, reader);
  return 0;
}
