// The confidential computing event log (CCEL) of a TD: bytes to events, and events replayed to RTMRs.
//
// The log is what the firmware and the boot loader say they measured. It proves nothing by itself: only events whose
// replay gives the RTMRs of an authenticated quote were measured, and only their digests: what an event's data says is
// worth as much as its digest covers it.
//
// Input:  untrusted; the contents of the log area (`/sys/firmware/acpi/tables/data/CCEL`), padded with 0xff or 0x00.
// Output: EventLog: views into the input.
// Bounds: kMaxCcelSize bytes, kMaxCcelEvents events, kMaxCcelAlgorithms hash algorithms.
// Spec:   TCG PC Client Platform Firmware Profile §10 (crypto agile log); UEFI 2.10 §38 and Intel TDX GHCI: measurement
//         register 1 to 4 is RTMR 0 to 3; ACPI 6.5 §5.2.34 (CCEL).
// Errors: kMalformed tdx.ccel.{truncated,header,event,trailing}; kUnsupported tdx.ccel.algorithm;
//         kLimitExceeded tdx.ccel.size, tdx.ccel.events; kNotAuthentic tdx.ccel.rtmr
#pragma once

#include <array>
#include <vector>

#include "attestation/model/check.h"
#include "attestation/model/dcap_claims.h"

namespace gateway::attestation::tdx {

inline constexpr std::size_t kMaxCcelSize = 1024UZ * 1024;
inline constexpr std::size_t kMaxCcelEvents = 10'000;
inline constexpr std::size_t kMaxCcelAlgorithms = 8;
inline constexpr std::size_t kRtmrs = 4;

inline constexpr std::uint32_t kEventNoAction = 3;  // EV_NO_ACTION: says something, measures nothing

struct CcelEvent {
  std::uint32_t mr_index = 0;  // 1 to 4: RTMR 0 to 3
  std::uint32_t type = 0;
  ByteView digest;  // SHA-384
  ByteView data;
};

struct EventLog {
  std::vector<CcelEvent> events;  // without the header
};

Result<EventLog> parse_ccel(ByteView input);

// RTMR ← SHA-384(RTMR ‖ digest) for each event but EV_NO_ACTION, from zero.
std::array<ByteArray<48>, kRtmrs> replay(const EventLog& log);

// Holds the log against the RTMRs of an authenticated quote. The boot's log ends where the system begins to measure
// for itself: registers that no event names are not compared; the line says which were.
Status check_event_log(const EventLog& log, const TdxClaims& claims, CheckList& checks);

}  // namespace gateway::attestation::tdx
