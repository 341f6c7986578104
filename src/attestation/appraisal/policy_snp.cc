// SEV-SNP's part of a policy entry.
#include "attestation/appraisal/policy_fields.h"

namespace gateway::attestation::policy_fields {
namespace {

constexpr std::uint32_t kHighestVmpl = 3;

Result<std::optional<SnpVersion>> read_abi(codec::TomlTable& table) {
  GATEWAY_ASSIGN(const auto text, table.optional_text("min_abi"));
  if (!text) return std::nullopt;
  const std::size_t dot = text->find('.');
  const auto number = [](std::string_view digits) -> std::optional<std::uint8_t> {
    if (digits.empty() || digits.size() > 3) return std::nullopt;
    unsigned value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value > 255) return std::nullopt;
    return static_cast<std::uint8_t>(value);
  };
  const auto major = number(std::string_view(*text).substr(0, dot));
  const auto minor = dot == std::string::npos ? std::nullopt : number(std::string_view(*text).substr(dot + 1));
  if (!major || !minor) return table.bad_value("min_abi", "expected two numbers such as \"1.51\"");
  return SnpVersion{.major = *major, .minor = *minor};
}

template <class Bits>
Status read_named_bits(codec::TomlTable& table, std::string_view key, Bits known,
                       std::map<std::string, bool, std::less<>>& to) {
  GATEWAY_ASSIGN(auto bits, table.optional_table(key));
  if (!bits) return {};
  for (const auto& bit : known) {
    GATEWAY_ASSIGN(const auto wanted, bits->optional_boolean(bit.name));
    if (wanted) to.emplace(bit.name, *wanted);
  }
  return bits->finish();
}

// Chip ids have 64 bytes; Turin's have 8, which the report fills up with zeros.
Status read_chip_ids(codec::TomlTable& table, SnpReference& snp) {
  GATEWAY_ASSIGN(const auto texts, table.optional_texts("chip_ids"));
  if (!texts) return {};
  for (const std::string& text : *texts) {
    const auto bytes = from_hex(text);
    if (!bytes || (bytes->size() != 64 && bytes->size() != 8)) {
      return table.bad_value("chip_ids", "expected texts of 128 hexadecimal digits (Turin: 16 are enough)",
                             "copy chip_id as gateway verify --json prints it");
    }
    const bool masked = std::ranges::all_of(*bytes, [](std::uint8_t byte) { return byte == 0; });
    if (masked) {
      return table.bad_value("chip_ids", "a chip id of zeros is a masked one, and every masked chip has it",
                             "remove it; to accept masked chips leave chip_ids out");
    }
    ByteArray<64> id{};
    std::ranges::copy(*bytes, id.begin());
    snp.chip_ids.push_back(id);
  }
  if (snp.chip_ids.empty() || snp.chip_ids.size() > kMaxListed) {
    return table.bad_value("chip_ids", "expected 1 to " + std::to_string(kMaxListed) + " values",
                           "leave it out for any");
  }
  return {};
}

Status read_product_and_key(codec::TomlTable& table, SnpReference& snp) {
  GATEWAY_ASSIGN(const auto product, table.optional_text("product"));
  if (product) {
    for (const SnpProduct known : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
      if (to_string(known) == *product) snp.product = known;
    }
    if (!snp.product) return table.bad_value("product", "expected \"Milan\", \"Genoa\" or \"Turin\"");
  }
  GATEWAY_ASSIGN(const auto key, table.optional_text("signing_key"));
  if (key) {
    for (const SnpSigningKey known : {SnpSigningKey::kVcek, SnpSigningKey::kVlek}) {
      if (to_string(known) == *key) snp.signing_key = known;
    }
    if (!snp.signing_key) return table.bad_value("signing_key", "expected \"vcek\" or \"vlek\"");
  }
  GATEWAY_ASSIGN(snp.csp_id, table.optional_text("csp_id"));
  if (snp.csp_id && (snp.csp_id->empty() || snp.signing_key != SnpSigningKey::kVlek)) {
    return table.bad_value("csp_id", "expected a provider's id beside signing_key = \"vlek\"",
                           "only a VLEK's certificate names a provider");
  }
  return {};
}

Status read_measurement(codec::TomlTable& table, SnpReference& snp) {
  GATEWAY_ASSIGN(auto measurements, table.optional_table("measurements"));
  if (measurements) {
    GATEWAY_ASSIGN(snp.measurement, read_hex<48>(*measurements, "measurement"));
    GATEWAY_TRY(measurements->finish());
  }
  if (!snp.measurement) {
    return fail(ErrorCode::kInvalidArgument, "policy.measurements_missing",
                where(table) + "expected measurements = { measurement = \"…\" }, found none",
                "take it from gateway inspect IMAGE.eif --snp …; without it any guest would be accepted");
  }
  return {};
}

}  // namespace

Status read_snp(codec::TomlTable& table, PolicyEntry& entry) {
  SnpReference& snp = entry.snp;
  GATEWAY_TRY(read_measurement(table, snp));
  GATEWAY_TRY(read_snp_tcb(table, entry));
  GATEWAY_TRY(read_product_and_key(table, snp));
  GATEWAY_ASSIGN(const auto vmpl, read_number<std::uint32_t>(table, "vmpl"));
  snp.vmpl = vmpl.value_or(0);
  if (snp.vmpl > kHighestVmpl) return table.bad_value("vmpl", "expected 0 to 3", "the usual value is 0");
  GATEWAY_ASSIGN(const auto allow_migration, table.optional_boolean("allow_migration"));
  entry.allow_migration = allow_migration.value_or(false);
  GATEWAY_ASSIGN(snp.min_abi, read_abi(table));
  GATEWAY_TRY(read_named_bits(table, "policy", snp_policy_bits(), snp.policy));
  GATEWAY_TRY(read_named_bits(table, "platform_info", snp_platform_bits(), snp.platform_info));
  GATEWAY_ASSIGN(const auto svn, read_number<std::uint32_t>(table, "min_guest_svn"));
  snp.min_guest_svn = svn.value_or(0);
  GATEWAY_ASSIGN(snp.host_data, read_hex<32>(table, "host_data"));
  GATEWAY_ASSIGN(snp.family_id, read_hex<16>(table, "family_id"));
  GATEWAY_ASSIGN(snp.image_id, read_hex<16>(table, "image_id"));
  GATEWAY_ASSIGN(snp.id_key_digest, read_hex<48>(table, "id_key_digest"));
  GATEWAY_ASSIGN(snp.author_key_digest, read_hex<48>(table, "author_key_digest"));
  return read_chip_ids(table, snp);
}

}  // namespace gateway::attestation::policy_fields
