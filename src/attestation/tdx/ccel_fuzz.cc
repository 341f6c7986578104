// Event logs from a peer: events within the input, and registers that only events change.
#include <cstdlib>

#include "attestation/tdx/ccel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const auto log = tdx::parse_ccel(ByteView(bytes, size));
  if (!log) return 0;
  bool measured = false;
  for (const tdx::CcelEvent& event : log->events) {
    if (event.digest.size() != 48 || event.data.size() > size) std::abort();
    measured = measured || event.type != tdx::kEventNoAction;
  }
  TdxClaims claims;
  claims.rtmr = tdx::replay(*log);
  CheckList checks;
  if (tdx::check_event_log(*log, claims, checks).has_value() != measured) std::abort();
  return 0;
}
