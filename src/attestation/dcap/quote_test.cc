#include "attestation/dcap/quote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_intel.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::fake_intel;
using attestation::testing::QuoteParts;

std::string refusal(ByteView bytes) {
  CheckList checks;
  const auto quote = parse_quote(bytes, &checks);
  if (quote) return "";
  // Whatever is refused leaves a line of its own.
  EXPECT_FALSE(checks.lines().empty());
  EXPECT_EQ(checks.lines().back().id, quote.error().id());
  EXPECT_EQ(checks.lines().back().outcome, Outcome::kRefused);
  EXPECT_FALSE(checks.lines().back().remedy.empty());
  return std::string(quote.error().id());
}
std::string refusal(QuoteParts parts, const std::function<void(QuoteParts&)>& change) {
  change(parts);
  return refusal(fake_intel().build(std::move(parts)));
}

std::vector<QuoteParts> all_kinds() {
  return {fake_intel().sgx_parts(3), fake_intel().sgx_parts(4), fake_intel().sgx_parts(5),
          fake_intel().tdx_parts(4), fake_intel().tdx_parts(5), fake_intel().tdx_parts(5, true)};
}

TEST(DcapQuote, ReadsEveryKind) {
  std::vector<std::string_view> formats;
  for (const QuoteParts& parts : all_kinds()) {
    const Bytes bytes = fake_intel().build(parts);
    EXPECT_TRUE(looks_like_dcap_quote(bytes));
    const auto quote = parse_quote(bytes);
    ASSERT_TRUE(quote) << quote.error().message();
    formats.push_back(format_of(*quote));
    EXPECT_EQ(quote->tee, parts.tee_type == 0 ? Tee::kSgx : Tee::kTdx);
    EXPECT_EQ(quote->signed_region.size(), 48 + (parts.version == 5 ? 6 : 0) + parts.body.size());
    EXPECT_EQ(to_hex(quote->qe_auth_data), to_hex(parts.qe_auth_data));
    EXPECT_EQ(to_hex(quote->certification_data), to_hex(parts.certification_data));
    EXPECT_EQ(quote->qe.isv_svn, 8);
  }
  EXPECT_THAT(formats, ::testing::ElementsAre("dcap.quote.v3", "dcap.quote.v4", "dcap.quote.v5", "dcap.quote.v4",
                                              "dcap.quote.v5", "dcap.quote.v5"));
}

TEST(DcapQuote, RefusesEveryTruncation) {
  for (const QuoteParts& parts : all_kinds()) {
    const Bytes bytes = fake_intel().build(parts);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(refusal(ByteView(bytes).first(size)), "dcap.quote.truncated") << size;
    }
  }
}

TEST(DcapQuote, AcceptsZerosAfterItsEndAndNothingElse) {
  for (const QuoteParts& parts : all_kinds()) {
    Bytes bytes = fake_intel().build(parts);
    const std::size_t size = bytes.size();
    bytes.resize(size + 3000);
    EXPECT_EQ(refusal(bytes), "");
    for (const std::size_t at : {size, size + 1, bytes.size() - 1}) {
      bytes[at] = 1;
      EXPECT_EQ(refusal(bytes), "dcap.quote.trailing");
      bytes[at] = 0;
    }
  }
}

TEST(DcapQuote, RefusesWhatIsTooLarge) {
  Bytes bytes = fake_intel().tdx_quote();
  bytes.resize(kMaxQuoteSize);
  EXPECT_EQ(refusal(bytes), "");
  bytes.push_back(0);
  EXPECT_EQ(refusal(bytes), "dcap.quote.size");
}

TEST(DcapQuote, RefusesOtherVersionsKeysAndTees) {
  for (const std::uint16_t version : std::initializer_list<std::uint16_t>{0, 1, 2, 6, 0x0304}) {
    EXPECT_EQ(refusal(fake_intel().sgx_parts(3), [&](QuoteParts& parts) { parts.version = version; }),
              "dcap.quote.version");
  }
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 1, 3, 4}) {
    EXPECT_EQ(refusal(fake_intel().sgx_parts(3), [&](QuoteParts& parts) { parts.key_type = type; }),
              "dcap.quote.attestation_key_type");
  }
  EXPECT_EQ(refusal(fake_intel().tdx_parts(4), [](QuoteParts& parts) { parts.tee_type = 0x82; }),
            "dcap.quote.tee_type");
  EXPECT_EQ(refusal(fake_intel().tdx_parts(5), [](QuoteParts& parts) { parts.tee_type = 1; }), "dcap.quote.tee_type");
}

TEST(DcapQuote, RefusesReservedBytesThatAreNotZero) {
  EXPECT_EQ(refusal(fake_intel().sgx_parts(3), [](QuoteParts& parts) { parts.tee_type = 0x81; }),
            "dcap.quote.reserved_not_zero");
  EXPECT_EQ(refusal(fake_intel().sgx_parts(4), [](QuoteParts& parts) { parts.svns[0] = 1; }),
            "dcap.quote.reserved_not_zero");
  EXPECT_EQ(refusal(fake_intel().tdx_parts(5), [](QuoteParts& parts) { parts.svns[3] = 1; }),
            "dcap.quote.reserved_not_zero");
  // Of the enclave's report and of the QE's.
  for (const std::size_t at : {20UZ, 31UZ, 96UZ, 127UZ, 160UZ, 191UZ, 262UZ, 303UZ}) {
    EXPECT_EQ(refusal(fake_intel().sgx_parts(3), [&](QuoteParts& parts) { parts.body[at] = 1; }), "dcap.quote.report");
    EXPECT_EQ(refusal(fake_intel().tdx_parts(4), [&](QuoteParts& parts) { parts.qe_report[at] = 1; }),
              "dcap.quote.report");
  }
}

TEST(DcapQuote, RefusesAnotherVendorsQuotingEnclave) {
  EXPECT_EQ(refusal(fake_intel().tdx_parts(4), [](QuoteParts& parts) { parts.qe_vendor_id[0] ^= 1U; }),
            "dcap.quote.qe_vendor");
}

TEST(DcapQuote, RefusesBodiesThatAreNotTheTees) {
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 2, 3, 4}) {
    EXPECT_EQ(refusal(fake_intel().sgx_parts(5), [&](QuoteParts& parts) { parts.body_type = type; }),
              "dcap.quote.body_type");
  }
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 1, 4}) {
    EXPECT_EQ(refusal(fake_intel().tdx_parts(5), [&](QuoteParts& parts) { parts.body_type = type; }),
              "dcap.quote.body_type");
  }
  EXPECT_EQ(refusal(fake_intel().tdx_parts(5), [](QuoteParts& parts) { parts.body_type = 3; }), "dcap.quote.body_size");
  for (const std::uint32_t size : {0U, 583U, 585U, 648U, 0xffffffffU}) {
    EXPECT_EQ(refusal(fake_intel().tdx_parts(5), [&](QuoteParts& parts) { parts.body_size = size; }),
              "dcap.quote.body_size");
  }
}

TEST(DcapQuote, RefusesSignatureDataThatItsPartsDoNotFill) {
  for (const QuoteParts& parts : all_kinds()) {
    EXPECT_EQ(refusal(parts, [](QuoteParts& changed) { changed.after_inner_parts = {0}; }),
              "dcap.quote.signature_size");
    EXPECT_EQ(refusal(parts, [](QuoteParts& changed) { changed.after_parts = {0}; }), "dcap.quote.signature_size");
    EXPECT_EQ(refusal(parts, [](QuoteParts& changed) { changed.signature_size_error = 1; }), "dcap.quote.truncated");
    EXPECT_EQ(refusal(parts,
                      [](QuoteParts& changed) {
                        changed.certification_data.back() = 0;
                        changed.signature_size_error = -1;
                      }),
              "dcap.quote.signature_size");
  }
}

TEST(DcapQuote, RefusesOtherCertificationDataByName) {
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 1, 2, 3, 4, 6, 7, 8}) {
    for (const QuoteParts& parts : all_kinds()) {
      EXPECT_EQ(refusal(parts, [&](QuoteParts& changed) { changed.certification_type = type; }),
                "dcap.certification_data_type");
    }
  }
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 1, 2, 3, 4, 5, 7, 8}) {
    EXPECT_EQ(refusal(fake_intel().tdx_parts(4), [&](QuoteParts& parts) { parts.outer_certification_type = type; }),
              "dcap.certification_data_type");
  }
  CheckList checks;
  QuoteParts parts = fake_intel().sgx_parts(3);
  parts.certification_type = 1;
  EXPECT_FALSE(parse_quote(fake_intel().build(parts), &checks));
  EXPECT_EQ(checks.lines().back().actual, "type 1: the PPID in clear");
}

TEST(DcapQuote, IsToldFromOtherEvidence) {
  EXPECT_FALSE(looks_like_dcap_quote({}));
  EXPECT_FALSE(looks_like_dcap_quote(Bytes{3, 0, 2}));
  EXPECT_TRUE(looks_like_dcap_quote(Bytes{3, 0, 2, 0}));
  EXPECT_TRUE(looks_like_dcap_quote(Bytes{4, 0, 3, 0}));   // refused by name
  EXPECT_FALSE(looks_like_dcap_quote(Bytes{3, 0, 0, 0}));  // a SEV-SNP report of version 3
  EXPECT_FALSE(looks_like_dcap_quote(Bytes{5, 0, 0, 0}));
  EXPECT_FALSE(looks_like_dcap_quote(Bytes{2, 0, 2, 0}));
  EXPECT_FALSE(looks_like_dcap_quote(Bytes{0x84, 0x44, 0xa1, 0x01}));  // a COSE_Sign1
}

}  // namespace
}  // namespace gateway::attestation::dcap
