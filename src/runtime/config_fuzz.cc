// A hostile host's configuration against an image that has every slot: whatever is accepted is never wider.
#include <cstdlib>

#include "runtime/config.h"
#include "runtime/test_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  static const image::Description description = [] {
    image::Description made = runtime::test_description();
    made.slots.args_append = true;
    made.slots.env = {"ALIAS"};
    return made;
  }();
  const auto deployment = channel::parse_deployment(as_text({bytes, size}), "config");
  if (!deployment) return 0;
  const auto config = runtime::narrow(description, *deployment);
  if (!config) return 0;
  for (const std::string& path : config->paths) {
    if (!image::pattern_within(description.ingress.paths, path)) std::abort();
  }
  for (const auto& [name, value] : config->env) {
    if (name != "ALIAS") std::abort();
  }
  if (config->limits.max_body > description.limits.max_body ||
      config->limits.max_connections > description.limits.max_connections ||
      config->limits.response_timeout > description.limits.response_timeout) {
    std::abort();
  }
  return 0;
}
