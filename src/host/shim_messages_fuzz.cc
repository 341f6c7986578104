// What a shim that its enclave has taken over could say to a daemon that runs as root, and the other way round.
#include <cstdlib>

#include "host/enclave_spec.h"
#include "host/kernel_ids.h"
#include "host/shim_status.h"
#include "host/status_server.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto status = gateway::host::parse_status(text)) {
    const std::string again = gateway::host::encode_status(*status);
    const auto second = gateway::host::parse_status(again);
    if (!second || gateway::host::encode_status(*second) != again) std::abort();
  }
  if (const auto spec = gateway::host::parse_spec(text)) {
    const std::string again = gateway::host::encode_spec(*spec);
    const auto second = gateway::host::parse_spec(again);
    if (!second || gateway::host::encode_spec(*second) != again) std::abort();
  }
  (void)gateway::host::parse_shim_request(text);
  (void)gateway::host::find_range(text, "user", "1000");
  (void)gateway::host::root_range(text);
  return 0;
}
