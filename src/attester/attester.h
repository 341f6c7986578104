// Evidence from inside a TEE. The default of everything here refuses; a platform is chosen in cmd/ alone.
#pragma once

#include "attestation/model/claims.h"
#include "base/bytes.h"

namespace gateway::attester {

class Attester {
 public:
  virtual ~Attester() = default;
  virtual attestation::Platform platform() const = 0;
  // Evidence that carries report_data (64 bytes; user_data on nitro and local) and, where the format has a field for
  // it, the nonce. Blocking; one at a time.
  virtual Result<Bytes> attest(ByteView report_data, std::optional<ByteView> nonce) = 0;
  // Evidence that vouches for a key beside its report_data, in the format's own field for one. Only NSMs have it.
  // Errors: kUnsupported attester.no_key
  virtual Result<Bytes> attest_key(ByteView report_data, ByteView spki);
  virtual Status extend_register(unsigned index, ByteView data) = 0;
  virtual Status lock_registers(unsigned count) = 0;  // 0 … count-1
  virtual Result<Bytes> random() = 0;                 // entropy of the device, to be mixed, never used alone
  virtual Result<Time> trusted_time() = 0;            // docs/trust.md §6
};

}  // namespace gateway::attester
