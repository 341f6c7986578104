#include "net/control.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  if (size == 0) return 0;
  const std::size_t stride = 1U + bytes[0];
  ByteView input(bytes + 1, size - 1);
  net::ControlDecoder decoder;
  while (!input.empty()) {
    const ByteView part = input.first(std::min(stride, input.size()));
    input = input.subspan(part.size());
    decoder.feed(part);
    while (true) {
      const auto next = decoder.next();
      if (!next) return 0;
      if (!*next) break;
      if ((*next)->body.size() > net::kMaxControlBody) std::abort();
    }
  }
  return 0;
}
