// Both sides of the NSM's protocol: answers of a hostile device to the client, requests of a hostile enclave to the
// virtual NSM. The first byte says which.
#include <cstdlib>

#include "attester/nsm.h"
#include "attester/nsm_protocol.h"
#include "attester/virtual_nsm.h"

namespace {

using namespace gateway;
using namespace gateway::attester;

constexpr Time kNow{std::chrono::milliseconds(1'779'278'400'000)};

class FixedClock final : public Clock {
 public:
  Time now() const override { return kNow; }
};

class Answering final : public NsmDevice {
 public:
  explicit Answering(ByteView answer) : answer_(answer) {}
  Result<Bytes> transact(ByteView) override { return to_bytes(answer_); }

 private:
  ByteView answer_;
};

void ask_everything(ByteView answer) {
  NsmClient client(std::make_unique<Answering>(answer), attestation::Platform::kLocal);
  if (const auto description = client.describe(); description && description->max_pcrs != kNsmPcrs) std::abort();
  if (const auto state = client.describe_pcr(0); state && state->value.size() != 48) std::abort();
  (void)client.extend_register(16, answer.first(std::min(answer.size(), 64UZ)));
  (void)client.lock_registers(32);
  (void)client.random();
  (void)client.attest({}, {});
  if (client.trusted_time()) std::abort();  // no answer made before can hold the nonce that it asks for
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(bytes + 1, size - 1);
  if (bytes[0] % 2 == 0) {
    ask_everything(input);
    return 0;
  }
  static const LocalRoot root = LocalRoot::create(kNow).value();
  static const FixedClock clock;
  static VirtualNsm nsm(root, "i-0fuzz", {}, clock);
  const Bytes answer = nsm.answer(input);
  if (answer.empty() || answer.size() > kNsmMaxResponse) std::abort();
  // What is accepted is what writing it again gives the same answer to.
  if (const auto request = parse_request(input)) {
    const Bytes encoded = encode_request(*request);
    const auto again = parse_request(encoded);
    if (!again || again->operation != request->operation || again->index != request->index ||
        !equal(again->data, request->data)) {
      std::abort();
    }
  }
  return 0;
}
