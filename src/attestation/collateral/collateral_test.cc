#include "attestation/collateral/collateral.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>

#include "codec/json.h"
#include "codec/pem.h"
#include "crypto/crl_for_test.h"
#include "crypto/vectors_for_test.h"

namespace gateway::attestation {
namespace {

using crypto::Certificate;

const TimeWindow kValid{from_rfc3339("2026-01-01T00:00:00Z").value(), from_rfc3339("2027-01-01T00:00:00Z").value()};

struct Issued {
  Issued()
      : key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        certificate(crypto::issue_certificate({.subject_common_name = "root",
                                               .issuer_common_name = "root",
                                               .subject_key = key.public_key(),
                                               .validity = kValid,
                                               .is_ca = true},
                                              key)
                        .value()),
        crl(crypto::CrlParts::of(certificate, key, kValid).encode()) {}
  crypto::PrivateKey key;
  Certificate certificate;
  Bytes crl;
};
const Issued& issued() {
  static const Issued made;
  return made;
}

std::string certificate_pem() { return issued().certificate.to_pem(); }
std::string crl_pem() { return codec::write_pem("X509 CRL", issued().crl); }

// "certificates/CRLs/TCB infos/QE identities"
std::string counts(const Collateral& found) {
  return std::to_string(found.certificates.size()) + "/" + std::to_string(found.crls.size()) + "/" +
         std::to_string(found.tcb_infos.size()) + "/" + std::to_string(found.qe_identities.size());
}
Collateral of(std::string_view file) {
  Collateral found;
  found.add(as_bytes(file));
  return found;
}
std::string counts(std::string_view file) { return counts(of(file)); }

const std::string kTcbInfo = R"({"tcbInfo":{"id":"TDX","version":3},"signature":"0a0b"})";
const std::string kIdentity = R"({"enclaveIdentity":{"id":"TD_QE","version":2},"signature":"0c0d"})";

TEST(Collateral, RecognisesCertificatesAndListsInEveryForm) {
  EXPECT_EQ(counts(as_text(issued().certificate.der())), "1/0/0/0");
  EXPECT_EQ(counts(as_text(issued().crl)), "0/1/0/0");
  EXPECT_EQ(counts(certificate_pem()), "1/0/0/0");
  EXPECT_EQ(counts(crl_pem()), "0/1/0/0");
  EXPECT_EQ(counts("a comment\n" + crl_pem() + "\n" + certificate_pem()), "1/1/0/0");
  EXPECT_EQ(counts(to_hex(issued().crl) + "\n"), "0/1/0/0");
  EXPECT_EQ(counts(to_base64(issued().crl)), "0/1/0/0");
  EXPECT_EQ(counts(to_base64(issued().certificate.der())), "1/0/0/0");
  EXPECT_EQ(of(crl_pem()).crls[0].der(), issued().crl);
  EXPECT_EQ(of(certificate_pem()).certificates[0].der(), issued().certificate.der());
}

TEST(Collateral, PassesOverOtherBlocksOfPem) {
  EXPECT_EQ(counts(codec::write_pem("PUBLIC KEY", issued().certificate.der()) + certificate_pem()), "1/0/0/0");
  EXPECT_EQ(counts(codec::write_pem("X509 CRL", issued().certificate.der())), "0/0/0/0");
  EXPECT_EQ(counts(codec::write_pem("CERTIFICATE", issued().crl)), "0/0/0/0");
}

TEST(Collateral, KeepsEachCertificateAndListOnce) {
  EXPECT_EQ(counts(certificate_pem() + crl_pem() + certificate_pem() + crl_pem()), "1/1/0/0");
}

TEST(Collateral, RecognisesIntelsJsonAndKeepsItsBytes) {
  EXPECT_EQ(counts(kTcbInfo), "0/0/1/0");
  EXPECT_EQ(counts(kIdentity), "0/0/0/1");
  EXPECT_EQ(of("\n" + kTcbInfo + "\n").tcb_infos[0], to_bytes(kTcbInfo));
  const std::string pretty = codec::write_json_pretty(codec::parse_json(kIdentity, {}).value());
  EXPECT_EQ(to_bytes(pretty.substr(0, pretty.size() - 1)), of(pretty).qe_identities[0]);
  EXPECT_EQ(counts(R"({"signature":"00","tcbInfo":{}})"), "0/0/1/0");
  EXPECT_EQ(counts(R"({"tcbInfo":{"id":"SGX"},"SIGNATURE":"00"})"), "0/0/1/0");
}

TEST(Collateral, KeepsIntelsJsonThatIsBrokenForItsReaderToRefuse) {
  EXPECT_EQ(counts(R"({ "tcbInfo" : {"version": 3, "version": 2}})"), "0/0/1/0");
  EXPECT_EQ(counts(R"({"enclaveIdentity":)"), "0/0/0/1");
  EXPECT_EQ(counts(R"({"tcbInfoo":)"), "0/0/0/0");
  EXPECT_EQ(counts(R"({"other":)"), "0/0/0/0");
  EXPECT_EQ(counts("{"), "0/0/0/0");
}

TEST(Collateral, TakesAWholeSetApart) {
  const boost::json::object set{{"pck_crl_issuer_chain", certificate_pem()},
                                {"root_ca_crl", to_hex(issued().crl)},
                                {"tcb_info_issuer_chain", certificate_pem()},
                                {"tcb_info", R"({"id":"TDX","version":3})"},
                                {"tcb_info_signature", "0a0b"},
                                {"qe_identity", R"({"id":"TD_QE","version":2})"},
                                {"qe_identity_signature", "0c0d"}};
  const Collateral found = of(codec::write_json(set));
  EXPECT_EQ(counts(found), "1/1/1/1");
  EXPECT_EQ(found.tcb_infos[0], to_bytes(kTcbInfo));
  EXPECT_EQ(found.qe_identities[0], to_bytes(kIdentity));
  const boost::json::object nested{{"collateral", set}};
  EXPECT_EQ(counts(codec::write_json(nested)), "1/1/1/1");
}

TEST(Collateral, JoinsOnlyAnObjectAndAHexSignature) {
  const auto joined = [](const char* body, const char* signature) {
    return counts(codec::write_json(boost::json::object{{"tcb_info", body}, {"tcb_info_signature", signature}}));
  };
  EXPECT_EQ(joined("{}", "00"), "0/0/1/0");
  EXPECT_EQ(joined("{}", R"(00","x":")"), "0/0/0/0");
  EXPECT_EQ(joined(R"({},"tcbInfo":{})", "00"), "0/0/0/0");
  EXPECT_EQ(joined("[]", "00"), "0/0/0/0");
  EXPECT_EQ(counts(R"({"tcb_info":"{}"})"), "0/0/0/0");
  EXPECT_EQ(counts(R"({"tcb_info":"{}","tcb_info_signature":1})"), "0/0/0/0");
  EXPECT_EQ(counts(R"({"tcb_info":1,"tcb_info_signature":"00"})"), "0/0/0/0");
}

TEST(Collateral, ReadsWhatStringsAndInnerObjectsOfJsonHold) {
  const boost::json::object answer{{"vcekCert", certificate_pem()}, {"tcbm", "0a"}, {"list", {crl_pem(), 1, nullptr}}};
  EXPECT_EQ(counts(codec::write_json(answer)), "1/1/0/0");
  const boost::json::object inner{{"tcb_info", kTcbInfo}, {"qe", codec::parse_json(kIdentity, {}).value()}};
  const Collateral found = of(codec::write_json(inner));
  EXPECT_EQ(counts(found), "0/0/1/1");
  EXPECT_EQ(found.tcb_infos[0], to_bytes(kTcbInfo));
  EXPECT_EQ(found.qe_identities[0], to_bytes(kIdentity));
}

TEST(Collateral, IgnoresWhatItIsNot) {
  for (const std::string_view other : {"", " ", "hello", "30820000", "[1,2]", "{}", "true", "\xff\xfe", "MIIB"}) {
    EXPECT_EQ(counts(other), "0/0/0/0") << other;
  }
  EXPECT_EQ(counts("-----BEGIN CERTIFICATE-----\n"), "0/0/0/0");
  EXPECT_TRUE(of("").empty());
  EXPECT_FALSE(of(kTcbInfo).empty());
  EXPECT_FALSE(of(kIdentity).empty());
  EXPECT_FALSE(of(certificate_pem()).empty());
  EXPECT_FALSE(of(crl_pem()).empty());
}

TEST(Collateral, IgnoresWhatIsBeyondItsLimits) {
  std::string large = certificate_pem();
  large.resize(Collateral::kMaxFile, ' ');
  EXPECT_EQ(counts(large), "1/0/0/0");
  EXPECT_EQ(counts(large + " "), "0/0/0/0");
  std::vector<Bytes> files(Collateral::kMaxFiles, to_bytes("x"));
  files.push_back(to_bytes(kTcbInfo));
  EXPECT_EQ(counts(Collateral::recognise(files)), "0/0/0/0");
  files.assign(Collateral::kMaxFiles, to_bytes(kTcbInfo));
  EXPECT_EQ(counts(Collateral::recognise(files)), "0/0/1000/0");
  Collateral full = Collateral::recognise(files);
  full.add(as_bytes(kTcbInfo));
  EXPECT_EQ(counts(full), "0/0/1000/0");
  std::string nested = kTcbInfo;
  for (int i = 0; i < 4; ++i) nested = codec::write_json(boost::json::array{nested});
  EXPECT_EQ(counts(nested), "0/0/0/0");
  EXPECT_EQ(counts(std::string(33, '[') + "\"\"" + std::string(33, ']')), "0/0/0/0");
}

TEST(Collateral, KeepsNoMoreThanItsLimitsInAll) {
  Collateral found;
  const std::string filler = R"({"tcbInfo":{},"signature":")" + std::string(3'999'000, '0') + "\"}";
  for (int i = 0; i < 20; ++i) found.add(as_bytes(filler));
  EXPECT_LE(found.kept, Collateral::kMaxKept);
  EXPECT_EQ(found.tcb_infos.size(), Collateral::kMaxKept / filler.size());
}

TEST(Collateral, KeepsNoMoreCertificatesAndListsThanItsLimits) {
  // Each differs in its last byte or two: a signature's, which is not checked here.
  const auto variants = [](std::string_view label, const Bytes& bytes, std::size_t count) {
    std::string pem;
    for (std::size_t i = 0; i < count; ++i) {
      Bytes one = bytes;
      one[one.size() - 1] = static_cast<std::uint8_t>(i);
      one[one.size() - 2] = static_cast<std::uint8_t>(i >> 8U);
      pem += codec::write_pem(label, one);
    }
    return pem;
  };
  EXPECT_EQ(counts(variants("CERTIFICATE", issued().certificate.der(), Collateral::kMaxCertificates + 1)),
            "1000/0/0/0");
  EXPECT_EQ(counts(variants("X509 CRL", issued().crl, Collateral::kMaxCrls + 1)), "0/200/0/0");
  EXPECT_EQ(counts(variants("CERTIFICATE", issued().certificate.der(), 1201)), "0/0/0/0");  // a PEM bomb
}

TEST(Collateral, HostileFilesCostLittle) {
  std::string blocks;
  while (blocks.size() < Collateral::kMaxFile - 100) blocks += "-----BEGIN A-----\n-----END A-----\n";
  std::string strings = "[";
  while (strings.size() < Collateral::kMaxFile - 100) strings += "\"" + std::string(40, 'M') + "\",";
  strings += "0]";
  const std::string deep(Collateral::kMaxFile, '{');
  const std::string hex(Collateral::kMaxFile, '3');
  for (const auto& file : {blocks, strings, deep, hex, std::string(Collateral::kMaxFile, '0')}) {
    EXPECT_EQ(counts(file), "0/0/0/0");
  }
}

std::string vector_counts(const char* path) { return counts(crypto::read_vector(path)); }

TEST(CollateralVectors, TakesWholeSetsApart) {
  GATEWAY_NEEDS_VECTORS();
  EXPECT_EQ(vector_counts("tdx/collateral/full_20a06f000000_2025-09-02_eval17_b6cafa8c.json"), "3/2/1/1");
  EXPECT_EQ(vector_counts("tdx/collateral/full_b0c06f000000_2025-03-13_eval17_7ab237b9.json"), "2/0/1/1");
  EXPECT_EQ(vector_counts("sgx/collateral/full_b0c06f000000_2024-09-02_eval16_cd465bbb.json"), "3/2/1/1");
  EXPECT_EQ(vector_counts("snp/azure_aci/host_amd_certificate_1.json"), "3/0/0/0");
}

TEST(CollateralVectors, RecognisesEverythingInTheFolders) {
  GATEWAY_NEEDS_VECTORS();
  for (const char* folder : {"sgx/collateral", "tdx/collateral", "sgx/certs", "sgx/crl", "snp/certs", "anchors",
                             "sgx/intel_qvl_sample", "tdx/intel_qvl_sample"}) {
    const auto root = std::filesystem::path(crypto::vectors_folder()) / folder;
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (entry.path().filename() == "quote.dat") continue;
      EXPECT_FALSE(of(crypto::read_vector(entry.path())).empty()) << entry.path();
    }
  }
}

TEST(CollateralVectors, LeavesBrokenTcbInfoToItsReader) {
  GATEWAY_NEEDS_VECTORS();
  const auto root = std::filesystem::path(crypto::vectors_folder()) / "sgx/collateral_malformed";
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    const std::string name = entry.path().filename();
    const Collateral found = of(crypto::read_vector(entry.path()));
    if (name.find("tcbInfo") == std::string::npos) continue;
    EXPECT_EQ(found.tcb_infos.size(), 1U) << name;
  }
}

}  // namespace
}  // namespace gateway::attestation
