// What a caller's collateral says to DCAP: parsed once, each signature verified when it is first needed and remembered
// with the certificate that it verified under. Times are judged on every use.
//
// Input:  a Collateral, whose parts are untrusted files. What does not parse or does not apply is passed over.
// Output: TCB info and QE identity whose signature, chain to the caller's root, revocation and dates hold.
// Bounds: those of Collateral; kMaxSigners TCB signing certificates. Safe for concurrent use; no lock.
// Spec:   Intel SGX DCAP QVL, "Verify TCB Info", "Verify QE Identity", "Verify CRLs"; RFC 5280 §6.3. Internal to dcap/.
#pragma once

#include <atomic>
#include <deque>
#include <memory>

#include "attestation/collateral/collateral.h"
#include "attestation/dcap/pck.h"
#include "attestation/dcap/qe_identity.h"
#include "attestation/dcap/tcb_info.h"

namespace gateway::attestation::dcap {

inline constexpr std::size_t kMaxSigners = 64;  // Intel has had two in eight years; test PKIs use the name too

// The certificate under which something verified, so that it need not be verified under that one again.
class SignatureMemo {
 public:
  SignatureMemo() = default;
  SignatureMemo(const SignatureMemo&) = delete;
  SignatureMemo& operator=(const SignatureMemo&) = delete;
  ~SignatureMemo() { delete issuer_.load(); }

  template <class Verify>
  bool verified(const Bytes& issuer_der, Verify verify) const {
    const Bytes* known = issuer_.load(std::memory_order_acquire);
    if (known != nullptr && *known == issuer_der) return true;
    if (!verify()) return false;
    auto made = std::make_unique<const Bytes>(issuer_der);
    const Bytes* none = nullptr;
    if (issuer_.compare_exchange_strong(none, made.get(), std::memory_order_acq_rel)) {
      [[maybe_unused]] const Bytes* kept = made.release();  // the memo owns it now
    }
    return true;
  }

 private:
  mutable std::atomic<const Bytes*> issuer_{nullptr};
};

// Whom this call trusts, and when.
struct Circumstances {
  const crypto::Certificate& root;
  Time at;
};

struct CrlAnswer {
  bool found = false;  // a list that is authentic and current
  bool revoked = false;
  TimeWindow window;  // of the newest such list
};

template <class Document>
struct Chosen {
  const Document* document = nullptr;
  TimeWindow window;      // of the document and of the certificates that vouch for it
  std::string otherwise;  // why none applies, for people
};

class Endorsements {
 public:
  explicit Endorsements(const Collateral& source);  // borrows it
  static std::shared_ptr<const Endorsements> copy_of(const Collateral& source);

  // Whether every byte of it is what this was made from.
  bool made_from(const Collateral& other) const;

  CrlAnswer ask_crls(const crypto::Certificate& subject, const crypto::Certificate& issuer, Time at) const;
  // The one that applies with the highest evaluation number, the latest issue date among equals.
  Chosen<TcbInfo> tcb_info_for(Tee tee, const PckExtensions& pck, const Circumstances& now) const;
  Chosen<QeIdentity> qe_identity_for(Tee tee, const Circumstances& now) const;

 private:
  template <class Document>
  struct Remembered {
    explicit Remembered(Document made) : document(std::move(made)) {}
    Document document;
    SignatureMemo memo;
  };
  explicit Endorsements(std::unique_ptr<const Collateral> owned);
  void parse();
  std::vector<const Remembered<crypto::Certificate>*> usable_signers(const Circumstances& now) const;
  template <class Document, class Applies>
  Chosen<Document> choose(const std::deque<Remembered<Document>>& documents, std::size_t given, Applies applies,
                          const Circumstances& now) const;

  std::unique_ptr<const Collateral> owned_;
  const Collateral& source_;
  std::deque<Remembered<crypto::Certificate>> signers_;
  std::deque<Remembered<crypto::Crl>> crls_;
  std::deque<Remembered<TcbInfo>> tcb_infos_;
  std::deque<Remembered<QeIdentity>> qe_identities_;
};

}  // namespace gateway::attestation::dcap
