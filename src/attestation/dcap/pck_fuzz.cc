// The SGX extensions of a PCK certificate: what is read is what is encoded again.
#include <cstdlib>

#include "attestation/testing/fake_intel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  const ByteView input(bytes, size);
  const auto pck = dcap::parse_pck_extensions(input);
  if (!pck) return 0;
  // Fields may come in another order than ours; nothing may be added or lost.
  const Bytes again = testing::encode_pck_extensions(*pck);
  if (again.size() != input.size() || !dcap::parse_pck_extensions(again)) std::abort();
  return 0;
}
