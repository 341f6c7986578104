// What a workload says to its proxy, in two pieces; and packets of its network device.
#include "egress/packet_filter.h"
#include "egress/proxy_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway::egress;
  const gateway::ByteView input(bytes, size);
  for (const std::size_t first : {size, size / 2}) {
    ProxyRequest request;
    auto step = request.take(input.first(first));
    if (step && !step->wanted && first < size) step = request.take(input.subspan(first));
    if (!step || !step->wanted) continue;
    if (step->wanted->port == 0) __builtin_trap();
    if (step->wanted->name.empty() == !step->wanted->address) __builtin_trap();
  }
  if (const auto flow = flow_of(input); flow && flow->from.address.v6 != flow->to.address.v6) __builtin_trap();
  return 0;
}
