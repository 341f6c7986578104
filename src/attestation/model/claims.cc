#include "attestation/model/claims.h"

#include <array>

namespace gateway::attestation {
namespace {

struct Name {
  Platform platform;
  std::string_view text;
};
constexpr std::array<Name, 5> kNames{{{Platform::kNitro, "nitro"},
                                      {Platform::kLocal, "local"},
                                      {Platform::kSnp, "snp"},
                                      {Platform::kTdx, "tdx"},
                                      {Platform::kSgx, "sgx"}}};

}  // namespace

std::string_view to_string(Platform platform) {
  for (const Name& name : kNames) {
    if (name.platform == platform) return name.text;
  }
  return "unknown";
}

std::optional<Platform> platform_from(std::string_view text) {
  for (const Name& name : kNames) {
    if (name.text == text) return name.platform;
  }
  return std::nullopt;
}

std::string_view to_string(SnpProduct product) {
  switch (product) {
    case SnpProduct::kMilan: return "Milan";
    case SnpProduct::kGenoa: return "Genoa";
    case SnpProduct::kTurin: return "Turin";
  }
  return "unknown";
}

std::string_view to_string(SnpSigningKey key) { return key == SnpSigningKey::kVcek ? "vcek" : "vlek"; }

std::optional<ByteView> Claims::report_data() const {
  switch (platform_) {
    case Platform::kNitro:
    case Platform::kLocal: return nitro().user_data ? std::optional<ByteView>(*nitro().user_data) : std::nullopt;
    case Platform::kSnp: return snp().report_data;
    case Platform::kTdx: return tdx().report_data;
    case Platform::kSgx: return sgx().report.report_data;
  }
  return std::nullopt;
}

std::string_view to_string(AppraisalStatus status) {
  switch (status) {
    case AppraisalStatus::kNone: return "none";
    case AppraisalStatus::kAffirming: return "affirming";
    case AppraisalStatus::kWarning: return "warning";
    case AppraisalStatus::kContraindicated: return "contraindicated";
  }
  return "contraindicated";
}

}  // namespace gateway::attestation
