// Intel's words for the state of a TCB.
//
// Spec: Intel PCS API v4, TCB info (tcbStatus); Intel TDX DCAP Quoting Library API, Quote Verification Result.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gateway::attestation::dcap {

enum class TcbStatus : std::uint8_t {
  kUpToDate,
  kSwHardeningNeeded,
  kConfigurationNeeded,
  kConfigurationAndSwHardeningNeeded,
  kOutOfDate,
  kOutOfDateConfigurationNeeded,
  kRevoked,
  // Never in collateral: what an evaluation may come to beside.
  kTdRelaunchAdvised,
  kTdRelaunchAdvisedConfigurationNeeded,
  kNotSupported,  // below every level
};
std::string_view to_string(TcbStatus status);
std::optional<TcbStatus> tcb_status_from(std::string_view word);  // those that collateral may hold

}  // namespace gateway::attestation::dcap
