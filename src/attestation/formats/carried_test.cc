#include "attestation/formats/carried.h"

#include "attestation/formats/testing.h"

namespace gateway::attestation::formats {
namespace {

using testing::bound;
using testing::padded;
using testing::refusal;

CarriedEvidence carried(std::vector<Bytes> statements) {
  return {.format = Carrier::kRaTls,
          .evidence = Bytes{1},
          .binding = {.report_data = std::move(statements), .rule = "the rule"},
          .public_key = {},
          .nonce = {}};
}

TEST(Binding, HoldsWhenTheReportDataIsTheStatement) {
  const Bytes hash(32, 7);
  EXPECT_EQ(bound(carried({hash}), hash), "accepted");
  EXPECT_EQ(bound(carried({hash}), padded(hash)), "accepted");
  EXPECT_EQ(bound(carried({Bytes(48, 1), hash}), padded(hash)), "accepted");
}

TEST(Binding, RefusesAnyOtherReportData) {
  const Bytes hash(32, 7);
  Bytes flipped = padded(hash);
  flipped[31] ^= 1;
  EXPECT_EQ(bound(carried({hash}), flipped), "carrier.binding");
  Bytes tail = padded(hash);
  tail[63] = 1;
  EXPECT_EQ(bound(carried({hash}), tail), "carrier.binding");
  EXPECT_EQ(bound(carried({hash}), Bytes(31, 7)), "carrier.binding");
  Bytes longer = hash;
  longer.push_back(0);
  EXPECT_EQ(bound(carried({hash}), longer), "carrier.binding");
  EXPECT_EQ(bound(carried({hash}), std::nullopt), "carrier.binding");
  EXPECT_EQ(bound(carried({hash}), Bytes{}), "carrier.binding");
}

TEST(Binding, RefusesEvidenceThatIsTiedToNoKey) { EXPECT_EQ(bound(carried({}), Bytes(32, 7)), "carrier.unbound"); }

TEST(Binding, SaysWhatItComparedAndWhatToDo) {
  CheckList checks;
  (void)check_binding(carried({Bytes(32, 7)}), testing::claims_saying(Bytes(32, 8)), checks);
  ASSERT_EQ(checks.lines().size(), 1U);
  const Check& line = checks.lines().front();
  EXPECT_EQ(line.outcome, Outcome::kRefused);
  EXPECT_THAT(line.expected, ::testing::HasSubstr("the rule"));
  EXPECT_EQ(line.actual, to_hex(Bytes(32, 8)));
  EXPECT_FALSE(line.remedy.empty());
}

TEST(PlatformHint, ReadsTheFirstBytesOnly) {
  const auto hint = [](std::initializer_list<std::uint8_t> bytes) { return platform_hint(Bytes(bytes)); };
  EXPECT_EQ(hint({0x84, 0x44, 0xa1, 1, 2, 3, 4, 5}), Platform::kNitro);
  EXPECT_EQ(hint({0xd2, 0x84, 0x44, 0xa1, 1, 2, 3, 4}), Platform::kNitro);
  EXPECT_EQ(hint({2, 0, 0, 0, 0, 0, 0, 0}), Platform::kSnp);
  EXPECT_EQ(hint({3, 0, 0, 0, 0, 0, 0, 0}), Platform::kSnp);
  EXPECT_EQ(hint({5, 0, 0, 0, 0, 0, 0, 0}), Platform::kSnp);
  EXPECT_EQ(hint({3, 0, 2, 0, 0, 0, 0, 0}), Platform::kSgx);
  EXPECT_EQ(hint({4, 0, 2, 0, 0, 0, 0, 0}), Platform::kSgx);
  EXPECT_EQ(hint({4, 0, 2, 0, 0x81, 0, 0, 0}), Platform::kTdx);
  EXPECT_EQ(hint({5, 0, 2, 0, 0x81, 0, 0, 0}), Platform::kTdx);
  EXPECT_EQ(hint({5, 0, 3, 0, 0x81, 0, 0, 0}), Platform::kTdx);
  EXPECT_EQ(hint({6, 0, 2, 0, 0x81, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(hint({4, 0, 2, 0, 0x82, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(hint({4, 0, 9, 0, 0x81, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(hint({1, 0, 0, 0, 0, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(hint({2, 0, 0, 0, 0, 0, 0}), std::nullopt);
  EXPECT_EQ(platform_hint({}), std::nullopt);
}

TEST(TakeEvidence, RefusesNothingAndTooMuch) {
  EXPECT_EQ(refusal(take_evidence({})), "carrier.evidence_size");
  EXPECT_EQ(refusal(take_evidence(Bytes(kMaxEvidenceSize + 1))), "carrier.evidence_size");
  EXPECT_EQ(refusal(take_evidence(Bytes(kMaxEvidenceSize))), "accepted");
}

TEST(Carriers, HaveNames) {
  std::vector<std::string_view> names;
  for (const Carrier carrier :
       {Carrier::kRaTls, Carrier::kCmw, Carrier::kOpenEnclaveReport, Carrier::kOpenEnclaveEvidence,
        Carrier::kGramineLegacy, Carrier::kDstack, Carrier::kEvervault}) {
    EXPECT_FALSE(to_string(carrier).empty());
    EXPECT_THAT(names, ::testing::Not(::testing::Contains(to_string(carrier))));
    names.push_back(to_string(carrier));
  }
}

}  // namespace
}  // namespace gateway::attestation::formats
