// What every TEE's verifier must do, held against all of them alike: genuine evidence is accepted, and nothing that
// differs from it in one respect is. Evidence is of vendors of our own; the parsers and authenticators are the real
// ones.
#include <gtest/gtest.h>

#include "attestation/appraisal/appraise.h"
#include "attestation/testing/fake_amd.h"
#include "attestation/testing/fake_intel.h"
#include "attestation/testing/fake_vendor.h"
#include "attestation/verify.h"

namespace gateway::attestation::testing {
namespace {

struct Subject {
  std::string name;
  Platform platform{};
  Bytes evidence;
  std::size_t signed_size = 0;     // bytes from the front that a signature of the TEE covers
  std::size_t flips_per_byte = 8;  // of the signed region's bits; fewer where a signature costs much
  std::function<Result<Claims>(ByteView evidence, Time at)> authenticate;
  std::function<Result<Claims>(Time at)> with_revoked_key = {};  // nothing: the vendor publishes no lists
  std::function<Result<Claims>()> on_another_chip = {};          // an endorsement of another chip, well signed
  Bytes debug_evidence;
};

Subject nitro_subject() {
  const FakeVendor& vendor = fake_nitro();
  static const auto cache = nitro::make_chain_cache();
  Subject subject{
      .name = "Nitro",
      .platform = Platform::kNitro,
      .evidence = vendor.document(),
      .signed_size = vendor.document().size(),
      .flips_per_byte = 1,
      .authenticate = [&vendor](ByteView evidence, Time at) { return vendor.authenticate(evidence, at, cache.get()); },
      .debug_evidence = vendor.document([](DocumentFields& fields) {
        for (auto& [index, value] : fields.pcrs) {
          if (index <= 2) value = pcr(0);
        }
      })};
  return subject;
}

Subject snp_subject(const std::string& name, const AmdReport& options) {
  const FakeAmd& vendor = fake_amd();
  static const auto cache = snp::make_chain_cache();
  const auto collateral = std::make_shared<const Collateral>(vendor.collateral(options));
  const auto revoked = std::make_shared<Collateral>(*collateral);
  const std::string product = options.product == SnpProduct::kMilan ? "Milan" : "Turin";
  const AmdCertificate ask = vendor.authority_fields("SEV-" + product, "ARK-" + product, AmdKey::kAsk);
  revoked->crls.push_back(vendor.list({.issuer = "ARK-" + product,
                                       .signer = AmdKey::kArk,
                                       .validity = {kNow - std::chrono::hours(1), kNow + std::chrono::hours(1)},
                                       .revoked = {ask.serial}}));
  const Bytes evidence = vendor.report(options);
  AmdReport debug = options;
  debug.alter = [](Bytes& report) { report[0x08 + 2] |= 0x08U; };  // GUEST_POLICY bit 19
  return {
      .name = name,
      .platform = Platform::kSnp,
      .evidence = evidence,
      .signed_size = snp::kSignedSize,
      .flips_per_byte = 4,
      .authenticate = [&vendor, collateral](
                          ByteView given, Time at) { return vendor.authenticate(given, *collateral, at, cache.get()); },
      .with_revoked_key = [&vendor, revoked,
                           evidence](Time at) { return vendor.authenticate(evidence, *revoked, at, nullptr); },
      .on_another_chip =
          [&vendor, evidence, options] {
            Collateral other;
            other.certificates.push_back(vendor.endorsement(options, [](AmdCertificate& certificate) {
              certificate.extension("1.3.6.1.4.1.3704.1.4").back() ^= 1U;  // hwID
            }));
            return vendor.authenticate(evidence, other);
          },
      .debug_evidence = vendor.report(debug)};
}

Subject intel_subject(const std::string& name, Platform platform, const QuoteParts& parts, std::size_t debug_at,
                      std::uint8_t debug_bit) {
  const FakeIntel& vendor = fake_intel();
  static const auto cache = dcap::make_cache();
  const auto collateral = std::make_shared<const Collateral>(vendor.collateral());
  const auto revoked = std::make_shared<Collateral>(*collateral);
  revoked->crls.clear();
  revoked->crls.push_back(vendor.root_crl());
  revoked->crls.push_back(vendor.pck_crl({vendor.certificate(IntelCertificate::kPck)}));
  const Bytes evidence = vendor.build(parts);
  QuoteParts debug = parts;
  debug.body[debug_at] |= debug_bit;
  constexpr std::size_t kHeader = 48;
  constexpr std::size_t kBodyDescriptor = 6;  // version 5
  return {
      .name = name,
      .platform = platform,
      .evidence = evidence,
      .signed_size = kHeader + (parts.version == 5 ? kBodyDescriptor : 0) + parts.body.size(),
      .flips_per_byte = 8,
      .authenticate = [&vendor, collateral](
                          ByteView given, Time at) { return vendor.authenticate(given, *collateral, at, cache.get()); },
      .with_revoked_key = [&vendor, revoked,
                           evidence](Time at) { return vendor.authenticate(evidence, *revoked, at, nullptr); },
      .on_another_chip =
          [&vendor, parts] {
            // Another platform's PCK certificate, issued by the same vendor's format under another root's keys.
            static const FakeIntel other;
            QuoteParts swapped = parts;
            swapped.certification_data = to_bytes(other.pck_chain());
            return vendor.authenticate(vendor.build(swapped), vendor.collateral());
          },
      .debug_evidence = vendor.build(debug)};
}

std::vector<Subject> subjects() {
  constexpr std::size_t kSgxAttributes = 48;  // of the report body
  constexpr std::size_t kTdAttributes = 120;
  const FakeIntel& intel = fake_intel();
  AmdReport turin;
  turin.version = 5;
  turin.product = SnpProduct::kTurin;
  return {nitro_subject(),
          snp_subject("SnpMilan", {}),
          snp_subject("SnpTurin", turin),
          intel_subject("SgxV3", Platform::kSgx, intel.sgx_parts(3), kSgxAttributes, 0x02),
          intel_subject("TdxV4", Platform::kTdx, intel.tdx_parts(4), kTdAttributes, 0x01),
          intel_subject("TdxV5", Platform::kTdx, intel.tdx_parts(5, true), kTdAttributes, 0x01)};
}

class Conformance : public ::testing::TestWithParam<std::size_t> {
 protected:
  static const std::vector<Subject>& all() {
    static const std::vector<Subject> made = subjects();
    return made;
  }
  const Subject& subject() const { return all()[GetParam()]; }
  Result<Claims> genuine() const { return subject().authenticate(subject().evidence, kNow); }
};

TEST_P(Conformance, AcceptsGenuineEvidence) {
  const auto claims = genuine();
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->platform(), subject().platform);
  EXPECT_FALSE(claims->debug());
  EXPECT_TRUE(claims->validity().contains(kNow));
  for (const Check& check : claims->checks()) EXPECT_EQ(check.outcome, Outcome::kOk) << check.id;
}

TEST_P(Conformance, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < subject().evidence.size(); ++size) {
    const auto cut = subject().authenticate(ByteView(subject().evidence).first(size), kNow);
    ASSERT_FALSE(cut) << size;
    ASSERT_NE(cut.error().code(), ErrorCode::kUnavailable) << size << ": cut evidence is refused, not undecided";
  }
}

TEST_P(Conformance, RefusesABitFlippedInTheSignedRegion) {
  ASSERT_TRUE(genuine());
  Bytes changed = subject().evidence;
  for (std::size_t at = 0; at < subject().signed_size; ++at) {
    for (std::size_t i = 0; i < subject().flips_per_byte; ++i) {
      const auto bit = static_cast<std::uint8_t>(1U << ((at + i * (8 / subject().flips_per_byte)) % 8));
      changed[at] ^= bit;
      ASSERT_FALSE(subject().authenticate(changed, kNow)) << at << " bit " << int{bit};
      changed[at] ^= bit;
    }
  }
}

TEST_P(Conformance, RefusesTrailingBytes) {
  Bytes longer = subject().evidence;
  longer.push_back(0x01);
  EXPECT_FALSE(subject().authenticate(longer, kNow));
}

TEST_P(Conformance, RefusesEvidenceUnderARootThatIsNotTheVendors) {
  // The shipped anchors, through the shipped entry.
  const Collateral collateral = subject().platform == Platform::kSnp ? fake_amd().collateral({}) : Collateral();
  VerifyInputs inputs{.at = kNow,
                      .platform = {},
                      .nitro = {},
                      .collateral = &collateral,
                      .expected_nonce = {},
                      .expected_report_data = {},
                      .challenge = {},
                      .config_digest = {},
                      .caches = nullptr};
  const Verification verification = verify(subject().evidence, nullptr, inputs);
  EXPECT_NE(verification.authentic, true);
  EXPECT_TRUE(verification.reason);
  EXPECT_FALSE(verification.claims);
}

TEST_P(Conformance, RefusesOneSecondOutsideTheWindow) {
  const TimeWindow window = genuine().value().validity();
  constexpr auto kSecond = std::chrono::seconds(1);
  EXPECT_TRUE(subject().authenticate(subject().evidence, window.not_before));
  EXPECT_TRUE(subject().authenticate(subject().evidence, window.not_after));
  for (const Time at : {window.not_before - kSecond, window.not_after + kSecond}) {
    const auto outside = subject().authenticate(subject().evidence, at);
    // Where the window's end is that of collateral, evidence without current collateral is what is left: then nothing
    // is known of its TCB or its revocation.
    if (outside) {
      EXPECT_TRUE((outside->tcb() && outside->tcb()->status == "Unknown") ||
                  outside->revocation() == Revocation::kUnknown)
          << to_rfc3339(at);
    }
  }
}

TEST_P(Conformance, RefusesARevokedKey) {
  if (!subject().with_revoked_key) GTEST_SKIP() << "this vendor's leaves live for hours and are on no list";
  const auto claims = subject().with_revoked_key(kNow);
  ASSERT_FALSE(claims);
  EXPECT_EQ(claims.error().code(), ErrorCode::kNotAuthentic);
  EXPECT_NE(claims.error().id().find("revoked"), std::string_view::npos) << claims.error().id();
}

TEST_P(Conformance, RefusesAnotherChipsEndorsement) {
  if (!subject().on_another_chip) GTEST_SKIP() << "the endorsement is part of what is signed";
  const auto claims = subject().on_another_chip();
  ASSERT_FALSE(claims);
  EXPECT_EQ(claims.error().code(), ErrorCode::kNotAuthentic) << claims.error().id();
}

TEST_P(Conformance, RefusesToBeAnotherPlatform) {
  for (const Platform other : {Platform::kNitro, Platform::kSnp, Platform::kTdx, Platform::kSgx}) {
    if (other == subject().platform) continue;
    VerifyInputs inputs{.at = kNow,
                        .platform = other,
                        .nitro = {},
                        .collateral = nullptr,
                        .expected_nonce = {},
                        .expected_report_data = {},
                        .challenge = {},
                        .config_digest = {},
                        .caches = nullptr};
    EXPECT_NE(verify(subject().evidence, nullptr, inputs).authentic, true) << to_string(other);
  }
}

TEST_P(Conformance, SaysThatAGuestIsInDebugMode) {
  const auto claims = subject().authenticate(subject().debug_evidence, kNow);
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_TRUE(claims->debug());
}

TEST_P(Conformance, RefusesAnotherQuestionsAnswer) {
  const Claims claims = genuine().value();
  const Bytes challenge(32, 0xc4);
  CheckList checks;
  const auto answered = check_statements(claims,
                                         {.at = kNow,
                                          .expected_nonce = {},
                                          .expected_report_data = {},
                                          .challenge = ByteView(challenge),
                                          .config_digest = {}},
                                         checks);
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().id(), "evidence.nonce");
  const Bytes data(64, 0xc5);
  const auto bound = check_statements(
      claims,
      {.at = kNow, .expected_nonce = {}, .expected_report_data = ByteView(data), .challenge = {}, .config_digest = {}},
      checks);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().id(), "evidence.report_data");
}

INSTANTIATE_TEST_SUITE_P(EveryTee, Conformance, ::testing::Range<std::size_t>(0, 6),
                         [](const auto& at) { return subjects()[at.param].name; });

}  // namespace
}  // namespace gateway::attestation::testing
