#include "attestation/dcap/endorsements.h"

#include <algorithm>

namespace gateway::attestation::dcap {
namespace {

constexpr std::string_view kSignerName = "Intel SGX TCB Signing";

ByteView bytes_of(const Bytes& bytes) { return bytes; }
ByteView bytes_of(const crypto::Certificate& certificate) { return certificate.der(); }
ByteView bytes_of(const crypto::Crl& crl) { return crl.der(); }

// Parts that are shared are the same object; others are compared byte by byte.
template <class Part>
bool same(const std::vector<Part>& a, const std::vector<Part>& b) {
  return std::ranges::equal(a, b, [](const Part& x, const Part& y) {
    return bytes_of(x).data() == bytes_of(y).data() || equal(bytes_of(x), bytes_of(y));
  });
}

bool may_sign_documents(const crypto::Certificate& certificate) {
  const auto usage = certificate.key_usage();
  return usage.present && usage.digital_signature && !usage.key_cert_sign && !certificate.is_ca() &&
         certificate.public_key().type() == crypto::KeyType::kP256;
}

}  // namespace

Endorsements::Endorsements(const Collateral& source) : source_(source) { parse(); }

Endorsements::Endorsements(std::unique_ptr<const Collateral> owned) : owned_(std::move(owned)), source_(*owned_) {
  parse();
}

std::shared_ptr<const Endorsements> Endorsements::copy_of(const Collateral& source) {
  return std::shared_ptr<const Endorsements>(new Endorsements(std::make_unique<const Collateral>(source)));
}

void Endorsements::parse() {
  for (const crypto::Certificate& certificate : source_.certificates) {
    if (signers_.size() == kMaxSigners) break;
    if (certificate.subject_common_name() == kSignerName) signers_.emplace_back(certificate);
  }
  for (const crypto::Crl& crl : source_.crls) crls_.emplace_back(crl);
  for (const Bytes& file : source_.tcb_infos) {
    if (auto info = parse_tcb_info(file)) tcb_infos_.emplace_back(*std::move(info));
  }
  for (const Bytes& file : source_.qe_identities) {
    if (auto identity = parse_qe_identity(file)) qe_identities_.emplace_back(*std::move(identity));
  }
}

bool Endorsements::made_from(const Collateral& other) const {
  return same(source_.certificates, other.certificates) && same(source_.crls, other.crls) &&
         same(source_.tcb_infos, other.tcb_infos) && same(source_.qe_identities, other.qe_identities);
}

CrlAnswer Endorsements::ask_crls(const crypto::Certificate& subject, const crypto::Certificate& issuer, Time at) const {
  CrlAnswer answer;
  for (const auto& [crl, memo] : crls_) {
    const TimeWindow window = crl.validity();
    if (!crl.issued_by_name(issuer) || !window.contains(at)) continue;
    if (!memo.verified(issuer.der(), [&] { return crl.verify_signed_by(issuer).has_value(); })) continue;
    if (!answer.found || window.not_before > answer.window.not_before) answer.window = window;
    answer.found = true;
    answer.revoked = answer.revoked || crl.revokes(subject);
  }
  return answer;
}

std::vector<const Endorsements::Remembered<crypto::Certificate>*> Endorsements::usable_signers(
    const Circumstances& now) const {
  std::vector<const Remembered<crypto::Certificate>*> usable;
  for (const auto& signer : signers_) {
    const crypto::Certificate& certificate = signer.document;
    if (!certificate.validity().contains(now.at) || !now.root.validity().contains(now.at)) continue;
    if (!may_sign_documents(certificate)) continue;
    const bool vouched_for = signer.memo.verified(now.root.der(), [&] {
      return crypto::validate_path(certificate, {}, now.root, {.at = now.at, .max_length = 2}).has_value();
    });
    if (vouched_for && !ask_crls(certificate, now.root, now.at).revoked) usable.push_back(&signer);
  }
  return usable;
}

template <class Document, class Applies>
Chosen<Document> Endorsements::choose(const std::deque<Remembered<Document>>& documents, std::size_t given,
                                      Applies applies, const Circumstances& now) const {
  std::vector<const Remembered<Document>*> candidates;
  std::size_t elsewhere = 0, outside = 0;
  for (const auto& remembered : documents) {
    if (!applies(remembered.document)) ++elsewhere;
    else if (!remembered.document.window.contains(now.at)) ++outside;
    else candidates.push_back(&remembered);
  }
  std::ranges::sort(candidates, [](const auto* a, const auto* b) {
    if (a->document.evaluation_number != b->document.evaluation_number) {
      return a->document.evaluation_number > b->document.evaluation_number;
    }
    return a->document.window.not_before > b->document.window.not_before;
  });
  const auto signers = candidates.empty() ? std::vector<const Remembered<crypto::Certificate>*>() : usable_signers(now);
  for (const auto* candidate : candidates) {
    for (const auto* signer : signers) {
      const crypto::Certificate& certificate = signer->document;
      const bool good = candidate->memo.verified(certificate.der(), [&] {
        return verify_signature(candidate->document.signed_body, certificate.public_key()).has_value();
      });
      if (!good) continue;
      TimeWindow window = candidate->document.window;
      window.intersect(certificate.validity());
      return {.document = &candidate->document, .window = window, .otherwise = {}};
    }
  }
  std::string why = "none of " + std::to_string(given) + " given";
  if (given != documents.size()) why += ", " + std::to_string(given - documents.size()) + " malformed";
  if (elsewhere != 0) why += ", " + std::to_string(elsewhere) + " of another platform";
  if (outside != 0) why += ", " + std::to_string(outside) + " not current at the given time";
  if (!candidates.empty()) {
    why += ", " + std::to_string(candidates.size()) +
           (signers.empty() ? " without a usable TCB signing certificate" : " not signed by Intel");
  }
  return {.document = nullptr, .window = {}, .otherwise = std::move(why)};
}

Chosen<TcbInfo> Endorsements::tcb_info_for(Tee tee, const PckExtensions& pck, const Circumstances& now) const {
  const auto applies = [&](const TcbInfo& info) {
    return info.tee == tee && info.fmspc == pck.fmspc && info.pce_id == pck.pce_id;
  };
  return choose(tcb_infos_, source_.tcb_infos.size(), applies, now);
}

Chosen<QeIdentity> Endorsements::qe_identity_for(Tee tee, const Circumstances& now) const {
  const QeKind kind = tee == Tee::kTdx ? QeKind::kTdQe : QeKind::kQe;
  return choose(
      qe_identities_, source_.qe_identities.size(), [&](const QeIdentity& identity) { return identity.kind == kind; },
      now);
}

}  // namespace gateway::attestation::dcap
