// Any bytes as a layer of a container image: read, applied with whiteouts, written out as an archive.
#include "image/rootfs.h"

namespace {

class Nowhere final : public gateway::image::ByteSink {
 public:
  gateway::Status write(gateway::ByteView) override { return {}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway::image;
  auto tree = RootFilesystem::create("/tmp", {.entries = 1000});
  if (!tree) return 0;
  MemorySource source({data, size});
  (void)tree->add_tar(source,
                      {.folder_over_link = RootFilesystem::FolderOverLink::kReplace,
                       .whiteouts = RootFilesystem::Whiteouts::kApply,
                       .excluded = {}},
                      {.entries = 1000, .bytes = 1 << 20, .extended = 1 << 16});
  Nowhere sink;
  CpioWriter writer(sink, 0);
  if (!tree->write(writer, "rootfs")) __builtin_trap();  // whatever came in can be written out
  return 0;
}
