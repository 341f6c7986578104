// Endorsements that a relying party holds beside evidence: each file recognised by its content, never by its name.
//
// Input:  untrusted files. DER or PEM certificates and chains, DER or PEM CRLs, Intel's TCB info and QE identity JSON
//         as Intel serves them. What is none of these is ignored: a folder may hold other things.
// Output: what the files say, nothing more: every signature, chain and date is judged where it is used.
// Bounds: kMaxFile a file, kMaxFiles files, kMaxCertificates and kMaxCrls in all; what is beyond is ignored.
#pragma once

#include <span>
#include <vector>

#include "base/bytes.h"
#include "crypto/crl.h"
#include "crypto/x509.h"

namespace gateway::attestation {

struct Collateral {
  static constexpr std::size_t kMaxFile = 4UZ * 1024 * 1024;
  static constexpr std::size_t kMaxFiles = 1000;
  static constexpr std::size_t kMaxCertificates = 1000;
  static constexpr std::size_t kMaxCrls = 200;

  std::vector<crypto::Certificate> certificates;
  std::vector<crypto::Crl> crls;
  std::vector<Bytes> tcb_infos;      // {"tcbInfo":{…},"signature":"…"}, the bytes as served
  std::vector<Bytes> qe_identities;  // {"enclaveIdentity":{…},"signature":"…"}, likewise

  static Collateral recognise(std::span<const Bytes> files);
  void add(ByteView file);
};

}  // namespace gateway::attestation
