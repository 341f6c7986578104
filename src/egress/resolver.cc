#include "egress/resolver.h"

#include <algorithm>

#include "crypto/random.h"

namespace gateway::egress {

void Resolver::resolve(const std::string& name, DnsType type, Done done, bool own) {
  const bool mine = own && std::ranges::find(own_, name) != own_.end();
  if (!mine && !policy_.listed(name)) {
    return done(fail(ErrorCode::kPolicyRejected, "egress.name_unlisted", "the name is on no list of the image's",
                     "add it to [egress] allow in the image's specification and build it again"));
  }
  const Key key{name, type};
  if (const auto known = known_.find(key); known != known_.end() && known->second.until > loop_.now()) {
    return done(still(known->second));
  }
  auto& waiting = asked_[key];
  if (waiting.size() >= kMaxWaiting) {
    return done(fail(ErrorCode::kLimitExceeded, "egress.busy", "too many wait for this name already"));
  }
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  const auto random = crypto::random_array<2>();
  const auto id = static_cast<std::uint16_t>(random[0] << 8U | random[1]);
  outlet_.ask(net::EgressKind::kResolve, encode_dns_query(id, name, type), [this, key, id](Result<Outlet::Way> way) {
    const Result<Resolved> resolved = take(key, id, std::move(way));
    auto node = asked_.extract(key);
    for (const Done& each : node.mapped()) each(resolved);
  });
}

Result<Resolver::Resolved> Resolver::take(const Key& key, std::uint16_t id, Result<Outlet::Way> way) {
  if (!way) return std::unexpected(way.error());
  GATEWAY_ASSIGN(DnsAnswer answer, parse_dns_answer(way->answer, id, key.name, key.type));
  if (answer.code != kDnsNoError && answer.code != kDnsNoSuchName) {
    return fail(ErrorCode::kUnavailable, "egress.no_address",
                "the host's name server answers with code " + std::to_string(answer.code));
  }
  const std::size_t came = answer.addresses.size();
  std::erase_if(answer.addresses, [](const DnsAddress& each) { return each.address.special(); });
  if (came > 0 && answer.addresses.empty()) {
    return fail(ErrorCode::kPolicyRejected, "egress.address_special",
                "the name leads to addresses that no name may lead to: loopback, link-local, metadata, multicast",
                "look at the host's name server");
  }
  std::uint32_t ttl = static_cast<std::uint32_t>(std::chrono::seconds(kMostLife).count());
  Known known;
  for (const DnsAddress& each : answer.addresses) {
    ttl = std::min(ttl, each.ttl);
    known.addresses.push_back(each.address);
  }
  if (known.addresses.empty()) ttl = 0;
  known.until = loop_.now() + std::max(kLeastLife, std::chrono::seconds(ttl));
  bind(key, known);
  std::erase_if(known_, [this](const auto& each) { return each.second.until <= loop_.now(); });
  const Resolved resolved = still(known);
  if (known_.size() < kMaxBindings) known_.insert_or_assign(key, std::move(known));
  return resolved;
}

void Resolver::bind(const Key& key, const Known& known) {
  const auto now = loop_.now();
  for (auto& [address, names] : bindings_) {
    std::erase_if(names, [now](const auto& each) { return each.second.until <= now; });
  }
  std::erase_if(bindings_, [](const auto& each) { return each.second.empty(); });
  for (const net::IpAddress& address : known.addresses) {
    if (bindings_.size() >= kMaxBindings && !bindings_.contains(address)) continue;
    bindings_[address].insert_or_assign(key.name, Binding{now, known.until});
  }
}

void Resolver::forget() { known_.clear(); }

Resolver::Resolved Resolver::still(const Known& known) const {
  return {known.addresses, std::chrono::duration_cast<std::chrono::seconds>(known.until - loop_.now())};
}

std::vector<std::string> Resolver::names_of(const net::IpAddress& address) const {
  const auto found = bindings_.find(address);
  if (found == bindings_.end()) return {};
  std::vector<std::pair<std::chrono::steady_clock::time_point, std::string>> alive;
  for (const auto& [name, binding] : found->second) {
    if (binding.until > loop_.now()) alive.emplace_back(binding.from, name);
  }
  std::ranges::sort(alive, std::greater{});
  std::vector<std::string> names;
  for (auto& [from, name] : alive) names.push_back(std::move(name));
  return names;
}

}  // namespace gateway::egress
