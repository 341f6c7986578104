// Any request to the service: first line the method, second the target, the rest the body. Nothing may crash, and no
// answer may be anything but a status with a body of our own.
#include <cstdlib>

#include "verifier/config.h"
#include "verifier/service.h"

using namespace gateway;

namespace {

class FixedClock final : public Clock {
 public:
  Time now() const override { return Time(std::chrono::milliseconds(1'779'278'400'000)); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FixedClock clock;
  static const crypto::PrivateKey key = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  const std::string_view text = as_text({data, size});
  (void)verifier::ServiceConfig::parse(text, "fuzz");
  const std::size_t first = text.find('\n');
  const std::size_t second = first == std::string_view::npos ? first : text.find('\n', first + 1);
  if (second == std::string_view::npos) return 0;
  verifier::Service service({.policies = {{.id = "p", .policy = {}, .digest = "sha256:00"}},
                             .collateral = {},
                             .ear_key = key,
                             .developer = "d",
                             .build = "b",
                             .callers = {},
                             .anonymous_per_minute = 0},
                            {.clock = clock,
                             .monotonic = [] { return MonotonicTime{}; },
                             .random = [](std::size_t count) { return Bytes(count, 1); }});
  net::HttpHead head;
  head.method = text.substr(0, first);
  head.target = text.substr(first + 1, second - first - 1);
  for (int i = 0; i < 2; ++i) {
    auto decision = service.on_request(head, {});
    if (auto* forward = std::get_if<server::ForwardDecision>(&decision)) {
      auto judged = forward->rewrite_body(as_bytes(text.substr(second + 1)));
      if (!std::holds_alternative<server::LocalResponse>(judged)) std::abort();
    }
    // Once more on the session that the first request may have made.
    head.target = "/challenge-response/v1/session/01010101010101010101010101010101";
  }
  return 0;
}
