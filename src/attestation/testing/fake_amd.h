// AMD's certificate authority and security processor of our own, for tests, fuzzers and benchmarks: reports, chains and
// revocation lists of AMD's exact format, right or wrong in any one respect, under roots that nobody trusts.
//
// It stands below the checks: everything that it makes goes through the real parsers and the real authenticator. Never
// linked into a program that is installed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attestation/snp/authenticate.h"
#include "attestation/snp/chain.h"
#include "attestation/testing/fake_vendor.h"

namespace gateway::attestation::testing {

// Everything that a certificate says, written as it stands.
struct AmdCertificate {
  std::string subject, issuer;  // common names
  std::uint32_t serial = 0;
  TimeWindow validity;
  Bytes spki;
  struct Extension {
    std::string oid;
    Bytes value;
    bool critical = false;
  };
  std::vector<Extension> extensions;

  Bytes& extension(std::string_view oid);  // of one that is there
  void drop(std::string_view oid);
};

enum class AmdKey : std::uint8_t { kArk, kAsk, kAsvk, kStranger };
enum class AmdPadding : std::uint8_t { kPss, kPkcs1 };
enum class TableOrder : std::uint8_t { kText, kMixed };  // how GUIDs are written

struct AmdList {
  std::string issuer = "ARK-Milan";
  AmdKey signer = AmdKey::kArk;
  TimeWindow validity;
  std::vector<std::uint32_t> revoked = {};
};

struct AmdReport {
  std::uint32_t version = 3;
  SnpProduct product = SnpProduct::kMilan;
  SnpSigningKey key = SnpSigningKey::kVcek;
  std::uint64_t tcb = 0;                          // all four; 0: what fake_tcb() says
  std::function<void(Bytes& report)> alter = {};  // before it is signed: 0x2a0 bytes
};

struct TableEntry {
  std::string guid;
  Bytes content;
};

class FakeAmd {
 public:
  FakeAmd();

  const snp::VendorRoots& roots() const { return *roots_; }

  // The endorsement of report(options), after a change.
  crypto::Certificate endorsement(const AmdReport& options = {},
                                  const std::function<void(AmdCertificate&)>& alter = {}) const;
  // As it is before it is signed, and signed by whom one likes.
  AmdCertificate endorsement_fields(const AmdReport& options) const;
  AmdCertificate authority_fields(const std::string& name, const std::string& issuer, AmdKey key) const;
  crypto::Certificate issue(const AmdCertificate& fields, AmdKey signer, AmdPadding padding = AmdPadding::kPss) const;
  crypto::Crl list(const AmdList& fields) const;

  Bytes report(const AmdReport& options = {}) const;
  Bytes sign(Bytes report, SnpSigningKey key) const;  // 0x2a0 bytes to 0x4a0
  // Azure's form of a report over this runtime data.
  Bytes hcl(const AmdReport& options, std::string_view runtime_data) const;

  Collateral collateral(const AmdReport& options = {}) const;  // its endorsement alone

  // Through the real parser and authenticator, these roots standing in for AMD's.
  Result<Claims> authenticate(ByteView evidence, const Collateral& collateral, Time at = kNow,
                              snp::ChainCache* cache = nullptr, CheckList* checks = nullptr) const;

  struct Keys;

 private:
  std::shared_ptr<const Keys> keys_;
  std::unique_ptr<snp::VendorRoots> roots_;
};

// Made once a program: three RSA keys take a while. They have 2048 bits: the roots are pinned, sizes are not judged.
const FakeAmd& fake_amd();

std::uint64_t fake_tcb(SnpProduct product);
ByteArray<64> fake_chip_id(SnpProduct product);

inline constexpr const char* kVcekGuid = "63da758de6644564adc5f4b93be8accd";
inline constexpr const char* kVlekGuid = "a8074bc2a25a483eaae639c045a0b8a1";
inline constexpr const char* kAskGuid = "4ab7b379bbac4fe4a02f05aef327c782";
inline constexpr const char* kArkGuid = "c0b406a4a803495297433fb6014cd0ae";
inline constexpr const char* kCrlGuid = "92f81bc358114d3d97ffd19f88dc67ea";
// The certificate table: entries, terminator, contents one after another.
Bytes certificate_table(const std::vector<TableEntry>& entries, TableOrder order = TableOrder::kText);

}  // namespace gateway::attestation::testing
