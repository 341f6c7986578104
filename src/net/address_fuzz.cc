#include "net/address.h"

#include <cstdlib>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = gateway::as_text({bytes, size});
  const auto address = gateway::net::Address::parse_url(text);
  if (!address) return 0;
  // What was understood is written back as it was read.
  if (address->to_string() != text) std::abort();
  return 0;
}
