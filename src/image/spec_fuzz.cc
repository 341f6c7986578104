// Any text as a spec and as a lock; a lock that was read is written and read back to the same.
#include "base/bytes.h"
#include "image/lock.h"
#include "image/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway;
  const std::string_view text = as_text({data, size});
  if (const auto spec = image::parse_spec(text, "folder/image.toml")) {
    if (const auto* full = std::get_if<image::FullParts>(&spec->parts)) {
      if (!image::check(full->description)) __builtin_trap();
    }
  }
  if (const auto lock = image::parse_lock(text, "image.lock")) {
    const std::string written = image::encode_lock(*lock);
    const auto again = image::parse_lock(written, "image.lock");
    if (!again || image::encode_lock(*again) != written) __builtin_trap();
  }
  return 0;
}
