// A vendor's certificate authority of our own, for tests, fuzzers and benchmarks: documents of Nitro's exact format,
// right or wrong in any one respect, under a root that nobody trusts.
//
// It stands below the checks: everything that it makes goes through the real parser and the real authenticator. Never
// linked into a program that is installed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attestation/nitro/authenticate.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace gateway::attestation::testing {

// 2026-05-20T12:00:00Z: when everything here happens unless a test says otherwise.
inline constexpr Time kNow{std::chrono::milliseconds(1'779'278'400'000)};

enum class Names : std::uint8_t { kAwsLike, kLocal };

// From the root (0) to the leaf (last).
inline constexpr std::size_t kRoot = 0, kIntermediate = 1, kZonal = 2, kInstance = 3, kLeaf = 4;

struct ChainOptions {
  Time now = kNow;
  Names names = Names::kAwsLike;
  crypto::KeyType leaf_key = crypto::KeyType::kP384;
  // Changes one certificate before it is issued.
  std::function<void(std::size_t depth, crypto::CertificateSpec& spec)> alter = {};
  // Replaces bytes of one certificate (the same number) and signs it again with its issuer's key: for what
  // crypto::issue_certificate rightly refuses to make, such as wrong key usages.
  std::function<void(std::size_t depth, Bytes& tbs)> patch = {};
};

// What a document says. Everything is written as it stands, right or wrong.
struct DocumentFields {
  std::string module_id;
  std::string digest;
  std::uint64_t timestamp = 0;
  std::vector<std::pair<std::uint64_t, Bytes>> pcrs;
  Bytes certificate;
  std::vector<Bytes> cabundle;
  std::optional<Bytes> public_key, user_data, nonce;
};
Bytes encode_payload(const DocumentFields& fields);
// The same map with indefinite lengths, as documents from 2025-12 on have it.
Bytes encode_payload_indefinite(const DocumentFields& fields);

class FakeVendor {
 public:
  explicit FakeVendor(const ChainOptions& options = {});

  const crypto::Certificate& root() const { return chain_.front(); }
  crypto::Sha256 root_sha256() const;
  const std::vector<crypto::Certificate>& chain() const { return chain_; }  // root … leaf

  DocumentFields fields() const;  // all good: PCR0–15 present, 0–2 set, user_data and nonce of 32 bytes
  Bytes sign(ByteView payload) const;
  Bytes document() const { return sign(encode_payload(fields())); }
  // A good document after one change of its fields.
  Bytes document(const std::function<void(DocumentFields&)>& change) const;

  // Through the real parser and authenticator, this vendor's root standing in for AWS's.
  Result<Claims> authenticate(ByteView document, Time at = kNow, nitro::ChainCache* cache = nullptr) const;
  // This root as a local one.
  nitro::Anchors as_local_root() const;

 private:
  Time now_;
  std::vector<crypto::PrivateKey> keys_;
  std::vector<crypto::Certificate> chain_;
};

// Made once a program: five key pairs cost some milliseconds.
const FakeVendor& fake_nitro();
const FakeVendor& fake_local();

Bytes pcr(std::uint8_t fill);  // 48 equal bytes

// COSE_Sign1 from its four parts, each already encoded: for envelopes that no signer makes.
Bytes envelope(ByteView protected_item, ByteView unprotected_item, ByteView payload_item, ByteView signature_item);

}  // namespace gateway::attestation::testing
