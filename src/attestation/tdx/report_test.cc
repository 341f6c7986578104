#include "attestation/tdx/report.h"

#include <gtest/gtest.h>

namespace gateway::attestation::tdx {
namespace {

TEST(TdxReport, HasOneOfTwoSizes) {
  for (std::size_t size = 0; size < 700; ++size) {
    const auto report = parse_report_body(Bytes(size));
    EXPECT_EQ(report.has_value(), size == kReport10Size || size == kReport15Size) << size;
    if (!report) {
      EXPECT_EQ(report.error().id(), "tdx.report.size");
    }
  }
}

TEST(TdxReport, HasServiceFieldsInTdx15Alone) {
  EXPECT_FALSE(parse_report_body(Bytes(kReport10Size))->mr_service_td);
  EXPECT_TRUE(parse_report_body(Bytes(kReport15Size))->mr_service_td);
  EXPECT_TRUE(parse_report_body(Bytes(kReport15Size))->tee_tcb_svn_2);
}

TEST(TdxReport, IsDebugByAnyBitOfTud) {
  TdxClaims report;
  EXPECT_FALSE(is_debug(report));
  report.td_attributes = {{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  EXPECT_FALSE(is_debug(report));
  report.td_attributes[0] = 0x80;
  EXPECT_TRUE(is_debug(report));
}

}  // namespace
}  // namespace gateway::attestation::tdx
