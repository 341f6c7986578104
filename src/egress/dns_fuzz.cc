// A workload's questions, and a host's answers to them.
#include "egress/dns.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway::egress;
  const gateway::ByteView input(bytes, size);
  if (const auto question = parse_dns_query(input)) {
    const auto again = parse_dns_query(encode_dns_query(question->id, question->name, question->type));
    if (again && again->name != question->name) __builtin_trap();
    (void)parse_dns_query(encode_dns_answer(*question, kDnsNoError, {}));
  }
  for (const std::uint16_t type : {std::uint16_t{kDnsA}, std::uint16_t{kDnsAaaa}}) {
    const auto answer = parse_dns_answer(input, 1, "a.example", type);
    if (answer && answer->addresses.size() > kMaxDnsAddresses) __builtin_trap();
  }
  return 0;
}
