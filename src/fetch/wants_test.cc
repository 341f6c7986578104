#include "fetch/wants.h"

#include <gmock/gmock.h>

namespace gateway::fetch {
namespace {

using attestation::SnpProduct;
using attestation::SnpSigningKey;
using ::testing::ElementsAre;

template <class Needs>
std::vector<std::string> urls(const Needs& needs, const Services& services = {}) {
  std::vector<std::string> out;
  const auto wants = wants_of(needs, services).value();
  for (const Want& want : wants) out.push_back(want.url.to_string());
  return out;
}

ByteArray<64> chip_id(std::size_t bytes) {
  ByteArray<64> id{};
  std::fill_n(id.begin(), bytes, std::uint8_t{0xab});
  return id;
}

SnpNeeds milan() {
  return {.product = SnpProduct::kMilan,
          .key = SnpSigningKey::kVcek,
          .chip_id = chip_id(64),
          .tcb = {.fmc = {}, .boot_loader = 3, .tee = 0, .snp = 20, .microcode = 209, .raw = 0}};
}

std::string chip(std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) out += "ab";
  return out;
}

TEST(Wants, AskAmdForAMilanVcek) {
  EXPECT_THAT(
      urls(milan()),
      ElementsAre("https://kdsintf.amd.com/vcek/v1/Milan/" + chip(64) + "?blSPL=03&teeSPL=00&snpSPL=20&ucodeSPL=209",
                  "https://kdsintf.amd.com/vcek/v1/Milan/cert_chain", "https://kdsintf.amd.com/vcek/v1/Milan/crl"));
}

TEST(Wants, AskAmdForATurinVcekWithItsShortChipIdAndFmc) {
  SnpNeeds needs = milan();
  needs.product = SnpProduct::kTurin;
  needs.chip_id = chip_id(8);
  needs.tcb.fmc = 1;
  EXPECT_EQ(urls(needs)[0], "https://kdsintf.amd.com/vcek/v1/Turin/" + chip(8) +
                                "?fmcSPL=01&blSPL=03&teeSPL=00&snpSPL=20&ucodeSPL=209");
}

TEST(Wants, DoNotAskAmdForAVlek) {
  SnpNeeds needs = milan();
  needs.product = SnpProduct::kGenoa;
  needs.key = SnpSigningKey::kVlek;
  EXPECT_THAT(urls(needs), ElementsAre("https://kdsintf.amd.com/vlek/v1/Genoa/cert_chain",
                                       "https://kdsintf.amd.com/vlek/v1/Genoa/crl"));
}

TEST(Wants, DoNotAskForAVcekThatIsAtHand) {
  SnpNeeds needs = milan();
  needs.vcek_at_hand = true;
  EXPECT_THAT(urls(needs), ElementsAre("https://kdsintf.amd.com/vcek/v1/Milan/cert_chain",
                                       "https://kdsintf.amd.com/vcek/v1/Milan/crl"));
}

TEST(Wants, KeepAmdsPaceAndNobodyElses) {
  Services services;
  EXPECT_EQ(wants_of(milan(), services)->front().pace, std::chrono::seconds(10));
  services.use_kds("https://kds.example/");
  EXPECT_EQ(wants_of(milan(), services)->front().pace, Duration::zero());
  EXPECT_EQ(wants_of(milan(), services)->back().url.to_string(), "https://kds.example/vcek/v1/Milan/crl");
}

DcapNeeds tdx() {
  return {.tee = attestation::dcap::Tee::kTdx, .fmspc = {{0x90, 0xc0, 0x6f, 0, 0, 0}}, .ca = "platform"};
}

TEST(Wants, AskIntelForTdx) {
  EXPECT_THAT(urls(tdx()),
              ElementsAre("https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=90c06f000000",
                          "https://api.trustedservices.intel.com/tdx/certification/v4/qe/identity",
                          "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                          "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"));
}

TEST(Wants, AskIntelForSgx) {
  EXPECT_THAT(
      urls(DcapNeeds{.tee = attestation::dcap::Tee::kSgx, .fmspc = {{0, 0x60, 0x6a, 0, 0, 0}}, .ca = "processor"}),
      ElementsAre("https://api.trustedservices.intel.com/sgx/certification/v4/tcb?fmspc=00606a000000",
                  "https://api.trustedservices.intel.com/sgx/certification/v4/qe/identity",
                  "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
                  "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"));
}

TEST(Wants, AskAPccsForTheRootsListToo) {
  for (const char* base :
       {"https://pccs.example:8081", "https://pccs.example:8081/", "https://pccs.example:8081/sgx/certification/v4/",
        "https://pccs.example:8081/sgx/certification/v3"}) {
    Services services;
    services.use_pccs(base);
    EXPECT_THAT(urls(tdx(), services),
                ElementsAre("https://pccs.example:8081/tdx/certification/v4/tcb?fmspc=90c06f000000",
                            "https://pccs.example:8081/tdx/certification/v4/qe/identity",
                            "https://pccs.example:8081/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                            "https://pccs.example:8081/sgx/certification/v4/rootcacrl"));
  }
}

TEST(Wants, RefuseServicesThatAreNoAddressesOrInsecure) {
  Services services;
  services.use_pccs("pccs.example");
  services.use_kds("http://kds.example");
  EXPECT_EQ(wants_of(tdx(), services).error().id(), "collateral.fetch.url");
  EXPECT_EQ(wants_of(milan(), services).error().id(), "collateral.fetch.insecure");
  services = {};
  services.root_crl = "http://certificates.example";
  EXPECT_EQ(wants_of(tdx(), services).error().id(), "collateral.fetch.insecure");
}

TEST(Wants, HaveWordsForEveryKind) {
  EXPECT_EQ(to_string(Kind::kVcek), "vcek");
  EXPECT_EQ(to_string(Kind::kAmdChain), "amd_chain");
  EXPECT_EQ(to_string(Kind::kAmdCrl), "amd_crl");
  EXPECT_EQ(to_string(Kind::kTcbInfo), "tcb_info");
  EXPECT_EQ(to_string(Kind::kQeIdentity), "qe_identity");
  EXPECT_EQ(to_string(Kind::kPckCrl), "pck_crl");
  EXPECT_EQ(to_string(Kind::kRootCrl), "root_crl");
}

}  // namespace
}  // namespace gateway::fetch
