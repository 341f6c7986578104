// The virtual NSM of platform local: the device's side of the protocol, with Nitro's document format.
//
// It lives in the shim, is given PCR0–2 by code that measured the image itself, and signs under a root made at the
// first start on this machine: root → intermediate → instance → leaf (three hours), as AWS's chain. Worth nothing
// against the host: whoever owns the machine owns the root. It never claims AWS's names.
//
// Input:  requests of the enclave (untrusted).
// Bounds: requests ≤ kNsmMaxRequest, answers ≤ kNsmMaxResponse, certificates ≤ 1024 bytes.
// Errors: none: a bad request yields {"Error": …}, as the device's does.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "attester/local_root.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace gateway::attester {

// kDebug: PCR0–2 read all zero, as those of an enclave that the host started in debug mode. Verifiers refuse it
// unless their policy says `debug = true`; it exists so that this refusal can be shown and tested.
enum class NsmMode : std::uint8_t { kProduction, kDebug };

class VirtualNsm {
 public:
  // pcrs: PCR0, 1, 2 as measured; the rest start at zero, 0–15 are locked from the start as the real device's are.
  VirtualNsm(const LocalRoot& root, std::string module_id, std::array<ByteArray<48>, 3> pcrs, const Clock& clock,
             NsmMode mode = NsmMode::kProduction);
  // One request, one answer; never fails. Safe for concurrent use.
  Bytes answer(ByteView request);
  // Issues the chain now rather than at the first document (some milliseconds); repeated calls cost nothing.
  void prepare();

  struct Impl;
  ~VirtualNsm();

 private:
  std::unique_ptr<Impl> impl_;
};

// Serves u32be-framed requests on a socket until the peer closes or breaks the framing; for a thread of the shim. The
// descriptor stays the caller's.
void serve_virtual_nsm(VirtualNsm& nsm, int file_descriptor);

}  // namespace gateway::attester
