#include "attestation/snp/report.h"

#include <algorithm>

namespace gateway::attestation::snp {
namespace {

constexpr const char* kSender = "ask the sender for the report's raw bytes; it was damaged or is no SEV-SNP report";
constexpr const char* kNewer = "a newer verifier may know it; this one refuses what it does not know";

constexpr std::uint64_t kPolicyMustBeOne = 1ULL << 17U;
constexpr std::uint64_t kPolicyKnown = (1ULL << 26U) - 1;
constexpr std::uint64_t kPlatformInfoKnown = (1ULL << 8U) - 1;
constexpr std::uint32_t kFlagsKnown = (1U << 5U) - 1;
constexpr std::uint32_t kHostRequested = 0xffffffff;  // VMPL of a report that the hypervisor asked for
constexpr std::uint32_t kEcdsaP384Sha384 = 1;
constexpr std::uint32_t kKeyVlek = 1, kKeyNone = 7;
constexpr std::size_t kScalarSize = 72, kScalarUsed = 48;

bool bit(std::uint64_t value, unsigned index) { return ((value >> index) & 1U) != 0; }
std::uint8_t byte(std::uint64_t value, unsigned index) { return static_cast<std::uint8_t>(value >> (8 * index)); }
bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t value) { return value == 0; });
}
std::string hex(std::uint64_t value) {
  ByteWriter writer;
  writer.u64be(value);
  return "0x" + to_hex(writer.bytes());
}

SnpPolicy policy_of(std::uint64_t raw) {
  return {.abi_minor = byte(raw, 0),
          .abi_major = byte(raw, 1),
          .smt = bit(raw, 16),
          .migrate_ma = bit(raw, 18),
          .debug = bit(raw, 19),
          .single_socket = bit(raw, 20),
          .cxl_allow = bit(raw, 21),
          .mem_aes_256_xts = bit(raw, 22),
          .rapl_dis = bit(raw, 23),
          .ciphertext_hiding_dram = bit(raw, 24),
          .page_swap_disable = bit(raw, 25),
          .raw = raw};
}

SnpPlatformInfo platform_info_of(std::uint64_t raw) {
  return {.smt_en = bit(raw, 0),
          .tsme_en = bit(raw, 1),
          .ecc_en = bit(raw, 2),
          .rapl_dis = bit(raw, 3),
          .ciphertext_hiding_dram_en = bit(raw, 4),
          .alias_check_complete = bit(raw, 5),
          .iommu_write_safe = bit(raw, 6),
          .tio_en = bit(raw, 7),
          .raw = raw};
}

// The bytes of each field, before any of them is judged.
struct Raw {
  std::uint64_t policy = 0, platform_info = 0;
  std::uint32_t signature_algo = 0, flags = 0;
  ByteArray<24> cpuid{};  // family, model, stepping; reserved before version 3
  ByteView signature;
};

Result<SnpVersion> read_version(ByteReader& reader) {
  SnpVersion version;
  GATEWAY_ASSIGN(version.build, reader.u8());
  GATEWAY_ASSIGN(version.minor, reader.u8());
  GATEWAY_ASSIGN(version.major, reader.u8());
  GATEWAY_TRY(reader.zeros(1, "snp.report.reserved_not_zero"));
  return version;
}

Status read_guest(ByteReader& reader, SnpClaims& fields, Raw& raw) {
  GATEWAY_ASSIGN(fields.version, reader.u32le());
  GATEWAY_ASSIGN(fields.guest_svn, reader.u32le());
  GATEWAY_ASSIGN(raw.policy, reader.u64le());
  GATEWAY_ASSIGN(fields.family_id, reader.array<16>());
  GATEWAY_ASSIGN(fields.image_id, reader.array<16>());
  GATEWAY_ASSIGN(fields.vmpl, reader.u32le());
  GATEWAY_ASSIGN(raw.signature_algo, reader.u32le());
  GATEWAY_ASSIGN(fields.current_tcb.raw, reader.u64le());
  GATEWAY_ASSIGN(raw.platform_info, reader.u64le());
  GATEWAY_ASSIGN(raw.flags, reader.u32le());
  GATEWAY_TRY(reader.zeros(4, "snp.report.reserved_not_zero"));
  GATEWAY_ASSIGN(fields.report_data, reader.array<64>());
  GATEWAY_ASSIGN(fields.measurement, reader.array<48>());
  GATEWAY_ASSIGN(fields.host_data, reader.array<32>());
  GATEWAY_ASSIGN(fields.id_key_digest, reader.array<48>());
  GATEWAY_ASSIGN(fields.author_key_digest, reader.array<48>());
  GATEWAY_ASSIGN(fields.report_id, reader.array<32>());
  GATEWAY_ASSIGN(fields.report_id_ma, reader.array<32>());
  return {};
}

Status read_platform(ByteReader& reader, SnpClaims& fields, Raw& raw) {
  GATEWAY_ASSIGN(fields.reported_tcb.raw, reader.u64le());
  GATEWAY_ASSIGN(raw.cpuid, reader.array<24>());
  GATEWAY_ASSIGN(fields.chip_id, reader.array<64>());
  GATEWAY_ASSIGN(fields.committed_tcb.raw, reader.u64le());
  GATEWAY_ASSIGN(fields.current_version, read_version(reader));
  GATEWAY_ASSIGN(fields.committed_version, read_version(reader));
  GATEWAY_ASSIGN(fields.launch_tcb.raw, reader.u64le());
  if (fields.version >= 5) {
    GATEWAY_ASSIGN(fields.launch_mitigations, reader.u64le());
    GATEWAY_ASSIGN(fields.current_mitigations, reader.u64le());
  } else {
    GATEWAY_TRY(reader.zeros(16, "snp.report.reserved_not_zero"));
  }
  GATEWAY_TRY(reader.zeros(152, "snp.report.reserved_not_zero"));
  GATEWAY_ASSIGN(raw.signature, reader.take(kReportSize - kSignedSize));
  return reader.finish("snp.report.size");
}

Status check_version(std::uint32_t version, CheckList& checks) {
  return checks.require(version == 2 || version == 3 || version == 5, ErrorCode::kUnsupported, "snp.report.version",
                        "version 2, 3 or 5", std::to_string(version), kNewer);
}

Status check_reserved(const SnpClaims& fields, const Raw& raw, const Status& read, CheckList& checks) {
  // Version 2 has no CPUID fields; later ones use three bytes of the 24.
  const std::size_t used = fields.version >= 3 ? 3 : 0;
  const bool zero = read && all_zero(ByteView(raw.cpuid).subspan(used)) && (raw.flags & ~kFlagsKnown) == 0;
  return checks.require(zero, ErrorCode::kMalformed, "snp.report.reserved_not_zero", "reserved fields of zero",
                        zero ? "zero" : "a reserved field that is not zero", kSender);
}

Status read_policy(SnpClaims& fields, const Raw& raw, CheckList& checks) {
  GATEWAY_TRY(checks.require((raw.policy & ~kPolicyKnown) == 0 && (raw.policy & kPolicyMustBeOne) != 0,
                             ErrorCode::kMalformed, "snp.report.policy", "bit 17 set, bits 63 to 26 clear",
                             hex(raw.policy), kSender));
  fields.policy = policy_of(raw.policy);
  GATEWAY_TRY(checks.require((raw.platform_info & ~kPlatformInfoKnown) == 0, ErrorCode::kUnsupported,
                             "snp.report.platform_info", "no bit above 7", hex(raw.platform_info), kNewer));
  fields.platform_info = platform_info_of(raw.platform_info);
  return checks.require(fields.vmpl <= 3 || fields.vmpl == kHostRequested, ErrorCode::kMalformed, "snp.report.vmpl",
                        "0 to 3, or 0xffffffff when the hypervisor asked", std::to_string(fields.vmpl), kSender);
}

Status read_product(UnverifiedReport& report, const Raw& raw, CheckList& checks) {
  SnpClaims& fields = report.fields;
  if (fields.version < 3) return {};
  fields.cpuid_family = raw.cpuid[0];
  fields.cpuid_model = raw.cpuid[1];
  fields.cpuid_stepping = raw.cpuid[2];
  report.product = product_of_cpu(raw.cpuid[0], raw.cpuid[1]);
  GATEWAY_TRY(checks.require(
      report.product.has_value(), ErrorCode::kUnsupported, "snp.report.product", "a CPU of Milan, Genoa or Turin",
      "family " + std::to_string(raw.cpuid[0]) + ", model " + std::to_string(raw.cpuid[1]), kNewer));
  return check_layout(fields, *report.product, checks);
}

// An unsigned report: no key, a masked chip key (the firmware then writes zeros), or a signature of zeros.
Status check_signed(std::uint32_t key, const Raw& raw, CheckList& checks) {
  const bool masked = bit(raw.flags, 1) && key != kKeyVlek;
  const bool zeros = all_zero(raw.signature.first(2 * kScalarSize));
  return checks.require(key != kKeyNone && !masked && !zeros, ErrorCode::kNotAuthentic, "snp.unsigned",
                        "a report signed by VCEK or VLEK",
                        key == kKeyNone ? "signing key 7: none"
                        : masked        ? "MASK_CHIP_KEY with the VCEK"
                        : zeros         ? "a signature of zeros"
                                        : "signed",
                        "the host turned signing off (SNP_CONFIG MASK_CHIP_KEY); it proves nothing");
}

// r and s: little-endian in 72 bytes each, of which P-384 uses 48; the rest of the field is zero.
Status read_signature(UnverifiedReport& report, const Raw& raw, CheckList& checks) {
  const bool padded = all_zero(raw.signature.subspan(kScalarUsed, kScalarSize - kScalarUsed)) &&
                      all_zero(raw.signature.subspan(kScalarSize + kScalarUsed));
  GATEWAY_TRY(checks.require(padded, ErrorCode::kMalformed, "snp.report.signature_format",
                             "r and s of 48 bytes, zeros after each", padded ? "as expected" : "other bytes", kSender));
  std::ranges::reverse_copy(raw.signature.first(kScalarUsed), report.signature.begin());
  std::ranges::reverse_copy(raw.signature.subspan(kScalarSize, kScalarUsed), report.signature.begin() + kScalarUsed);
  return {};
}

Status read_signer(UnverifiedReport& report, const Raw& raw, CheckList& checks) {
  SnpClaims& fields = report.fields;
  GATEWAY_TRY(checks.require(raw.signature_algo == kEcdsaP384Sha384, ErrorCode::kUnsupported,
                             "snp.report.signature_algo", "1: ECDSA P-384 with SHA-384",
                             std::to_string(raw.signature_algo), kNewer));
  const std::uint32_t key = (raw.flags >> 2U) & 7U;
  GATEWAY_TRY(checks.require(key <= kKeyVlek || key == kKeyNone, ErrorCode::kUnsupported, "snp.report.signing_key",
                             "0 (VCEK) or 1 (VLEK)", std::to_string(key), kNewer));
  fields.author_key_en = bit(raw.flags, 0);
  fields.mask_chip_key = bit(raw.flags, 1);
  fields.signing_key = key == kKeyVlek ? SnpSigningKey::kVlek : SnpSigningKey::kVcek;
  GATEWAY_TRY(check_signed(key, raw, checks));
  const bool masked = all_zero(fields.chip_id);
  GATEWAY_TRY(checks.require(!masked || fields.signing_key == SnpSigningKey::kVlek, ErrorCode::kNotAuthentic,
                             "snp.report.chip_id_masked", "a chip id, unless a VLEK signs",
                             masked ? "a masked chip id" : "a chip id",
                             "a VCEK cannot be matched to a masked chip; ask for a report signed by the VLEK"));
  return read_signature(report, raw, checks);
}

}  // namespace

Result<UnverifiedReport> parse_report(ByteView input, CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  GATEWAY_TRY(checks.require(input.size() == kReportSize, ErrorCode::kMalformed, "snp.report.size",
                             std::to_string(kReportSize) + " bytes", std::to_string(input.size()) + " bytes", kSender));
  UnverifiedReport report;
  report.signed_bytes = input.first(kSignedSize);
  Raw raw;
  ByteReader reader(input, "snp.report.size");
  Status read = read_guest(reader, report.fields, raw);
  // The version decides which fields are reserved, so that it is judged before them.
  GATEWAY_TRY(check_version(report.fields.version, checks));
  if (read) read = read_platform(reader, report.fields, raw);
  GATEWAY_TRY(check_reserved(report.fields, raw, read, checks));
  GATEWAY_TRY(read_policy(report.fields, raw, checks));
  GATEWAY_TRY(read_product(report, raw, checks));
  GATEWAY_TRY(read_signer(report, raw, checks));
  return report;
}

Status check_layout(const SnpClaims& fields, SnpProduct product, CheckList& checks) {
  const bool turin = product == SnpProduct::kTurin;
  const std::uint64_t reserved = turin ? 0x00ffffff'00000000 : 0x0000ffff'ffff0000;
  bool zero = !turin || all_zero(ByteView(fields.chip_id).subspan(kTurinChipIdSize));
  for (const SnpTcb* tcb : {&fields.current_tcb, &fields.reported_tcb, &fields.committed_tcb, &fields.launch_tcb}) {
    zero = zero && (tcb->raw & reserved) == 0;
  }
  return checks.require(zero, ErrorCode::kMalformed, "snp.report.reserved_not_zero",
                        "zeros where " + std::string(to_string(product)) + " reserves bytes of TCBs and chip id",
                        zero ? "zeros" : "other bytes", kSender);
}

SnpTcb tcb_of(std::uint64_t raw, SnpProduct product) {
  if (product == SnpProduct::kTurin) {
    return {.fmc = byte(raw, 0),
            .boot_loader = byte(raw, 1),
            .tee = byte(raw, 2),
            .snp = byte(raw, 3),
            .microcode = byte(raw, 7),
            .raw = raw};
  }
  return {.fmc = std::nullopt,
          .boot_loader = byte(raw, 0),
          .tee = byte(raw, 1),
          .snp = byte(raw, 6),
          .microcode = byte(raw, 7),
          .raw = raw};
}

std::optional<SnpProduct> product_of_cpu(std::uint8_t family, std::uint8_t model) {
  if (family == 0x19 && model <= 0x0f) return SnpProduct::kMilan;
  if (family == 0x19 && model >= 0x10 && model <= 0x1f) return SnpProduct::kGenoa;
  if (family == 0x19 && model >= 0xa0 && model <= 0xaf) return SnpProduct::kGenoa;
  if (family == 0x1a && model <= 0x1f) return SnpProduct::kTurin;
  return std::nullopt;
}

}  // namespace gateway::attestation::snp
