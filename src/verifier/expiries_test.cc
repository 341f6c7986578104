#include "verifier/expiries.h"

#include <gtest/gtest.h>

#include "attestation/testing/fake_vendor.h"

namespace gateway::verifier {
namespace {

Bytes text(std::string_view json) { return to_bytes(json); }

TEST(Expiries, NameEachDocumentOnceSoonestFirst) {
  attestation::Collateral collateral;
  collateral.tcb_infos = {
      text(R"({"tcbInfo":{"id":"TDX","fmspc":"00806f050000","nextUpdate":"2026-03-01T00:00:00Z"},"signature":""})"),
      text(R"({"tcbInfo":{"id":"TDX","fmspc":"00806f050000","nextUpdate":"2026-04-01T00:00:00Z"},"signature":""})"),
      text(R"({"tcbInfo":{"fmspc":"x"}})"), text("no JSON")};
  collateral.qe_identities = {
      text(R"({"enclaveIdentity":{"id":"TD_\"QE","nextUpdate":"2026-02-01T00:00:00Z"},"signature":""})")};
  collateral.certificates = {attestation::testing::fake_nitro().root()};
  const auto all = expiries_of(collateral);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].kind, "qe_identity");
  EXPECT_EQ(all[0].name, "TD_?QE") << "a label's value has no quotes";
  EXPECT_EQ(all[1].kind, "tcb_info");
  EXPECT_EQ(all[1].name, "TDX 00806f050000");
  EXPECT_EQ(to_rfc3339(all[1].at), "2026-04-01T00:00:00Z") << "the one that lasts longest";
  EXPECT_EQ(all[2].kind, "certificate");
}

}  // namespace
}  // namespace gateway::verifier
