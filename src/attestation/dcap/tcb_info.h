// Intel's TCB info, version 2 (SGX) and 3 (SGX, TDX): strict JSON to fields.
//
// Input:  untrusted; a file as Intel's PCS serves it.
// Output: TcbInfo: what it says, nothing more. Unknown members are passed over; known ones are held to the
//         specification.
// Bounds: those of signed_json.h; kMaxModules TDX module identities.
// Spec:   Intel PCS API v3 and v4, "Get TCB Info". Version 1 (2018) is refused: it names no PCE and has no successor.
// Errors: kMalformed dcap.tcb_info.json, dcap.tcb_info.field; kLimitExceeded dcap.tcb_info.limit;
//         kUnsupported dcap.tcb_info.version
#pragma once

#include "attestation/dcap/quote.h"
#include "attestation/dcap/signed_json.h"

namespace gateway::attestation::dcap {

inline constexpr std::size_t kMaxModules = 64;

struct TcbLevel {
  ByteArray<16> sgx_components{};
  ByteArray<16> tdx_components{};  // TDX
  std::uint16_t pce_svn = 0;
  TcbStatus status{};
  Time date;
  std::vector<std::string> advisories;
};

struct TdxModule {
  ByteArray<48> mr_signer{};
  ByteArray<8> attributes{};
  ByteArray<8> attributes_mask{};
};

struct TdxModuleIdentity {
  std::uint8_t version = 0;  // of "TDX_01": what tee_tcb_svn[1] says
  TdxModule module;
  std::vector<IsvLevel> levels;
};

struct TcbInfo {
  unsigned version = 0;
  Tee tee{};
  ByteArray<6> fmspc{};
  std::optional<ByteArray<2>> pce_id;  // some early documents of version 2 lack it, and match no platform
  TimeWindow window;                   // issueDate to nextUpdate
  std::uint32_t evaluation_number = 0;
  std::optional<TdxModule> tdx_module;  // TDX
  std::vector<TdxModuleIdentity> tdx_module_identities;
  std::vector<TcbLevel> levels;  // in the order of the document: Intel sorts them, best first
  SignedBody signed_body;
};

Result<TcbInfo> parse_tcb_info(ByteView file);

}  // namespace gateway::attestation::dcap
