#include "attestation/appraisal/policy.h"

#include <algorithm>
#include <charconv>

#include "attestation/appraisal/policy_fields.h"

namespace gateway::attestation {
namespace {

using policy_fields::where;

constexpr unsigned kRegisters = 32;
constexpr std::size_t kMaxRegions = 64;
constexpr std::size_t kReportData = 64;
constexpr std::size_t kMaxUserData = 1024;  // more than any document holds
constexpr Duration kLongestMaxAge = std::chrono::days(366);

template <std::size_t N>
std::optional<ByteArray<N>> prefixed_digest(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return policy_fields::array_from_hex<N>(text.substr(prefix.size()));
}

// "0" … "31", written as a number is: no sign, no leading zero.
std::optional<unsigned> register_of(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kRegisters) return std::nullopt;
  if (std::to_string(value) != text) return std::nullopt;
  return value;
}

Result<Platform> read_platform(codec::TomlTable& table) {
  GATEWAY_ASSIGN(const std::string name, table.text("platform"));
  const auto platform = platform_from(name);
  if (!platform) {
    return table.bad_value("platform", "expected \"nitro\", \"local\", \"snp\", \"tdx\" or \"sgx\"",
                           "name the platform that you accept");
  }
  return *platform;
}

Status read_measurements(codec::TomlTable& table, PolicyEntry& entry) {
  GATEWAY_ASSIGN(auto measurements, table.optional_table("measurements"));
  if (measurements) {
    GATEWAY_ASSIGN(const auto texts, measurements->all_texts());
    for (const auto& [name, hex] : texts) {
      const auto index = register_of(name);
      if (!index) {
        return measurements->bad_value(name, "expected the number of a PCR, \"0\" to \"31\"",
                                       "take the numbers from gateway build");
      }
      const auto value = from_hex(hex);
      if (!value || (value->size() != 32 && value->size() != 48 && value->size() != 64)) {
        return measurements->bad_value(name, "expected 96 hexadecimal digits (32, 48 or 64 bytes)",
                                       "copy the value that gateway build printed");
      }
      entry.measurements.emplace(*index, *value);
    }
    GATEWAY_TRY(measurements->finish());
  }
  for (unsigned needed : {0U, 1U, 2U}) {
    if (!entry.measurements.contains(needed)) {
      return fail(ErrorCode::kInvalidArgument, "policy.measurements_missing",
                  where(table) + "expected measurements for PCR 0, 1 and 2, found none for " + std::to_string(needed),
                  "PCRs hash a concatenation: only the three together fix an image. Copy all from gateway build");
    }
  }
  return {};
}

Status read_root(codec::TomlTable& table, PolicyEntry& entry) {
  GATEWAY_ASSIGN(const auto text, table.optional_text("root"));
  if (text && entry.platform != Platform::kLocal) {
    return fail(ErrorCode::kInvalidArgument, "policy.root_not_applicable",
                where(table) + "root is for platform \"local\" alone; the vendor's root is built in",
                "remove root from this entry");
  }
  if (!text) {
    if (entry.platform != Platform::kLocal) return {};
    return fail(ErrorCode::kInvalidArgument, "policy.root_missing",
                where(table) + "platform \"local\" needs root = \"sha256:…\"",
                "copy root from gateway run; without it anybody's virtual NSM would be accepted");
  }
  entry.root_sha256 = prefixed_digest<32>(*text, "sha256:");
  if (!entry.root_sha256) {
    return table.bad_value("root", "expected \"sha256:\" and 64 hexadecimal digits", "copy root from gateway run");
  }
  return {};
}

Status read_config(codec::TomlTable& table, PolicyEntry& entry) {
  GATEWAY_ASSIGN(const auto text, table.optional_text("config"));
  if (!text) return {};
  entry.config = prefixed_digest<48>(*text, "sha384:");
  if (!entry.config) {
    return table.bad_value("config", "expected \"sha384:\" and 96 hexadecimal digits", "copy config from gateway run");
  }
  return {};
}

bool is_region_like(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         std::ranges::all_of(text, [](char c) { return c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

Status read_regions(codec::TomlTable& table, PolicyEntry& entry) {
  GATEWAY_ASSIGN(auto regions, table.optional_texts("regions"));
  if (!regions) return {};
  if (entry.platform != Platform::kNitro) {
    return fail(ErrorCode::kInvalidArgument, "policy.regions_not_applicable",
                where(table) + "regions are attested on platform \"nitro\" alone", "remove regions from this entry");
  }
  // An empty list reads as "nowhere", the code would read it as "anywhere": refused rather than guessed.
  if (regions->empty() || regions->size() > kMaxRegions || !std::ranges::all_of(*regions, is_region_like)) {
    return table.bad_value("regions", "expected at least one region such as \"eu-central-1\"",
                           "leave regions out for any");
  }
  entry.regions = std::move(*regions);
  return {};
}

Status read_report_data(codec::TomlTable& table, PolicyEntry& entry) {
  GATEWAY_ASSIGN(const auto text, table.optional_text("report_data"));
  if (!text) return {};
  auto bytes = from_hex(*text);
  const bool free_size = entry.platform == Platform::kNitro || entry.platform == Platform::kLocal;
  if (!bytes || bytes->empty() || bytes->size() > kMaxUserData || (!free_size && bytes->size() != kReportData)) {
    return table.bad_value("report_data",
                           free_size ? "expected hexadecimal of at most " + std::to_string(kMaxUserData) + " bytes"
                                     : "expected 128 hexadecimal digits (64 bytes)",
                           "what is shorter is filled up with zero bytes at its end");
  }
  entry.report_data = std::move(*bytes);
  return {};
}

// What decides about the platform: measurements and TCB.
Status read_platform_part(codec::TomlTable& table, PolicyEntry& entry) {
  switch (entry.platform) {
    case Platform::kNitro:
    case Platform::kLocal: return read_measurements(table, entry);
    case Platform::kSnp: return policy_fields::read_snp(table, entry);
    case Platform::kTdx: return policy_fields::read_tdx(table, entry);
    case Platform::kSgx: return policy_fields::read_sgx(table, entry);
  }
  return table.bad_value("platform", "expected a platform that is known here");
}

Result<PolicyEntry> read_entry(codec::TomlTable& table) {
  PolicyEntry entry;
  entry.line = table.line();
  GATEWAY_ASSIGN(entry.platform, read_platform(table));
  GATEWAY_TRY(read_root(table, entry));
  GATEWAY_TRY(read_platform_part(table, entry));
  GATEWAY_TRY(read_report_data(table, entry));
  GATEWAY_TRY(read_config(table, entry));
  GATEWAY_TRY(read_regions(table, entry));
  GATEWAY_ASSIGN(const auto max_age, table.optional_duration("max_age"));
  if (max_age) entry.max_age = *max_age;
  if (entry.max_age <= Duration::zero() || entry.max_age > kLongestMaxAge) {
    return table.bad_value("max_age", "expected more than 0 and at most 366d", "the usual value is \"5m\"");
  }
  GATEWAY_ASSIGN(const auto debug, table.optional_boolean("debug"));
  entry.insecure_allow_debug = debug.value_or(false);
  GATEWAY_TRY(table.finish());
  return entry;
}

}  // namespace

Result<Policy> Policy::parse(std::string_view toml, std::string file_name) {
  GATEWAY_ASSIGN(auto root, codec::TomlTable::parse(toml, std::move(file_name), {.bytes = kMaxPolicySize, .depth = 8}));
  GATEWAY_ASSIGN(auto tables, root.tables("accept"));
  if (tables.size() > kMaxPolicyEntries) {
    return fail(ErrorCode::kInvalidArgument, "policy.too_many_entries",
                "expected at most " + std::to_string(kMaxPolicyEntries) + " [[accept]] entries, found " +
                    std::to_string(tables.size()));
  }
  Policy policy;
  for (codec::TomlTable& table : tables) {
    GATEWAY_ASSIGN(PolicyEntry entry, read_entry(table));
    policy.accept.push_back(std::move(entry));
  }
  GATEWAY_TRY(root.finish());
  return policy;
}

}  // namespace gateway::attestation
