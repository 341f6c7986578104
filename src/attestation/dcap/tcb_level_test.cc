#include "attestation/dcap/tcb_level.h"

#include <gtest/gtest.h>

#include "attestation/testing/fake_intel.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::fake_intel;
using attestation::testing::FakeIntel;
using attestation::testing::FakeTcbInfo;
using attestation::testing::to_json;
using enum TcbStatus;

TcbInfo parsed(const FakeTcbInfo& info) { return parse_tcb_info(fake_intel().sign_tcb_info(to_json(info))).value(); }

class TcbLevelTest : public ::testing::Test {
 protected:
  TcbLevelTest() {
    svns_.sgx_components = FakeIntel::pck_fields().tcb_components;
    svns_.pce_svn = 11;
    svns_.qe_isv_svn = 8;
  }
  void tdx(ByteArray<16> tee_tcb_svn) { svns_.tee_tcb_svn = tee_tcb_svn; }
  TcbVerdict sgx_verdict() const { return evaluate_tcb(sgx_, nullptr, svns_); }
  TcbVerdict tdx_verdict() const { return evaluate_tcb(tdx_, nullptr, svns_); }

  TcbInfo sgx_ = parsed(fake_intel().tcb_info(Tee::kSgx));
  TcbInfo tdx_ = parsed(fake_intel().tcb_info(Tee::kTdx));
  PlatformSvns svns_;
};

TEST_F(TcbLevelTest, NeedsEveryComponentAndThePceSvn) {
  EXPECT_EQ(sgx_verdict().status, kUpToDate);
  for (std::size_t i = 1; i < 16; ++i) {
    PlatformSvns lower = svns_;
    --lower.sgx_components.at(i);
    EXPECT_EQ(evaluate_tcb(sgx_, nullptr, lower).status, kNotSupported) << i;
    lower.sgx_components.at(i) = 0xff;
    EXPECT_EQ(evaluate_tcb(sgx_, nullptr, lower).status, kUpToDate) << i;
  }
  svns_.sgx_components[0] = 9;
  EXPECT_EQ(sgx_verdict().status, kOutOfDate);
  svns_.sgx_components[0] = 7;
  EXPECT_EQ(sgx_verdict().status, kRevoked);
  svns_.sgx_components[0] = 10;
  svns_.pce_svn = 10;
  EXPECT_EQ(sgx_verdict().status, kRevoked);  // the lowest level alone needs PCE SVN 5 only
  svns_.pce_svn = 4;
  EXPECT_EQ(sgx_verdict().status, kNotSupported);
}

TEST_F(TcbLevelTest, ComparesComponentsOneByOne) {
  svns_.sgx_components.fill(0xff);
  svns_.sgx_components[7] = 0;
  EXPECT_EQ(sgx_verdict().status, kNotSupported);
}

TEST_F(TcbLevelTest, TakesTheFirstLevelThatMatches) {
  const TcbVerdict verdict = [&] {
    svns_.sgx_components[0] = 8;
    return sgx_verdict();
  }();
  EXPECT_EQ(verdict.advisories, (std::vector<std::string>{"INTEL-SA-00111", "INTEL-SA-00999"}));
  EXPECT_EQ(verdict.date, from_rfc3339("2026-01-14T00:00:00Z"));
  EXPECT_EQ(verdict.platform, kOutOfDate);
  EXPECT_FALSE(verdict.tdx_module);
}

TEST_F(TcbLevelTest, JudgesTheModuleByItsIdentityFromVersion1On) {
  tdx({{5, 1, 6}});  // the first component is below the level's 6, which counts for version 0 alone
  EXPECT_EQ(tdx_verdict().status, kUpToDate);
  EXPECT_EQ(tdx_verdict().tdx_module, kUpToDate);
  tdx({{4, 1, 6}});
  EXPECT_EQ(tdx_verdict().status, kOutOfDate);
  EXPECT_EQ(tdx_verdict().platform, kUpToDate);
  EXPECT_EQ(tdx_verdict().tdx_module, kOutOfDate);
  EXPECT_EQ(tdx_verdict().advisories, std::vector<std::string>{"INTEL-SA-00222"});
  tdx({{2, 1, 6}});
  EXPECT_EQ(tdx_verdict().status, kNotSupported);
  tdx({{9, 3, 6}});
  EXPECT_EQ(tdx_verdict().status, kUpToDate);
  tdx({{9, 2, 6}});  // no identity of this version
  EXPECT_EQ(tdx_verdict().status, kNotSupported);
  EXPECT_EQ(tdx_verdict().platform, kUpToDate);
  EXPECT_FALSE(tdx_verdict().tdx_module);
}

TEST_F(TcbLevelTest, JudgesTheModuleByItsComponentsInVersion0) {
  tdx({{6, 0, 6}});
  EXPECT_EQ(tdx_verdict().status, kUpToDate);
  EXPECT_FALSE(tdx_verdict().tdx_module);
  tdx({{5, 0, 6}});
  EXPECT_EQ(tdx_verdict().status, kRevoked);
}

TEST_F(TcbLevelTest, ComparesTheOtherTdxComponentsAlways) {
  tdx({{5, 1, 5}});
  EXPECT_EQ(tdx_verdict().platform, kOutOfDate);
  tdx({{5, 1, 3}});
  EXPECT_EQ(tdx_verdict().platform, kRevoked);
  tdx_.levels.front().tdx_components[15] = 1;
  tdx({{5, 1, 6}});
  EXPECT_EQ(tdx_verdict().platform, kOutOfDate);
}

TEST_F(TcbLevelTest, MergesAsIntelDoes) {
  const std::array all{kUpToDate,
                       kSwHardeningNeeded,
                       kConfigurationNeeded,
                       kConfigurationAndSwHardeningNeeded,
                       kOutOfDate,
                       kOutOfDateConfigurationNeeded,
                       kRevoked};
  const std::array with_out_of_date{kOutOfDate,
                                    kOutOfDate,
                                    kOutOfDateConfigurationNeeded,
                                    kOutOfDateConfigurationNeeded,
                                    kOutOfDate,
                                    kOutOfDateConfigurationNeeded,
                                    kRevoked};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(merge(all.at(i), kUpToDate), all.at(i));
    EXPECT_EQ(merge(all.at(i), kOutOfDate), with_out_of_date.at(i));
    EXPECT_EQ(merge(all.at(i), kConfigurationNeeded), with_out_of_date.at(i));
    EXPECT_EQ(merge(all.at(i), kRevoked), kRevoked);
  }
}

TEST_F(TcbLevelTest, MergesTheQe) {
  QeIdentity qe =
      parse_qe_identity(fake_intel().sign_qe_identity(to_json(fake_intel().qe_identity(Tee::kSgx)))).value();
  const auto verdict = [&](std::uint16_t svn) {
    svns_.qe_isv_svn = svn;
    return evaluate_tcb(sgx_, &qe, svns_);
  };
  EXPECT_EQ(verdict(8).status, kUpToDate);
  EXPECT_EQ(verdict(8).qe, kUpToDate);
  EXPECT_EQ(verdict(7).status, kOutOfDate);
  EXPECT_EQ(verdict(7).advisories, std::vector<std::string>{"INTEL-SA-00333"});
  EXPECT_EQ(verdict(5).status, kRevoked);
  EXPECT_EQ(verdict(4).status, kNotSupported);
  EXPECT_EQ(verdict(4).platform, kUpToDate);
  qe.levels[1].date = from_rfc3339("2020-01-01T00:00:00Z").value();
  EXPECT_EQ(verdict(7).date, from_rfc3339("2020-01-01T00:00:00Z"));  // the earliest
}

TEST_F(TcbLevelTest, AdvisesToRelaunchWhatAnUpdateWouldMend) {
  tdx({{4, 1, 6}});
  svns_.tee_tcb_svn_2 = ByteArray<16>{{5, 1, 6}};
  EXPECT_EQ(tdx_verdict().status, kTdRelaunchAdvised);
  EXPECT_EQ(tdx_verdict().advisories, std::vector<std::string>{"INTEL-SA-00222"});
  svns_.tee_tcb_svn_2 = ByteArray<16>{{4, 1, 6}};
  EXPECT_EQ(tdx_verdict().status, kOutOfDate);  // nothing was updated
  svns_.tee_tcb_svn_2 = ByteArray<16>{{2, 1, 6}};
  EXPECT_EQ(tdx_verdict().status, kNotSupported);
  tdx({{5, 1, 6}});
  svns_.tee_tcb_svn_2 = ByteArray<16>{{9, 3, 6}};
  EXPECT_EQ(tdx_verdict().status, kUpToDate);  // nothing to mend
  tdx({{2, 1, 6}});
  EXPECT_EQ(tdx_verdict().status, kNotSupported);
}

TEST_F(TcbLevelTest, AdvisesToRelaunchWithConfiguration) {
  tdx({{4, 1, 6}});
  svns_.tee_tcb_svn_2 = ByteArray<16>{{5, 1, 6}};
  tdx_.levels.front().status = kSwHardeningNeeded;
  EXPECT_EQ(tdx_verdict().status, kTdRelaunchAdvised);
  tdx_.levels.front().status = kConfigurationNeeded;
  EXPECT_EQ(tdx_verdict().status, kTdRelaunchAdvisedConfigurationNeeded);
  tdx_.levels.front().status = kConfigurationAndSwHardeningNeeded;
  EXPECT_EQ(tdx_verdict().status, kTdRelaunchAdvisedConfigurationNeeded);
  tdx_.levels.front().status = kOutOfDate;
  EXPECT_EQ(tdx_verdict().status, kOutOfDate);
  tdx_.levels.front().status = kRevoked;
  EXPECT_EQ(tdx_verdict().status, kRevoked);
}

TEST_F(TcbLevelTest, AdvisesNoRelaunchForWhatItWouldNotMend) {
  QeIdentity qe =
      parse_qe_identity(fake_intel().sign_qe_identity(to_json(fake_intel().qe_identity(Tee::kTdx)))).value();
  tdx({{4, 1, 6}});
  svns_.tee_tcb_svn_2 = ByteArray<16>{{5, 1, 6}};
  EXPECT_EQ(evaluate_tcb(tdx_, &qe, svns_).status, kTdRelaunchAdvised);
  svns_.qe_isv_svn = 7;  // the QE stays out of date
  EXPECT_EQ(evaluate_tcb(tdx_, &qe, svns_).status, kOutOfDate);
}

TEST_F(TcbLevelTest, SpellsIntelsWords) {
  EXPECT_EQ(to_string(kTdRelaunchAdvised), "TDRelaunchAdvised");
  EXPECT_EQ(to_string(kTdRelaunchAdvisedConfigurationNeeded), "TDRelaunchAdvisedConfigurationNeeded");
  EXPECT_EQ(to_string(kConfigurationAndSwHardeningNeeded), "ConfigurationAndSWHardeningNeeded");
  EXPECT_EQ(tcb_status_from("SWHardeningNeeded"), kSwHardeningNeeded);
  EXPECT_FALSE(tcb_status_from("TDRelaunchAdvised"));
  EXPECT_FALSE(tcb_status_from(""));
}

}  // namespace
}  // namespace gateway::attestation::dcap
