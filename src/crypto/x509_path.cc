#include <algorithm>

#include "crypto/x509.h"

namespace gateway::crypto {
namespace {

std::string place(std::size_t index, std::size_t count) {
  if (index == 0) return "the anchor";
  if (index + 1 == count) return "the leaf";
  return "intermediate " + std::to_string(index);
}

Status check_time(const Certificate& certificate, Time at, const std::string& where) {
  const TimeWindow window = certificate.validity();
  if (at < window.not_before) {
    return fail(ErrorCode::kExpired, "x509.not_yet_valid",
                where + " is valid from " + to_rfc3339(window.not_before) + ", judged at " + to_rfc3339(at),
                "check the clock, or judge at a time inside the window");
  }
  if (at > window.not_after) {
    return fail(ErrorCode::kExpired, "x509.expired",
                where + " was valid until " + to_rfc3339(window.not_after) + ", judged at " + to_rfc3339(at),
                "ask for fresh evidence, or judge at a time inside the window");
  }
  return {};
}

// What a certificate needs to issue another that has `below` non-self-issued intermediates between itself and the leaf
// (RFC 5280 §6.1.4 k–n).
Status check_issuer(const Certificate& issuer, std::size_t below, const std::string& where) {
  if (!issuer.is_ca()) {
    return fail(ErrorCode::kNotAuthentic, "x509.not_ca", where + " issues certificates but is not a CA");
  }
  if (const auto usage = issuer.key_usage(); usage.present && !usage.key_cert_sign) {
    return fail(ErrorCode::kNotAuthentic, "x509.key_usage", where + " may not sign certificates (keyCertSign)");
  }
  if (const auto limit = issuer.path_length(); limit && static_cast<std::uint64_t>(*limit) < below) {
    return fail(
        ErrorCode::kNotAuthentic, "x509.path_length",
        where + " allows " + std::to_string(*limit) + " intermediates below it, found " + std::to_string(below));
  }
  return {};
}

}  // namespace

Result<TimeWindow> validate_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                                 const Certificate& anchor, const PathOptions& options) {
  const std::size_t count = intermediates.size() + 2;
  if (count > options.max_length) {
    return fail(ErrorCode::kLimitExceeded, "x509.chain_length",
                "expected a chain of at most " + std::to_string(options.max_length) + " certificates, found " +
                    std::to_string(count));
  }
  const auto at = [&](std::size_t index) -> const Certificate& {
    const Certificate* const found = index == 0 ? &anchor : index + 1 == count ? &leaf : &intermediates[index - 1];
    return *found;
  };
  // All that is cheap first, so that a bad chain costs no signature.
  TimeWindow window;
  for (std::size_t index = 0; index < count; ++index) {
    GATEWAY_TRY(check_time(at(index), options.at, place(index, count)));
    window.intersect(at(index).validity());
    if (index == 0) continue;
    if (!at(index).issued_by_name(at(index - 1))) {
      return fail(ErrorCode::kNotAuthentic, "x509.issuer_name",
                  place(index, count) + " names another issuer than " + place(index - 1, count));
    }
  }
  std::size_t below = 0;
  for (std::size_t index = count - 1; index-- > 0;) {
    GATEWAY_TRY(check_issuer(at(index), below, place(index, count)));
    const bool self_issued = at(index).issued_by_name(at(index));
    if (!self_issued) ++below;
  }
  for (std::size_t index = 1; index < count; ++index) {
    if (auto signed_by = at(index).verify_signed_by(at(index - 1).public_key()); !signed_by) {
      const Error& why = signed_by.error();
      return fail(why.code(), why.error_id(), place(index, count) + ": " + why.detail());
    }
  }
  return window;
}

}  // namespace gateway::crypto
