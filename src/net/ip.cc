#include "net/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace gateway::net {
namespace {

bool within(const IpAddress& address, std::string_view range) { return IpRange::parse(range)->contains(address); }

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() >= INET6_ADDRSTRLEN || text.contains('\0')) return std::nullopt;
  const std::string copy(text);
  IpAddress out;
  if (::inet_pton(AF_INET, copy.c_str(), out.bytes.data()) == 1) return out;
  out.v6 = true;
  if (::inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_bytes(ByteView bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  IpAddress out;
  out.v6 = bytes.size() == 16;
  std::ranges::copy(bytes, out.bytes.begin());
  return out;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), text.size());
  return text.data();
}

bool IpAddress::special() const {
  static constexpr std::array kV4{"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"};
  // fd00:ec2::/32 is where AWS answers for an instance's metadata.
  static constexpr std::array kV6{"::/8",      "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16",    "2001::/32",
                                  "fe80::/10", "ff00::/8",     "fec0::/10",      "fd00:ec2::/32"};
  const auto is_in = [this](const char* range) { return within(*this, range); };
  return v6 ? std::ranges::any_of(kV6, is_in) : std::ranges::any_of(kV4, is_in);
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned most = address->v6 ? 128 : 32;
  IpRange out{*address, most};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.prefix);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || out.prefix > most ||
        (digits.size() > 1 && digits.front() == '0')) {
      return std::nullopt;
    }
  }
  // A range with bits beyond its prefix says two things at once.
  IpRange checked = out;
  for (unsigned bit = out.prefix; bit < most; ++bit) {
    checked.first.bytes[bit / 8] = static_cast<std::uint8_t>(checked.first.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  if (checked.first != out.first) return std::nullopt;
  return out;
}

bool IpRange::contains(const IpAddress& address) const {
  if (address.v6 != first.v6) return false;
  for (unsigned bit = 0; bit < prefix; bit += 8) {
    const unsigned bits = std::min(8U, prefix - bit);
    const auto mask = static_cast<std::uint8_t>(0xffU << (8 - bits));
    if (((address.bytes[bit / 8] ^ first.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::string IpEndpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace gateway::net
