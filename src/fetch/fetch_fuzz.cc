// What comes from a service: an answer of every kind that may be wanted, URLs, Retry-After.
#include <cstdlib>

#include "fetch/content.h"
#include "fetch/fetcher.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::fetch;
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  const std::string_view text = as_text({bytes, size});
  static const Url where = Url::parse("https://service.example/x").value();
  if (const auto url = Url::parse(text)) require(Url::parse(url->to_string())->to_string() == url->to_string());
  if (const auto url = where.resolve(text)) require(Url::parse(url->to_string()).has_value());
  (void)Proxy::parse(text);
  if (const auto wait = parse_retry_after(text, Time{})) require(*wait >= Duration::zero());
  // The first line is the issuer chain's header.
  const std::size_t line = std::min(text.find('\n'), text.size());
  Answer answer{.content_type = {},
                .body = to_bytes(text.substr(std::min(line + 1, text.size()))),
                .issuer_chain = std::string(text.substr(0, line))};
  for (const Kind kind : {Kind::kVcek, Kind::kAmdChain, Kind::kAmdCrl, Kind::kTcbInfo, Kind::kQeIdentity}) {
    Want want{.kind = kind, .url = where, .name = "x", .issuer = "fuzz CA", .id = "TDX", .authority = "fuzz CA"};
    if (kind == Kind::kTcbInfo || kind == Kind::kQeIdentity) want.chain_in = {"chain"};
    if (const auto content = recognise(want, answer)) {
      require(!content->parts.empty());
      for (const std::string_view control : {"", "no-store", "max-age=5"})
        (void)keep_until(want, *content, control, Time{});
    }
  }
  return 0;
}
