// Everything that a stranger's service may answer to an attestation request: HTTP first, then the response in it,
// judged by a verifier that has a policy. Nothing in it can ever verify, because the fuzzer does not know the nonce.
#include <cstdlib>

#include "client/attestation_reply.h"
#include "client/verifier.h"

namespace {

using namespace gateway;

class FixedClock final : public client::TrustClock {
 public:
  client::Moment now() const override {
    return {.wall = Time(std::chrono::seconds(1'800'000'000)), .running = std::chrono::hours(1)};
  }
};

attestation::Policy policy() {
  attestation::PolicyEntry entry;
  entry.platform = attestation::Platform::kLocal;
  entry.root_sha256 = ByteArray<32>{};
  for (unsigned i = 0; i < 3; ++i) entry.measurements[i] = Bytes(48, 0);
  return {.accept = {entry}};
}

void judge(ByteView body) {
  static const FixedClock clock;
  static client::Verifier verifier(policy(), {}, clock);
  client::Challenge challenge = verifier.challenge();
  const auto judgement = verifier.judge(challenge, body, {});
  if (judgement.session || judgement.verification.result) std::abort();
  if (!judgement.verification.reason && !judgement.ask_fresh) std::abort();
  challenge.fresh = false;
  if (verifier.judge(challenge, body, {}).session) std::abort();
}

}  // namespace

// The first byte says how the rest is cut: 0: the body alone; n: an HTTP answer that arrives n bytes at a time.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView input(data + 1, size - 1);
  if (data[0] == 0) {
    judge(input);
    return 0;
  }
  client::AttestationReply reply;
  while (!input.empty()) {
    const std::size_t part = std::min<std::size_t>(data[0], input.size());
    const auto body = reply.feed(input.first(part));
    input = input.subspan(part);
    if (!body) return 0;
    if (*body) {
      judge(**body);
      return 0;
    }
  }
  return 0;
}
