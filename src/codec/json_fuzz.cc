// JSON: what is accepted is written again, on one line and indented, and reads as the same value.
#include <boost/json.hpp>
#include <cstdlib>

#include "base/bytes.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  const auto value = codec::parse_json(as_text({bytes, size}), {.bytes = 4096, .depth = 8, .values = 256});
  if (!value) return 0;
  for (const std::string& text : {codec::write_json(*value), codec::write_json_pretty(*value)}) {
    const auto again = codec::parse_json(text, {});
    if (!again || *again != *value) std::abort();
  }
  return 0;
}
