// Any text as a measured description; one that was read is written and read back to the same bytes.
#include "base/bytes.h"
#include "image/description.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway;
  const auto description = image::parse_description(as_text({data, size}));
  if (!description) return 0;
  const auto text = image::encode_description(*description);
  if (!text) __builtin_trap();
  const auto again = image::parse_description(*text);
  if (!again || *image::encode_description(*again) != *text) __builtin_trap();
  return 0;
}
