#include "attestation/snp/az_vtpm.h"

#include <gmock/gmock.h>

#include "attestation/snp/evidence.h"
#include "attestation/snp/tpm_quote.h"
#include "attestation/testing/fake_azure.h"

namespace gateway::attestation::snp {
namespace {

using attestation::testing::azure_json;
using attestation::testing::azure_parts;
using attestation::testing::azure_quote;
using attestation::testing::azure_runtime_data;
using attestation::testing::AzureParts;
using attestation::testing::AzureStyle;
using attestation::testing::fake_amd;

std::string refusal(std::string_view json) {
  CheckList checks;
  const auto parsed = parse_evidence(as_bytes(json), &checks);
  if (parsed) return "accepted";
  EXPECT_EQ(checks.lines().back().id, parsed.error().id());
  return std::string(parsed.error().id());
}
std::string refusal_of(const std::function<void(AzureParts&)>& before_signing,
                       const std::function<void(AzureParts&)>& after = {}) {
  AzureParts parts = azure_parts(before_signing);
  if (after) after(parts);
  return refusal(azure_json(parts, AzureStyle::kText));
}
std::string replaced(std::string json, std::string_view from, std::string_view to) {
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

TEST(SnpAzure, IsAuthenticWithItsOwnVcek) {
  const AzureParts parts = azure_parts();
  for (const AzureStyle style : {AzureStyle::kNumbers, AzureStyle::kText}) {
    const std::string json = azure_json(parts, style);
    EXPECT_TRUE(looks_like_snp(as_bytes(json)));
    const auto evidence = parse_evidence(as_bytes(json));
    ASSERT_TRUE(evidence) << evidence.error().message();
    EXPECT_EQ(evidence->format, "snp.az_vtpm");
    const auto claims = fake_amd().authenticate(as_bytes(json), {});
    ASSERT_TRUE(claims) << claims.error().message();
    ASSERT_TRUE(claims->snp().vtpm);
    EXPECT_EQ(claims->snp().vtpm->nonce, Bytes(16, 0x77));
    EXPECT_EQ(claims->snp().vtpm->pcrs.size(), kVtpmPcrs);
    EXPECT_EQ(claims->snp().vtpm->pcrs.at(23), Bytes(32, 23));
    EXPECT_EQ(claims->snp().runtime_data, to_bytes(std::string_view(parts.runtime_data)));
  }
}

TEST(SnpAzure, MayLeaveTheVcekToTheCollateral) {
  const std::string json = azure_json(azure_parts(), AzureStyle::kText);
  const std::string without = json.substr(0, json.find(",\"vcek\"")) + "}";
  EXPECT_EQ(fake_amd().authenticate(as_bytes(without), {}).error().id(), "snp.endorsement_missing");
  EXPECT_TRUE(fake_amd().authenticate(as_bytes(without), fake_amd().collateral()));
  EXPECT_TRUE(fake_amd().authenticate(as_bytes(without.substr(0, without.size() - 1) + ",\"vcek\":null}"),
                                      fake_amd().collateral()));
}

// The views point into what was decoded, wherever the evidence goes.
TEST(SnpAzure, CanBeCopiedAndMoved) {
  std::optional<UnverifiedEvidence> copy;
  {
    const std::string json = azure_json(azure_parts(), AzureStyle::kNumbers);
    auto evidence = parse_evidence(as_bytes(json));
    ASSERT_TRUE(evidence);
    copy = *evidence;
    const UnverifiedEvidence moved = *std::move(evidence);
  }
  EXPECT_TRUE(dangerous_authenticate_with_vendor_roots(*copy, {}, fake_amd().roots(), attestation::testing::kNow,
                                                       nullptr, nullptr));
}

TEST(SnpAzure, IsRecognised) {
  const auto looks = [](std::string_view text) { return looks_like_azure_vtpm(as_bytes(text)); };
  EXPECT_TRUE(looks(R"( {"hcl_report":1})"));
  EXPECT_TRUE(looks(R"({"quote":1,"report":2,"pcrs":3})"));
  EXPECT_FALSE(looks(R"({"hcl_report":1,"td_quote":2})"));  // TDX's
  EXPECT_FALSE(looks(R"({"quote":1,"report":2})"));
  EXPECT_FALSE(looks(R"(["hcl_report"])"));
  EXPECT_FALSE(looks(" "));
  EXPECT_FALSE(looks(""));
}

TEST(SnpAzure, RefusesOtherJson) {
  EXPECT_EQ(refusal(R"({"hcl_report":)"), "snp.vtpm.json");
  EXPECT_EQ(refusal(R"({"hcl_report":"","hcl_report":""})"), "snp.vtpm.json");
  EXPECT_EQ(refusal(azure_json(azure_parts(), AzureStyle::kText) + "x"), "snp.vtpm.json");
  CheckList checks;
  EXPECT_EQ(parse_azure_vtpm(as_bytes("[]"), checks).error().id(), "snp.vtpm.json");
  EXPECT_EQ(parse_azure_vtpm(Bytes(kMaxAzureSize + 1, ' '), checks).error().id(), "snp.vtpm.json");
}

TEST(SnpAzure, RefusesOtherVersions) {
  const std::string json = azure_json(azure_parts(), AzureStyle::kText);
  EXPECT_EQ(refusal(replaced(json, "\"version\":2", "\"version\":1")), "accepted");
  EXPECT_EQ(refusal(replaced(json, "\"version\":2", "\"version\":3")), "snp.vtpm.version");
  EXPECT_EQ(refusal(replaced(json, "\"version\":2", "\"version\":0")), "snp.vtpm.version");
  EXPECT_EQ(refusal(replaced(json, "\"version\":2", "\"version\":\"2\"")), "snp.vtpm.version");
}

TEST(SnpAzure, RefusesMembersThatAreNotThereOrNotBytes) {
  constexpr const char* kId = "snp.vtpm.member";
  for (const AzureStyle style : {AzureStyle::kNumbers, AzureStyle::kText}) {
    const bool text = style == AzureStyle::kText;
    const std::string json = azure_json(azure_parts(), style);
    for (const char* name : {"\"message\"", "\"signature\"", "\"pcrs\"", text ? "\"tpm_quote\"" : "\"quote\"",
                             text ? "\"hcl_report\"" : "\"report\""}) {
      // Renamed by a letter at its end, it is missing; the form is still recognised by `pcrs` and the rest.
      const std::string other = std::string(name).insert(std::string(name).size() - 1, "x");
      CheckList checks;
      EXPECT_EQ(parse_azure_vtpm(as_bytes(replaced(json, name, other)), checks).error().id(), kId) << name;
      EXPECT_EQ(
          parse_azure_vtpm(as_bytes(replaced(json, std::string(name) + ":", std::string(name) + ":7,\"y\":")), checks)
              .error()
              .id(),
          kId)
          << name;
    }
    EXPECT_EQ(refusal(replaced(json, "\"vcek\":\"", "\"vcek\":\"%")), kId);
  }
  const std::string numbers = azure_json(azure_parts(), AzureStyle::kNumbers);
  EXPECT_EQ(refusal(replaced(numbers, "\"message\":[255", "\"message\":[256")), kId);
  EXPECT_EQ(refusal(replaced(numbers, "\"message\":[255", "\"message\":[-1")), kId);
  EXPECT_EQ(refusal(replaced(numbers, "\"message\":[255", "\"message\":[1.5")), kId);
  EXPECT_EQ(refusal(replaced(numbers, "BEGIN CERTIFICATE", "BEGIN CERTIFICATX")), kId);
  AzureParts parts = azure_parts();
  parts.pcrs.emplace_back(32, 0);
  EXPECT_EQ(refusal(azure_json(parts, AzureStyle::kText)), kId);
}

TEST(SnpAzure, RefusesRuntimeDataWithoutOneAttestationKey) {
  constexpr const char* kId = "snp.vtpm.key";
  const auto runtime = [](const std::function<std::string(std::string)>& change) {
    return refusal_of([&](AzureParts& parts) { parts.runtime_data = change(parts.runtime_data); });
  };
  EXPECT_EQ(runtime([](const std::string&) { return azure_runtime_data("HCLAkPux"); }), kId);
  EXPECT_EQ(runtime([](const std::string& data) { return replaced(data, "HCLEkPub", "HCLAkPub"); }), kId);
  EXPECT_EQ(runtime([](const std::string&) { return std::string("no JSON"); }), kId);
  EXPECT_EQ(runtime([](const std::string&) { return std::string("[]"); }), kId);
  EXPECT_EQ(runtime([](const std::string&) { return std::string(R"({"keys":7})"); }), kId);
  EXPECT_EQ(runtime([](const std::string&) { return std::string(R"({"keys":[7]})"); }), kId);
  const auto key = [&](const char* text) {
    return runtime([&](const std::string&) { return R"({"keys":[{"kid":"HCLAkPub",)" + std::string(text) + "}]}"; });
  };
  EXPECT_EQ(key(R"("kty":"EC","n":"AQAB","e":"AQAB")"), kId);
  EXPECT_EQ(key(R"("kty":"RSA","e":"AQAB")"), kId);
  EXPECT_EQ(key(R"("kty":"RSA","n":"AQAB")"), kId);
  EXPECT_EQ(key(R"("kty":"RSA","n":"","e":"AQAB")"), kId);
  EXPECT_EQ(key(R"("kty":"RSA","n":"AQAB","e":"AQAB")"), kId);  // 24 bits
}

TEST(SnpAzure, RefusesAnotherKeysQuote) {
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.signature.back() ^= 1U; }), "snp.vtpm.signature");
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.signature.clear(); }), "snp.vtpm.signature");
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.message = azure_quote(Bytes(16, 0x78), parts.pcrs); }),
            "snp.vtpm.signature");
}

TEST(SnpAzure, RefusesQuotesOfAnotherShape) {
  constexpr const char* kId = "snp.vtpm.quote";
  const auto message = [](const std::function<void(Bytes&)>& change) {
    return refusal_of([&](AzureParts& parts) { change(parts.message); });
  };
  // magic, type, signer (36), nonce (18), clock and firmware (25), count, bank, octets, bits, digest (34)
  EXPECT_EQ(message([](Bytes& bytes) { bytes[0] = 0; }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes[5] = 0x17; }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes.at(4 + 2 + 36 + 18 + 25 + 3) = 2; }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes.at(4 + 2 + 36 + 18 + 25 + 4 + 1) = 0x0c; }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes.push_back(0); }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes.resize(kMaxQuoteSize + 1); }), kId);
  EXPECT_EQ(message([](Bytes& bytes) { bytes.clear(); }), kId);
  const Bytes whole = azure_parts().message;
  for (std::size_t size = 0; size < whole.size(); size += 5) {
    EXPECT_EQ(message([&](Bytes& bytes) { bytes.resize(size); }), kId) << size;
  }
  const auto nonce = [](std::size_t size) {
    return refusal_of([&](AzureParts& parts) { parts.message = azure_quote(Bytes(size), parts.pcrs); });
  };
  EXPECT_EQ(nonce(0), "accepted");
  EXPECT_EQ(nonce(64), "accepted");
  EXPECT_EQ(nonce(65), kId);
  // A selection of two octets, a digest of 31 bytes.
  EXPECT_EQ(message([](Bytes& bytes) {
              bytes.at(4 + 2 + 36 + 18 + 25 + 4 + 2) = 2;
              bytes.erase(bytes.begin() + 4 + 2 + 36 + 18 + 25 + 4 + 3);
            }),
            kId);
  EXPECT_EQ(message([](Bytes& bytes) {
              bytes.at(bytes.size() - 33) = 31;
              bytes.pop_back();
            }),
            kId);
}

TEST(SnpAzure, RefusesOtherRegisters) {
  constexpr const char* kId = "snp.vtpm.pcrs";
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.pcrs[7][0] ^= 1U; }), kId);
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.pcrs.pop_back(); }), kId);
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { std::swap(parts.pcrs[1], parts.pcrs[2]); }), kId);
  // A byte that moves from one register to the next leaves the digest as it was.
  EXPECT_EQ(refusal_of({},
                       [](AzureParts& parts) {
                         parts.pcrs[2].insert(parts.pcrs[2].begin(), parts.pcrs[1].back());
                         parts.pcrs[1].pop_back();
                       }),
            kId);
}

TEST(SnpAzure, ClaimsTheSelectedRegistersAlone) {
  const AzureParts parts = azure_parts([](AzureParts& made) {
    made.message = azure_quote(Bytes(16, 0x77), {made.pcrs[0], made.pcrs[9]});
    const std::size_t bits = 4 + 2 + 36 + 18 + 25 + 4 + 2 + 1;
    made.message.at(bits) = 0x01;
    made.message.at(bits + 1) = 0x02;
    made.message.at(bits + 2) = 0x00;
  });
  const auto evidence = parse_evidence(as_bytes(azure_json(parts, AzureStyle::kText)));
  ASSERT_TRUE(evidence) << evidence.error().message();
  EXPECT_EQ(evidence->vtpm->pcrs.size(), 2U);
  EXPECT_TRUE(evidence->vtpm->pcrs.contains(0) && evidence->vtpm->pcrs.contains(9));
}

TEST(SnpAzure, JudgesTheReportInside) {
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.hcl[0x20] = 9; }), "snp.report.version");
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.hcl[0] = 0; }), "snp.hcl.header");
  EXPECT_EQ(refusal_of({}, [](AzureParts& parts) { parts.hcl.clear(); }), "snp.hcl.size");
  AzureParts parts = azure_parts();
  parts.hcl[0x20 + 0x90] ^= 1U;
  EXPECT_EQ(fake_amd().authenticate(as_bytes(azure_json(parts, AzureStyle::kText)), {}).error().id(), "snp.signature");
}

}  // namespace
}  // namespace gateway::attestation::snp
