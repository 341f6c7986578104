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
