// A vendor like Intel of our own, for tests, fuzzers and benchmarks: PCK chains, quotes of every version and TEE, TCB
// info, QE identities and revocation lists, right or wrong in any one respect, under a root that nobody trusts.
//
// It stands below the checks: everything that it makes goes through the real parsers and the real authenticator. Never
// linked into a program that is installed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attestation/dcap/authenticate.h"
#include "attestation/dcap/pck.h"
#include "attestation/testing/fake_vendor.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace gateway::attestation::testing {

enum class IntelCertificate : std::uint8_t { kRootCa, kPckCa, kPck, kTcbSigning };
inline constexpr std::size_t kIntelCertificates = 4;

struct IntelOptions {
  Time now = kNow;
  bool processor_ca = false;  // otherwise the Platform CA
  dcap::PckExtensions pck;    // FakeIntel::pck_fields() unless changed here
  // Changes one certificate before it is issued.
  std::function<void(IntelCertificate which, crypto::CertificateSpec& spec)> alter = {};
  // Replaces bytes of one certificate (the same number) and signs it again with its issuer's key.
  std::function<void(IntelCertificate which, Bytes& tbs)> patch = {};
  crypto::KeyType pck_key = crypto::KeyType::kP256;
};

// What a quote says. Everything is written as it stands, right or wrong; build() signs it.
struct QuoteParts {
  std::uint16_t version = 4;
  std::uint16_t key_type = 2;
  std::uint32_t tee_type = 0x81;
  Bytes svns = Bytes(4);  // QE SVN and PCE SVN (v3), reserved (v4, v5)
  Bytes qe_vendor_id;
  Bytes user_data = Bytes(20);
  std::optional<std::uint16_t> body_type;  // v5
  std::optional<std::uint32_t> body_size;  // v5; absent: the body's
  Bytes body;
  Bytes qe_report;  // its report data is set by build()
  Bytes qe_auth_data = Bytes(32, 0x5a);
  std::uint16_t outer_certification_type = 6;  // v4, v5
  std::uint16_t certification_type = 5;
  Bytes certification_data;
  std::int64_t signature_size_error = 0;       // added to the declared length of the signature data
  Bytes after_parts;                           // bytes within the signature data after its parts
  Bytes after_inner_parts;                     // likewise within certification data of type 6
  std::function<void(Bytes&)> alter_qe = {};   // the QE's report, after its report data was set and before it is signed
  std::function<void(Bytes&)> alter_key = {};  // the attestation key, before the QE's report binds it
};

struct FakeLevel {  // of TCB info
  ByteArray<16> sgx{};
  std::uint16_t pce_svn = 0;
  ByteArray<16> tdx{};
  std::string status = "UpToDate";
  std::vector<std::string> advisories{};
};

struct FakeIsvLevel {
  std::uint16_t isv_svn = 0;
  std::string status = "UpToDate";
  std::vector<std::string> advisories{};
};

struct FakeModule {
  std::string id = "TDX_01";
  std::string mr_signer = std::string(96, '0');
  std::string attributes = std::string(16, '0');
  std::string attributes_mask = std::string(16, 'F');
  std::vector<FakeIsvLevel> levels{};
};

struct FakeTcbInfo {
  unsigned version = 3;
  std::string id = "TDX";
  TimeWindow window;
  std::string fmspc = "00806F050000";
  std::string pce_id = "0000";
  std::uint32_t evaluation_number = 17;
  FakeModule module{};
  std::vector<FakeModule> identities{};
  std::vector<FakeLevel> levels{};
};

struct FakeQeIdentity {
  std::string id = "TD_QE";
  TimeWindow window;
  std::uint32_t evaluation_number = 17;
  std::string misc_select = "00000000", misc_select_mask = "FFFFFFFF";
  std::string attributes = "11000000000000000000000000000000";
  std::string attributes_mask = "FBFFFFFFFFFFFFFF0000000000000000";
  std::string mr_signer = std::string(64, 'D');
  std::uint16_t isv_prod_id = 2;
  std::vector<FakeIsvLevel> levels{};
};

// The inner objects, compact, as Intel serves them.
std::string to_json(const FakeTcbInfo& info);
std::string to_json(const FakeQeIdentity& identity);

Bytes encode_pck_extensions(const dcap::PckExtensions& pck);

class FakeIntel {
 public:
  explicit FakeIntel(const IntelOptions& options = {});

  static dcap::PckExtensions pck_fields();  // FMSPC 00806f050000, component i has SVN 10 + i, PCE SVN 11
  const crypto::Certificate& certificate(IntelCertificate which) const;
  const crypto::PrivateKey& key(IntelCertificate which) const;
  const crypto::Certificate& root() const { return certificate(IntelCertificate::kRootCa); }
  std::string pck_chain() const;  // PEM: leaf, intermediate, root

  // Good parts: a production enclave (mr_enclave 0xa0…, report data 0x11…), a production TD (mr_td 0xb0…, module
  // version 1 with SVN 5, report data 0x11…). `report15`: a TDX 1.5 report, in version 5 alone.
  QuoteParts sgx_parts(std::uint16_t version) const;
  QuoteParts tdx_parts(std::uint16_t version, bool report15 = false) const;
  Bytes build(QuoteParts parts) const;
  Bytes sgx_quote(std::uint16_t version = 3) const { return build(sgx_parts(version)); }
  Bytes tdx_quote(std::uint16_t version = 4, bool report15 = false) const {
    return build(tdx_parts(version, report15));
  }

  // Good documents: levels that the platform above matches with "UpToDate", and lower ones.
  FakeTcbInfo tcb_info(dcap::Tee tee) const;
  FakeQeIdentity qe_identity(dcap::Tee tee) const;
  // {"tcbInfo":…,"signature":"…"}: signed by the TCB signing key unless another is given.
  Bytes sign_tcb_info(std::string_view inner, const crypto::PrivateKey* by = nullptr) const;
  Bytes sign_qe_identity(std::string_view inner, const crypto::PrivateKey* by = nullptr) const;
  crypto::Crl root_crl(const std::vector<crypto::Certificate>& revoked = {}, Duration age = std::chrono::days(1)) const;
  crypto::Crl pck_crl(const std::vector<crypto::Certificate>& revoked = {}, Duration age = std::chrono::days(1)) const;
  Collateral collateral() const;  // everything that quotes of both TEEs need, nothing revoked

  // Through the real parser and authenticator, this vendor's root standing in for Intel's.
  Result<Claims> authenticate(ByteView quote, const Collateral& collateral = {}, Time at = kNow,
                              dcap::Cache* cache = nullptr) const;

 private:
  IntelOptions options_;
  std::vector<crypto::PrivateKey> keys_;
  std::vector<crypto::Certificate> certificates_;
  crypto::PrivateKey attestation_key_;
};

// Made once a program.
const FakeIntel& fake_intel();

}  // namespace gateway::attestation::testing
