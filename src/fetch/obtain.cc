#include "fetch/obtain.h"

#include <algorithm>

#include "crypto/hash.h"

namespace gateway::fetch {
namespace {

constexpr std::size_t kDigestInName = 8;  // bytes: enough to tell contents apart; nothing is believed because of a name

Result<Obtained> obtain_one(const Want& want, Fetcher& fetcher, const std::string& folder) {
  Obtained line{.kind = want.kind, .url = want.url.to_string(), .files = {}, .validity = {}, .error = std::nullopt};
  const auto fetched = fetcher.fetch(want);
  if (!fetched) {
    if (fetched.error().id() == "collateral.fetch.write") return std::unexpected(fetched.error());
    line.error = fetched.error();
    return line;
  }
  for (const Part& part : fetched->content.parts) {
    const std::string digest = to_hex(ByteView(crypto::sha256(part.bytes)).first(kDigestInName));
    const std::string path = folder + "/" + part.name + "-" + digest + "." + part.ending;
    GATEWAY_TRY(write_atomically(path, part.bytes));
    line.files.push_back(path);
  }
  line.validity = fetched->content.validity;
  line.cached = fetched->cached;
  if (fetched->stale) {
    line.error = Error(ErrorCode::kExpired, "collateral.fetch.stale",
                       "what the service sent has expired on " + to_rfc3339(line.validity.not_after),
                       "ask the service again later, or another one; check this machine's clock");
  }
  return line;
}

// The product whose service knows the chip, the last one if none does.
Result<std::vector<Obtained>> obtain_snp(const std::vector<SnpNeeds>& candidates, const Services& services,
                                         Fetcher& fetcher, const std::string& folder) {
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    std::vector<Obtained> lines;
    GATEWAY_ASSIGN(const auto wants, wants_of(candidates[i], services));
    for (const Want& want : wants) {
      GATEWAY_ASSIGN(Obtained line, obtain_one(want, fetcher, folder));
      const bool other_product = want.kind == Kind::kVcek && line.error && line.files.empty() &&
                                 line.error->code() != ErrorCode::kUnavailable && i + 1 < candidates.size();
      if (other_product) break;
      lines.push_back(std::move(line));
    }
    if (!lines.empty()) return lines;
  }
  return std::vector<Obtained>();
}

}  // namespace

Result<std::vector<Obtained>> obtain(const Needs& needs, const Services& services, Fetcher& fetcher,
                                     const std::string& folder) {
  if (!needs.snp.empty()) return obtain_snp(needs.snp, services, fetcher, folder);
  std::vector<Obtained> lines;
  if (!needs.dcap) return lines;
  GATEWAY_ASSIGN(const auto wants, wants_of(*needs.dcap, services));
  for (const Want& want : wants) {
    GATEWAY_ASSIGN(Obtained line, obtain_one(want, fetcher, folder));
    lines.push_back(std::move(line));
  }
  return lines;
}

bool complete(const std::vector<Obtained>& all) {
  return std::ranges::none_of(all, [](const Obtained& line) { return line.error.has_value(); });
}

}  // namespace gateway::fetch
