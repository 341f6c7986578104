// Claims as JSON: the vendors' fields by their own names in snake_case.
#include <boost/json.hpp>
#include <charconv>

#include "attestation/verification_json.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;

json::value hex_or_null(const std::optional<Bytes>& bytes) {
  if (!bytes) return nullptr;
  return json::value_from(to_hex(*bytes));
}

template <class Number>
json::value number_or_null(const std::optional<Number>& number) {
  if (!number) return nullptr;
  return json::value(static_cast<std::uint64_t>(*number));
}

template <std::size_t N>
json::value hex(const ByteArray<N>& bytes) {
  return json::value_from(to_hex(bytes));
}

// Bit fields of 64 bits, as the vendor's documents write them: numbers in JSON lose digits beyond 2^53.
json::value bit_field(std::uint64_t value) {
  std::array<char, 18> text{'0', 'x'};
  const auto [end, error] = std::to_chars(text.data() + 2, text.data() + text.size(), value, 16);
  return json::value(std::string_view(text.data(), static_cast<std::size_t>(end - text.data())));
}

// Six digits of fraction, always: fields that are compared as text keep one form.
std::string with_fraction(Time time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = to_rfc3339(whole);
  text.pop_back();  // 'Z'
  const std::string millis = std::to_string((time - whole).count());
  return text + "." + std::string(3 - millis.size(), '0') + millis + "000Z";
}

json::object nitro_json(const NitroClaims& nitro) {
  json::object pcrs;
  for (const auto& [index, value] : nitro.pcrs) pcrs.emplace(std::to_string(index), to_hex(value));
  return json::object{{"module_id", nitro.module_id},
                      {"timestamp", with_fraction(nitro.timestamp)},
                      {"pcrs", std::move(pcrs)},
                      {"user_data", hex_or_null(nitro.user_data)},
                      {"nonce", hex_or_null(nitro.nonce)},
                      {"public_key", hex_or_null(nitro.public_key)},
                      {"region", nitro.region ? json::value(*nitro.region) : json::value(nullptr)}};
}

json::object tcb_version_json(const SnpTcb& tcb) {
  json::object object;
  if (tcb.fmc) object["fmc"] = *tcb.fmc;
  object["boot_loader"] = tcb.boot_loader;
  object["tee"] = tcb.tee;
  object["snp"] = tcb.snp;
  object["microcode"] = tcb.microcode;
  object["raw"] = bit_field(tcb.raw);
  return object;
}

json::object guest_policy_json(const SnpPolicy& policy) {
  json::object object{{"abi_major", policy.abi_major},
                      {"abi_minor", policy.abi_minor},
                      {"debug", policy.debug},
                      {"migrate_ma", policy.migrate_ma}};
  for (const auto& [name, bit] : snp_policy_bits()) object[name] = policy.*bit;
  return object;
}

json::object platform_info_json(const SnpPlatformInfo& info) {
  json::object object;
  for (const auto& [name, bit] : snp_platform_bits()) object[name] = info.*bit;
  return object;
}

std::string version_text(const SnpVersion& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.build);
}

json::object snp_json(const SnpClaims& snp) {
  json::object object{{"version", snp.version},
                      {"product", to_string(snp.product)},
                      {"signing_key", to_string(snp.signing_key)},
                      {"guest_svn", snp.guest_svn},
                      {"policy", bit_field(snp.policy.raw)},
                      {"policy_bits", guest_policy_json(snp.policy)},
                      {"family_id", hex(snp.family_id)},
                      {"image_id", hex(snp.image_id)},
                      {"vmpl", snp.vmpl},
                      {"platform_info", bit_field(snp.platform_info.raw)},
                      {"platform_info_bits", platform_info_json(snp.platform_info)},
                      {"author_key_en", snp.author_key_en},
                      {"mask_chip_key", snp.mask_chip_key},
                      {"report_data", hex(snp.report_data)},
                      {"measurement", hex(snp.measurement)},
                      {"host_data", hex(snp.host_data)},
                      {"id_key_digest", hex(snp.id_key_digest)},
                      {"author_key_digest", hex(snp.author_key_digest)},
                      {"report_id", hex(snp.report_id)},
                      {"report_id_ma", hex(snp.report_id_ma)},
                      {"chip_id", hex(snp.chip_id)},
                      {"csp_id", snp.csp_id ? json::value(*snp.csp_id) : json::value(nullptr)},
                      {"runtime_data", hex_or_null(snp.runtime_data)}};
  object["current_tcb"] = tcb_version_json(snp.current_tcb);
  object["reported_tcb"] = tcb_version_json(snp.reported_tcb);
  object["committed_tcb"] = tcb_version_json(snp.committed_tcb);
  object["launch_tcb"] = tcb_version_json(snp.launch_tcb);
  object["current_version"] = version_text(snp.current_version);
  object["committed_version"] = version_text(snp.committed_version);
  object["cpuid_family"] = number_or_null(snp.cpuid_family);
  object["cpuid_model"] = number_or_null(snp.cpuid_model);
  object["cpuid_stepping"] = number_or_null(snp.cpuid_stepping);
  object["launch_mitigations"] = snp.launch_mitigations ? bit_field(*snp.launch_mitigations) : json::value(nullptr);
  object["current_mitigations"] = snp.current_mitigations ? bit_field(*snp.current_mitigations) : json::value(nullptr);
  return object;
}

std::string_view to_string(DcapSgxType type) {
  switch (type) {
    case DcapSgxType::kStandard: return "standard";
    case DcapSgxType::kScalable: return "scalable";
    case DcapSgxType::kScalableWithIntegrity: return "scalable_with_integrity";
  }
  return "unknown";
}

json::value bool_or_null(std::optional<bool> value) { return value ? json::value(*value) : json::value(nullptr); }

json::value configuration_json(const std::optional<DcapConfiguration>& configuration) {
  if (!configuration) return nullptr;
  return json::object{{"dynamic_platform", bool_or_null(configuration->dynamic_platform)},
                      {"cached_keys", bool_or_null(configuration->cached_keys)},
                      {"smt_enabled", bool_or_null(configuration->smt_enabled)}};
}

json::object dcap_platform_json(const DcapPlatform& platform) {
  return json::object{{"quote_version", platform.quote_version},
                      {"qe_vendor_id", hex(platform.qe_vendor_id)},
                      {"fmspc", hex(platform.fmspc)},
                      {"pce_id", hex(platform.pce_id)},
                      {"ppid", hex(platform.ppid)},
                      {"cpu_svn", hex(platform.cpu_svn)},
                      {"pce_svn", platform.pce_svn},
                      {"sgx_tcb_components", hex(platform.sgx_tcb_components)},
                      {"pck_ca", platform.pck_ca},
                      {"sgx_type", to_string(platform.sgx_type)},
                      {"platform_instance_id",
                       platform.platform_instance_id ? hex(*platform.platform_instance_id) : json::value(nullptr)},
                      {"configuration", configuration_json(platform.configuration)},
                      {"qe_isv_svn", platform.qe_isv_svn}};
}

json::object tdx_json(const TdxClaims& tdx) {
  json::object object{{"tee_tcb_svn", hex(tdx.tee_tcb_svn)},
                      {"seam_attributes", hex(tdx.seam_attributes)},
                      {"td_attributes", hex(tdx.td_attributes)},
                      {"xfam", hex(tdx.xfam)}};
  for (const TdxRegister& known : tdx_registers()) {
    const ByteArray<48>* const value = known.of(tdx);
    object[known.name] = value != nullptr ? hex(*value) : json::value(nullptr);
  }
  object["report_data"] = hex(tdx.report_data);
  object["tee_tcb_svn_2"] = tdx.tee_tcb_svn_2 ? hex(*tdx.tee_tcb_svn_2) : json::value(nullptr);
  object["platform"] = dcap_platform_json(tdx.platform);
  return object;
}

json::object sgx_json(const SgxClaims& sgx) {
  const SgxReportBody& report = sgx.report;
  return json::object{{"mr_enclave", hex(report.mr_enclave)},
                      {"mr_signer", hex(report.mr_signer)},
                      {"isv_prod_id", report.isv_prod_id},
                      {"isv_svn", report.isv_svn},
                      {"attributes", hex(report.attributes)},
                      {"misc_select", bit_field(report.misc_select)},
                      {"cpu_svn", hex(report.cpu_svn)},
                      {"config_id", hex(report.config_id)},
                      {"config_svn", report.config_svn},
                      {"isv_ext_prod_id", hex(report.isv_ext_prod_id)},
                      {"isv_family_id", hex(report.isv_family_id)},
                      {"report_data", hex(report.report_data)},
                      {"platform", dcap_platform_json(sgx.platform)}};
}

}  // namespace

json::object claims_json(const Claims& claims) {
  switch (claims.platform()) {
    case Platform::kNitro:
    case Platform::kLocal: return nitro_json(claims.nitro());
    case Platform::kSnp: return snp_json(claims.snp());
    case Platform::kTdx: return tdx_json(claims.tdx());
    case Platform::kSgx: return sgx_json(claims.sgx());
  }
  return {};
}

}  // namespace gateway::attestation
