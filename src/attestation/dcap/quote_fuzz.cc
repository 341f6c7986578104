// Quotes from a peer: the whole way from bytes to claims.
//
// Whatever root a quote brings is taken for Intel's, so that seeds made once still verify and the fuzzer gets past the
// chain.
#include <cstdlib>

#include "attestation/dcap/authenticate.h"

namespace {

std::optional<gateway::crypto::Certificate> root_in(gateway::ByteView certification_data) {
  const auto text = gateway::as_text(certification_data);
  const auto from = text.rfind("-----BEGIN");
  if (from == std::string_view::npos) return std::nullopt;
  auto parsed = gateway::crypto::Certificate::from_pem(text.substr(from), 1);
  if (!parsed) return std::nullopt;
  return std::move(parsed->front());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  using namespace gateway::attestation;
  static const Time at(std::chrono::milliseconds(1'779'278'400'000));
  const ByteView input(bytes, size);
  CheckList checks;
  const auto quote = dcap::parse_quote(input, &checks);
  if (!quote) {
    if (checks.lines().empty() || checks.lines().back().id != quote.error().id()) std::abort();
    return 0;
  }
  if (!dcap::looks_like_dcap_quote(input) || quote->signed_region.data() != input.data()) std::abort();
  if (dcap::authenticate(*quote, {}, at)) std::abort();  // nobody has Intel's keys
  if (const auto root = root_in(quote->certification_data)) {
    const auto claims = dcap::dangerous_authenticate_with_vendor_root(*quote, *root, {}, at, nullptr, &checks);
    if (claims && (claims->tcb()->status != "Unknown" || !claims->validity().contains(at))) std::abort();
    if (!claims && checks.lines().back().id != claims.error().id()) std::abort();
  }
  return 0;
}
