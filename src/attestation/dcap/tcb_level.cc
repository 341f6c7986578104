#include "attestation/dcap/tcb_level.h"

namespace gateway::attestation::dcap {
namespace {

// tee_tcb_svn: the module's SVN, its major version, the SEAM loader's SVN, …
constexpr std::size_t kModuleSvn = 0;
constexpr std::size_t kModuleVersion = 1;
constexpr std::size_t kAfterModule = 2;

constexpr const char* kNotIntels = "do not trust this TD: its TDX module is not the one that Intel vouches for";

bool at_least(const ByteArray<16>& svns, const ByteArray<16>& level, std::size_t from = 0) {
  for (std::size_t i = from; i < svns.size(); ++i) {
    if (svns.at(i) < level.at(i)) return false;
  }
  return true;
}

const TdxModuleIdentity* module_identity(const TcbInfo& info, std::uint8_t version) {
  const auto found = std::ranges::find(info.tdx_module_identities, version, &TdxModuleIdentity::version);
  return found == info.tdx_module_identities.end() ? nullptr : &*found;
}

const IsvLevel* matching(const std::vector<IsvLevel>& levels, std::uint16_t svn) {
  const auto found = std::ranges::find_if(levels, [&](const IsvLevel& level) { return svn >= level.isv_svn; });
  return found == levels.end() ? nullptr : &*found;
}

const TcbLevel* matching(const TcbInfo& info, const PlatformSvns& svns, const std::optional<ByteArray<16>>& tee_svn) {
  // From module version 1 on, the module is judged by its own identity and not by the first two components.
  const std::size_t from = tee_svn && tee_svn->at(kModuleVersion) > 0 ? kAfterModule : 0;
  const auto found = std::ranges::find_if(info.levels, [&](const TcbLevel& level) {
    return at_least(svns.sgx_components, level.sgx_components) && svns.pce_svn >= level.pce_svn &&
           (!tee_svn || at_least(*tee_svn, level.tdx_components, from));
  });
  return found == info.levels.end() ? nullptr : &*found;
}

class Merger {
 public:
  explicit Merger(TcbVerdict& verdict) : verdict_(verdict) {}
  void add_platform(const TcbLevel& level) {
    verdict_.platform = verdict_.status = level.status;
    note(level.date, level.advisories);
  }
  void add(const IsvLevel& level) {
    verdict_.status = merge(verdict_.status, level.status);
    note(level.date, level.advisories);
  }
  void finish() {
    std::ranges::sort(verdict_.advisories);
    const auto twice = std::ranges::unique(verdict_.advisories);
    verdict_.advisories.erase(twice.begin(), twice.end());
  }

 private:
  void note(Time date, const std::vector<std::string>& advisories) {
    if (!verdict_.date || date < *verdict_.date) verdict_.date = date;
    append(advisories);
  }
  void append(const std::vector<std::string>& more) {
    verdict_.advisories.insert(verdict_.advisories.end(), more.begin(), more.end());
  }
  TcbVerdict& verdict_;
};

// Whatever part matches no level: the whole is not supported, and says nothing else.
TcbVerdict not_supported(TcbVerdict verdict) {
  verdict.status = TcbStatus::kNotSupported;
  verdict.advisories.clear();
  verdict.date.reset();
  return verdict;
}

TcbVerdict evaluate_once(const TcbInfo& info, const QeIdentity* qe, const PlatformSvns& svns,
                         const std::optional<ByteArray<16>>& tee_svn) {
  TcbVerdict verdict;
  Merger merger(verdict);
  const IsvLevel* qe_level = qe != nullptr ? matching(qe->levels, svns.qe_isv_svn) : nullptr;
  if (qe_level != nullptr) verdict.qe = qe_level->status;
  const IsvLevel* module_level = nullptr;
  const bool own_module = tee_svn && tee_svn->at(kModuleVersion) > 0;
  if (own_module) {
    const TdxModuleIdentity* identity = module_identity(info, tee_svn->at(kModuleVersion));
    module_level = identity != nullptr ? matching(identity->levels, tee_svn->at(kModuleSvn)) : nullptr;
    if (module_level != nullptr) verdict.tdx_module = module_level->status;
  }
  const TcbLevel* level = matching(info, svns, tee_svn);
  if (level != nullptr) merger.add_platform(*level);
  if (level == nullptr || (own_module && module_level == nullptr) || (qe != nullptr && qe_level == nullptr)) {
    return not_supported(std::move(verdict));
  }
  if (module_level != nullptr) merger.add(*module_level);
  if (qe_level != nullptr) merger.add(*qe_level);
  merger.finish();
  return verdict;
}

bool out_of_date(TcbStatus status) {
  return status == TcbStatus::kOutOfDate || status == TcbStatus::kOutOfDateConfigurationNeeded;
}
bool configuration_needed(TcbStatus status) {
  return status == TcbStatus::kConfigurationNeeded || status == TcbStatus::kConfigurationAndSwHardeningNeeded ||
         status == TcbStatus::kOutOfDateConfigurationNeeded;
}
bool current(TcbStatus status) {
  return status == TcbStatus::kUpToDate || status == TcbStatus::kSwHardeningNeeded ||
         status == TcbStatus::kConfigurationNeeded || status == TcbStatus::kConfigurationAndSwHardeningNeeded;
}

}  // namespace

TcbStatus merge(TcbStatus platform, TcbStatus component) {
  if (component == TcbStatus::kRevoked) return TcbStatus::kRevoked;
  if (component == TcbStatus::kUpToDate) return platform;
  // What is neither up to date nor revoked counts as out of date: components have no other states.
  switch (platform) {
    case TcbStatus::kUpToDate:
    case TcbStatus::kSwHardeningNeeded: return TcbStatus::kOutOfDate;
    case TcbStatus::kConfigurationNeeded:
    case TcbStatus::kConfigurationAndSwHardeningNeeded: return TcbStatus::kOutOfDateConfigurationNeeded;
    default: return platform;
  }
}

TcbVerdict evaluate_tcb(const TcbInfo& info, const QeIdentity* qe, const PlatformSvns& svns) {
  TcbVerdict launched = evaluate_once(info, qe, svns, svns.tee_tcb_svn);
  if (!svns.tee_tcb_svn_2 || launched.status == TcbStatus::kNotSupported) return launched;
  // The module was updated under the running TD: launching it anew would mend what is out of date.
  const TcbVerdict now = evaluate_once(info, qe, svns, svns.tee_tcb_svn_2);
  if (now.status == TcbStatus::kNotSupported) return not_supported(std::move(launched));
  if (out_of_date(launched.status) && current(now.status)) {
    const bool configuration = configuration_needed(launched.status) || configuration_needed(now.status);
    launched.status = configuration ? TcbStatus::kTdRelaunchAdvisedConfigurationNeeded : TcbStatus::kTdRelaunchAdvised;
  }
  return launched;
}

Status check_tdx_module(const TdxClaims& report, const TcbInfo& info, CheckList& checks) {
  const std::uint8_t version = report.tee_tcb_svn.at(kModuleVersion);
  const TdxModuleIdentity* identity = version > 0 ? module_identity(info, version) : nullptr;
  const TdxModule* module = identity != nullptr               ? &identity->module
                            : version == 0 && info.tdx_module ? &*info.tdx_module
                                                              : nullptr;
  if (module == nullptr) {
    checks.held("dcap.tdx_module.mrsigner", "the signer of the TDX module, where the TCB info knows the module",
                "module version " + std::to_string(version) + ", unknown there");
    return {};
  }
  GATEWAY_TRY(checks.require(report.mr_signer_seam == module->mr_signer, ErrorCode::kNotAuthentic,
                             "dcap.tdx_module.mrsigner", to_hex(module->mr_signer), to_hex(report.mr_signer_seam),
                             kNotIntels));
  ByteArray<8> attributes = report.seam_attributes;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    attributes.at(i) = static_cast<std::uint8_t>(attributes.at(i) & module->attributes_mask.at(i));
  }
  return checks.require(attributes == module->attributes, ErrorCode::kNotAuthentic, "dcap.tdx_module.attributes",
                        to_hex(module->attributes), to_hex(attributes), kNotIntels);
}

}  // namespace gateway::attestation::dcap
