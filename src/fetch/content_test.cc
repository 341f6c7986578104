#include "fetch/content.h"

#include <gtest/gtest.h>

#include "codec/pem.h"
#include "fetch/testing/fake_vendors.h"

namespace gateway::fetch {
namespace {

using namespace testing;

constexpr const char* kFmspc = "90c06f000000";

const Authority& root() {
  static const Authority made("Intel SGX Root CA");
  return made;
}

Want want_of(Kind kind) {
  Want want{.kind = kind, .url = Url::parse("https://a.example/").value(), .name = "name"};
  want.issuer = "Intel SGX Root CA";
  want.authority = "ARK-Milan";
  want.id = kind == Kind::kTcbInfo ? "TDX" : "TD_QE";
  if (kind == Kind::kTcbInfo) want.fmspc = kFmspc;
  return want;
}
Answer answer_of(std::string_view body) { return {.content_type = {}, .body = to_bytes(body), .issuer_chain = {}}; }
std::string refusal(const Want& want, const Answer& answer) {
  const auto content = recognise(want, answer);
  return content ? "accepted" : std::string(content.error().id());
}
std::string refusal(Kind kind, std::string_view body) { return refusal(want_of(kind), answer_of(body)); }

constexpr const char* kContent = "collateral.fetch.content";

TEST(Content, TakesAListOfTheRightIssuerInEveryForm) {
  const Bytes list = root().list();
  for (const std::string& form : {text_of(list), to_hex(list), codec::write_pem("X509 CRL", list)}) {
    const auto content = recognise(want_of(Kind::kRootCrl), answer_of(form));
    ASSERT_TRUE(content) << content.error().message();
    ASSERT_EQ(content->parts.size(), 1U);
    EXPECT_EQ(content->parts[0].bytes, list);
    EXPECT_EQ(content->parts[0].ending, "der");
    EXPECT_EQ(content->validity.not_after, kMonth.not_after);
  }
}

TEST(Content, RefusesAnotherList) {
  EXPECT_EQ(refusal(Kind::kPckCrl, text_of(Authority("Intel SGX PCK Platform CA").list())), kContent);
  EXPECT_EQ(refusal(Kind::kAmdCrl, root().certificate.to_pem()), kContent);
  EXPECT_EQ(refusal(Kind::kRootCrl, codec::write_pem("X509 CRL", root().list()) + root().certificate.to_pem()),
            kContent);
  EXPECT_EQ(refusal(Kind::kRootCrl, ""), kContent);
  EXPECT_EQ(refusal(Kind::kRootCrl, tcb_info("TDX", kFmspc)), kContent);
}

TEST(Content, TakesTheVcekOfTheRightChipAndTcb) {
  const auto& amd = attestation::testing::fake_amd();
  const auto vcek = amd.endorsement();
  Want want = want_of(Kind::kVcek);
  want.vcek =
      SnpNeeds{.product = SnpProduct::kMilan,
               .key = attestation::SnpSigningKey::kVcek,
               .chip_id = attestation::testing::fake_chip_id(SnpProduct::kMilan),
               .tcb = attestation::snp::tcb_of(attestation::testing::fake_tcb(SnpProduct::kMilan), SnpProduct::kMilan)};
  const auto content = recognise(want, answer_of(text_of(vcek.der())));
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->parts[0].bytes, vcek.der());
  EXPECT_EQ(content->validity.not_after, vcek.validity().not_after);
  const auto judge = [&](std::string_view body) { return refusal(want, answer_of(body)); };
  EXPECT_EQ(judge(text_of(amd.endorsement({.product = SnpProduct::kGenoa}).der())), kContent);
  EXPECT_EQ(judge(text_of(amd.endorsement({.key = attestation::SnpSigningKey::kVlek}).der())), kContent);
  EXPECT_EQ(judge(text_of(root().certificate.der())), kContent);
  EXPECT_EQ(judge(vcek.to_pem() + root().certificate.to_pem()), kContent);
  EXPECT_EQ(judge(vcek.to_pem() + codec::write_pem("X509 CRL", root().list())), kContent);
  EXPECT_EQ(judge(text_of(root().list())), kContent);
  const Want good = want;
  want.vcek->chip_id[0] ^= 1;
  EXPECT_EQ(judge(text_of(vcek.der())), kContent);
  for (auto level : {&attestation::SnpTcb::boot_loader, &attestation::SnpTcb::tee, &attestation::SnpTcb::snp,
                     &attestation::SnpTcb::microcode}) {
    want = good;
    want.vcek->tcb.*level ^= 1;
    EXPECT_EQ(judge(text_of(vcek.der())), kContent);
  }
  want = good;
  want.vcek->tcb.fmc = 1;
  EXPECT_EQ(judge(text_of(vcek.der())), kContent);
}

TEST(Content, TakesAChainOfTheRightProduct) {
  const Authority ark("ARK-Milan"), ask("SEV-Milan");
  const std::string pem = ask.certificate.to_pem() + ark.certificate.to_pem();
  const auto content = recognise(want_of(Kind::kAmdChain), answer_of(pem));
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->parts[0].bytes, to_bytes(pem));
  EXPECT_EQ(content->parts[0].ending, "pem");
  EXPECT_EQ(content->validity.not_after, ark.certificate.validity().not_after);
  EXPECT_EQ(refusal(Kind::kAmdChain, ark.certificate.to_pem()), kContent);
  EXPECT_EQ(refusal(Kind::kAmdChain, pem + root().certificate.to_pem()), kContent);
  EXPECT_EQ(refusal(Kind::kAmdChain, ask.certificate.to_pem() + root().certificate.to_pem()), kContent);
  EXPECT_EQ(refusal(Kind::kAmdChain, pem + codec::write_pem("X509 CRL", root().list())), kContent);
}

TEST(Content, TakesTcbInfoOfTheRightPlatform) {
  const std::string text = tcb_info("TDX", "90C06F000000");  // Intel writes either case
  const auto content = recognise(want_of(Kind::kTcbInfo), answer_of(text));
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->parts[0].bytes, to_bytes(text));
  EXPECT_EQ(content->parts[0].ending, "json");
  EXPECT_EQ(content->validity.not_before, kMonth.not_before);
  EXPECT_EQ(content->validity.not_after, kMonth.not_after);
  EXPECT_EQ(refusal(Kind::kTcbInfo, tcb_info("SGX", kFmspc)), kContent);
  EXPECT_EQ(refusal(Kind::kTcbInfo, tcb_info("TDX", "00906ea10000")), kContent);
  EXPECT_EQ(refusal(Kind::kTcbInfo, identity("TD_QE")), kContent);
}

TEST(Content, TakesTheRightIdentity) {
  EXPECT_EQ(refusal(Kind::kQeIdentity, identity("TD_QE")), "accepted");
  EXPECT_EQ(refusal(Kind::kQeIdentity, identity("QE")), kContent);
  EXPECT_EQ(refusal(Kind::kQeIdentity, identity("QVE")), kContent);
  EXPECT_EQ(refusal(Kind::kQeIdentity, tcb_info("TDX", kFmspc)), kContent);
}

TEST(Content, RefusesDocumentsThatAreBroken) {
  const auto broken = [](const char* text) { return refusal(Kind::kQeIdentity, text); };
  const char* good = R"({"enclaveIdentity":{"id":"TD_QE","issueDate":"2026-01-01T00:00:00Z",)"
                     R"("nextUpdate":"2026-02-01T00:00:00Z"},"signature":"00"})";
  EXPECT_EQ(broken(good), "accepted");
  EXPECT_EQ(broken(R"({"enclaveIdentity":{"id":"TD_QE","issueDate":"2026-01-01T00:00:00Z",)"
                   R"("nextUpdate":"2026-02-01T00:00:00Z"}})"),
            kContent);
  EXPECT_EQ(broken(R"({"enclaveIdentity":{"id":"TD_QE","issueDate":"2026-01-01T00:00:00Z"},"signature":"00"})"),
            kContent);
  EXPECT_EQ(broken(R"({"enclaveIdentity":{"id":"TD_QE","nextUpdate":"2026-02-01T00:00:00Z"},"signature":"00"})"),
            kContent);
  EXPECT_EQ(broken(R"({"enclaveIdentity":{"id":1,"issueDate":"2026-01-01T00:00:00Z"},"signature":"00"})"), kContent);
  EXPECT_EQ(broken(R"({"enclaveIdentity":[],"signature":"00"})"), kContent);
  EXPECT_EQ(broken(R"({"enclaveIdentity":{"id":"TD_QE")"), kContent);  // half a body that says it is whole
}

TEST(Content, KeepsTheIssuersChain) {
  Want want = want_of(Kind::kTcbInfo);
  want.chain_in = {"tcb-info-issuer-chain"};
  Answer answer = answer_of(tcb_info("TDX", kFmspc));
  const std::string pem = Authority("Intel SGX TCB Signing").certificate.to_pem() + root().certificate.to_pem();
  answer.issuer_chain = percent_encoded(pem);
  const auto content = recognise(want, answer);
  ASSERT_TRUE(content) << content.error().message();
  ASSERT_EQ(content->parts.size(), 2U);
  EXPECT_EQ(content->parts[1].bytes, to_bytes(pem));
  EXPECT_EQ(content->parts[1].name, "name-issuer-chain");
  EXPECT_EQ(content->parts[1].ending, "pem");
  const auto chain = [&](const std::string& header) {
    answer.issuer_chain = header;
    return refusal(want, answer);
  };
  EXPECT_EQ(chain(""), "collateral.fetch.issuer_chain");
  EXPECT_EQ(chain("%zz"), "collateral.fetch.issuer_chain");
  EXPECT_EQ(chain("nothing"), "collateral.fetch.issuer_chain");
  EXPECT_EQ(chain(percent_encoded(pem + codec::write_pem("X509 CRL", root().list()))), "collateral.fetch.issuer_chain");
}

TEST(Content, RefusesPagesForPeople) {
  Answer answer = answer_of(tcb_info("TDX", kFmspc));
  answer.content_type = "Text/HTML; charset=utf-8";
  EXPECT_EQ(refusal(want_of(Kind::kTcbInfo), answer), "collateral.fetch.content_type");
  answer.content_type = "text/plain";
  EXPECT_EQ(refusal(want_of(Kind::kTcbInfo), answer), "accepted");
}

}  // namespace
}  // namespace gateway::fetch
