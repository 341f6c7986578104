// Endorsements that a relying party holds beside evidence: each file recognised by its content, never by its name.
//
// Input:  untrusted files. DER, PEM, hex or base64 of certificates and CRLs, in PEM in any mix; Intel's TCB info and QE
//         identity JSON as Intel serves them; JSON that holds such things in its strings (a whole collateral set with
//         tcb_info and tcb_info_signature apart, a certificate cache's answer). What is none of these is ignored: a
//         folder may hold other things.
// Output: what the files say, nothing more: every signature, chain and date is judged where it is used. JSON that
// begins
//         as Intel's does is kept even when it is broken, so that its reader can say what is wrong with it.
// Bounds: kMaxFile a file, kMaxFiles files, kMaxKept bytes and the counts below in all; what is beyond is ignored.
#pragma once

#include <span>
#include <string_view>
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
  static constexpr std::size_t kMaxDocuments = 1000;  // TCB infos, and likewise QE identities
  static constexpr std::size_t kMaxKept = 64UZ * 1024 * 1024;

  std::vector<crypto::Certificate> certificates;  // each once
  std::vector<crypto::Crl> crls;                  // each once
  std::vector<Bytes> tcb_infos;                   // {"tcbInfo":{…},"signature":"…"}, the bytes as served
  std::vector<Bytes> qe_identities;               // {"enclaveIdentity":{…},"signature":"…"}, likewise

  static Collateral recognise(std::span<const Bytes> files);
  void add(ByteView file);
  bool empty() const { return certificates.empty() && crls.empty() && tcb_infos.empty() && qe_identities.empty(); }

  std::size_t kept = 0;  // bytes of all of the above
};

}  // namespace gateway::attestation
