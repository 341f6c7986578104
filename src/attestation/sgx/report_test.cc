#include "attestation/sgx/report.h"

#include <gtest/gtest.h>

namespace gateway::attestation::sgx {
namespace {

TEST(SgxReport, HasOneSize) {
  for (std::size_t size = 0; size < 400; ++size) {
    const auto report = parse_report_body(Bytes(size));
    EXPECT_EQ(report.has_value(), size == kReportBodySize) << size;
    if (!report) {
      EXPECT_EQ(report.error().id(), "sgx.report.size");
    }
  }
}

TEST(SgxReport, HasZerosInItsReservedBytes) {
  int reserved = 0;
  for (std::size_t at = 0; at < kReportBodySize; ++at) {
    Bytes bytes(kReportBodySize);
    bytes[at] = 1;
    const auto report = parse_report_body(bytes);
    if (report) continue;
    EXPECT_EQ(report.error().id(), "sgx.report.reserved_not_zero");
    ++reserved;
  }
  EXPECT_EQ(reserved, 12 + 32 + 32 + 42);
}

TEST(SgxReport, IsDebugByItsAttribute) {
  SgxReportBody report;
  report.attributes.fill(0xff);
  report.attributes[0] = 0xfd;
  EXPECT_FALSE(is_debug(report));
  report.attributes[0] = 0x02;
  EXPECT_TRUE(is_debug(report));
}

}  // namespace
}  // namespace gateway::attestation::sgx
