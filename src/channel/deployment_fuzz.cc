// The deployment's configuration, as a hostile host may write it.
#include "channel/deployment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto config = gateway::channel::parse_deployment(gateway::as_text({bytes, size}), "config.toml");
  static_cast<void>(config);
  return 0;
}
