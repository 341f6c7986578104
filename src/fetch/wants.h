// What a piece of evidence needs, as requests to the vendors' services.
//
// Input:  a product, a chip, a TCB; or an FMSPC and a CA: read from evidence by whoever calls, and not yet authentic.
// Output: URLs, and what must come back from them.
// Spec:   AMD 57230 (VCEK certificate and KDS interface), §4; Intel PCS API v4 and PCCS API v4.
// Errors: kInvalidArgument collateral.fetch.url, collateral.fetch.insecure (of a service's address)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attestation/dcap/quote.h"
#include "attestation/model/snp_claims.h"
#include "fetch/url.h"

namespace gateway::fetch {

struct Services {
  std::string kds = "https://kdsintf.amd.com";
  std::string pcs = "https://api.trustedservices.intel.com";
  // Intel's own service has no root CRL: it lies where the certificates say. A PCCS serves it itself.
  std::string root_crl = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
  // AMD's own service answers about one request in ten seconds.
  Duration kds_pace = std::chrono::seconds(10);

  // A PCCS, as people write its address: with or without /sgx/certification/v4.
  void use_pccs(std::string_view url);
  void use_kds(std::string_view url);  // any other has a pace of its own
};

enum class Kind : std::uint8_t { kVcek, kAmdChain, kAmdCrl, kTcbInfo, kQeIdentity, kPckCrl, kRootCrl };
std::string_view to_string(Kind kind);  // "vcek", "amd_chain", "amd_crl", "tcb_info", …

struct SnpNeeds {
  attestation::SnpProduct product{};
  attestation::SnpSigningKey key{};
  ByteArray<64> chip_id{};    // Turin: 8 bytes, then zeros
  attestation::SnpTcb tcb;    // reported
  bool vcek_at_hand = false;  // came with the evidence
};
struct DcapNeeds {
  attestation::dcap::Tee tee{};
  ByteArray<6> fmspc{};
  std::string ca;  // "processor" or "platform"
};

struct Want {
  Kind kind{};
  Url url;
  Duration pace{};                      // at least this long between two requests to the service
  std::vector<std::string> chain_in{};  // headers, in lower case, of which one carries the issuer chain
  std::string name{};                   // of the file, without digest and ending: "tcb-info-tdx-90c06f000000"
  // What must come back.
  std::string issuer{};  // CRLs: the issuer's common name
  std::string id{};      // JSON: its "id" ("SGX", "TDX", "QE", "TD_QE")
  std::string fmspc{};   // TCB info: lower-case hex
  std::optional<SnpNeeds> vcek{};
  std::string authority{};  // AMD's chain: the common name of its root
};

Result<std::vector<Want>> wants_of(const SnpNeeds& needs, const Services& services);

Result<std::vector<Want>> wants_of(const DcapNeeds& needs, const Services& services);

}  // namespace gateway::fetch
