// How the values of a policy entry are written, and the readers of each platform's part. Private to
// appraisal/policy*.cc.
#pragma once

#include <algorithm>
#include <limits>
#include <string>

#include "attestation/appraisal/policy.h"
#include "codec/toml.h"

namespace gateway::attestation::policy_fields {

inline constexpr std::size_t kMaxListed = 1024;  // chips, platforms, advisories of one entry

template <std::size_t N>
std::optional<ByteArray<N>> array_from_hex(std::string_view text) {
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != N) return std::nullopt;
  ByteArray<N> out{};
  std::ranges::copy(*bytes, out.begin());
  return out;
}

template <std::size_t N>
Result<std::optional<ByteArray<N>>> read_hex(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(const auto text, table.optional_text(key));
  if (!text) return std::nullopt;
  const auto value = array_from_hex<N>(*text);
  if (!value) {
    return table.bad_value(
        key, "expected " + std::to_string(2 * N) + " hexadecimal digits (" + std::to_string(N) + " bytes)",
        "copy the value as gateway verify --json prints it");
  }
  return value;
}

template <std::size_t N>
Result<std::vector<ByteArray<N>>> read_hex_list(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(const auto texts, table.optional_texts(key));
  std::vector<ByteArray<N>> values;
  if (!texts) return values;
  for (const std::string& text : *texts) {
    const auto value = array_from_hex<N>(text);
    if (!value) {
      return table.bad_value(key, "expected texts of " + std::to_string(2 * N) + " hexadecimal digits each",
                             "copy the values as gateway verify --json prints them");
    }
    values.push_back(*value);
  }
  // An empty list reads as "none", the code would read it as "any": refused rather than guessed.
  if (values.empty() || values.size() > kMaxListed) {
    return table.bad_value(key, "expected 1 to " + std::to_string(kMaxListed) + " values", "leave it out for any");
  }
  return values;
}

template <class Integer>
Result<std::optional<Integer>> read_number(codec::TomlTable& table, std::string_view key) {
  GATEWAY_ASSIGN(const auto number, table.optional_integer(key));
  if (!number) return std::nullopt;
  constexpr auto kMost = std::numeric_limits<Integer>::max();
  if (*number < 0 || *number > static_cast<std::int64_t>(kMost)) {
    return table.bad_value(key, "expected a number from 0 to " + std::to_string(kMost));
  }
  return static_cast<Integer>(*number);
}

// { required = "hex", forbidden = "hex" }, either or both. No bit can be both.
template <std::size_t N>
Result<BitRules<N>> read_bits(codec::TomlTable& table, std::string_view key) {
  BitRules<N> rules;
  GATEWAY_ASSIGN(auto bits, table.optional_table(key));
  if (!bits) return rules;
  GATEWAY_ASSIGN(const auto required, read_hex<N>(*bits, "required"));
  GATEWAY_ASSIGN(const auto forbidden, read_hex<N>(*bits, "forbidden"));
  GATEWAY_TRY(bits->finish());
  rules.required = required.value_or(ByteArray<N>{});
  rules.forbidden = forbidden.value_or(ByteArray<N>{});
  for (std::size_t i = 0; i < N; ++i) {
    if ((rules.required.at(i) & rules.forbidden.at(i)) != 0) {
      return table.bad_value(key, "a bit is both required and forbidden", "no evidence could satisfy this");
    }
  }
  return rules;
}

inline std::string where(const codec::TomlTable& table) {
  return table.file_name() + ":" + std::to_string(table.line()) + ": ";
}

Status read_snp(codec::TomlTable& table, PolicyEntry& entry);        // policy_snp.cc
Status read_tdx(codec::TomlTable& table, PolicyEntry& entry);        // policy_dcap.cc
Status read_sgx(codec::TomlTable& table, PolicyEntry& entry);        // policy_dcap.cc
Status read_snp_tcb(codec::TomlTable& table, PolicyEntry& entry);    // policy_tcb.cc: rules and grace windows
Status read_intel_tcb(codec::TomlTable& table, PolicyEntry& entry);  // policy_tcb.cc

}  // namespace gateway::attestation::policy_fields
