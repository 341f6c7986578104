// The virtual NSM of platform local: the device's side of the protocol, with Nitro's document format.
//
// It lives in the shim, is given PCR0–2 by code that measured the image itself, and signs under a root made at the
// first start on this machine: root → intermediate → instance → leaf (three hours), as AWS's chain. Worth nothing
// against the host: whoever owns the machine owns the root. It never claims AWS's names.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/secret.h"
#include "crypto/x509.h"

namespace gateway::attester {

struct LocalRoot {
  crypto::PrivateKey key;
  crypto::Certificate certificate;
  // Reads key and certificate from a folder, or makes them (0600, 0644) at first start; atomic, refuses loose modes.
  static Result<LocalRoot> load_or_create(const std::string& folder, Time now);
};

class VirtualNsm {
 public:
  // pcrs: PCR0, 1, 2 as measured; the rest start at zero, 0–15 are locked from the start as the real device's are.
  // debug: PCR0–2 read all zero.
  VirtualNsm(const LocalRoot& root, std::string module_id, std::array<ByteArray<48>, 3> pcrs, const Clock& clock);
  // One request, one answer; never fails: a bad request yields {"Error": …} as the device's does.
  Bytes answer(ByteView request);

  struct Impl;
  ~VirtualNsm();

 private:
  std::unique_ptr<Impl> impl_;
};

// Serves u32be-framed requests on a socket until the peer closes; for a thread of the shim.
void serve_virtual_nsm(VirtualNsm& nsm, int file_descriptor);

}  // namespace gateway::attester
