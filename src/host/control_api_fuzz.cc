// The control socket's lines, both ways, from anyone who may open it.
#include <cstdlib>

#include "host/control_api.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  if (const auto request = gateway::host::parse_request(line)) {
    // What was understood is understood the same when it is said again.
    const std::string again = gateway::host::encode_request(*request);
    const auto second = gateway::host::parse_request(again);
    if (!second || gateway::host::encode_request(*second) != again) std::abort();
  }
  (void)gateway::host::parse_answer(line);
  return 0;
}
