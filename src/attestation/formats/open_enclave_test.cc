#include "attestation/formats/open_enclave.h"

#include "attestation/formats/testing.h"
#include "crypto/vectors_for_test.h"

namespace gateway::attestation::formats {
namespace {

using testing::bound;
using testing::padded;
using testing::refusal;
using testing::sgx_quote;

constexpr ByteArray<16> kSgxEcdsa = {0xa3, 0xa2, 0x1e, 0x87, 0x1b, 0x4d, 0x40, 0x14,
                                     0xb7, 0x0a, 0xa1, 0x25, 0xd2, 0xfb, 0xcd, 0x8c};

Bytes report(ByteView quote, std::uint32_t type = 2, std::uint64_t more = 0) {
  ByteWriter writer;
  writer.u32le(1);
  writer.u32le(type);
  writer.u64le(quote.size() + more);
  writer.put(quote);
  return std::move(writer).take();
}
Bytes evidence(ByteView body, ByteView format = kSgxEcdsa, std::uint64_t more = 0) {
  ByteWriter writer;
  writer.u32le(3);
  writer.put(format);
  writer.u32le(0x01020304);
  writer.u64le(body.size() + more);
  writer.put(body);
  return std::move(writer).take();
}
Bytes with_claims(ByteView claims) {
  Bytes body = sgx_quote(crypto::sha256(claims));
  append(body, claims);
  return body;
}
std::string pem() { return testing::public_key().to_pem().value(); }

TEST(OpenEnclave, StripsTheHeaderOfAReport) {
  const Bytes quote = sgx_quote(Bytes(64, 1));
  const Bytes input = report(quote);
  EXPECT_TRUE(looks_like_open_enclave(input));
  const auto found = carried_open_enclave(input);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kOpenEnclaveReport);
  EXPECT_EQ(found->evidence, quote);
  EXPECT_TRUE(found->public_key.empty());
  EXPECT_EQ(bound(*found, Bytes(64, 1)), "carrier.unbound");
}

TEST(OpenEnclave, StripsHeaderAndClaimsOfEvidence) {
  const Bytes claims = to_bytes(std::string_view("some claims"));
  const Bytes body = with_claims(claims);
  for (const Bytes& input : {evidence(body), body}) {
    EXPECT_TRUE(looks_like_open_enclave(input));
    const auto found = carried_open_enclave(input);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->format, Carrier::kOpenEnclaveEvidence);
    EXPECT_EQ(found->evidence, sgx_quote(crypto::sha256(claims)));
  }
}

TEST(OpenEnclave, LeavesQuotesAloneThatAreNotOpenEnclaves) {
  EXPECT_FALSE(looks_like_open_enclave(sgx_quote(Bytes(64, 1))));
  EXPECT_FALSE(looks_like_open_enclave(sgx_quote(crypto::sha256(ByteView{}))));
  Bytes trailing = sgx_quote(Bytes(64, 1));
  trailing.resize(trailing.size() + 40, 0);
  EXPECT_FALSE(looks_like_open_enclave(trailing));
  Bytes snp(1184, 0);
  snp[0] = 3;
  EXPECT_FALSE(looks_like_open_enclave(snp));
  EXPECT_FALSE(looks_like_open_enclave({}));
  EXPECT_FALSE(looks_like_open_enclave(Bytes{1, 0, 0, 0}));
  EXPECT_FALSE(looks_like_open_enclave(Bytes{1, 0, 0, 0, 3, 0, 0, 0}));
}

TEST(OpenEnclave, RefusesSizesThatAreNotTheFiles) {
  const Bytes body = with_claims(as_bytes("c"));
  EXPECT_EQ(refusal(parse_open_enclave(report(body, 2, 1))), "carrier.open_enclave.size");
  EXPECT_EQ(refusal(parse_open_enclave(evidence(body, kSgxEcdsa, 1))), "carrier.open_enclave.size");
  Bytes longer = evidence(body);
  longer.push_back(0);
  EXPECT_EQ(refusal(parse_open_enclave(longer)), "carrier.open_enclave.size");
}

TEST(OpenEnclave, RefusesWhatHoldsNoWholeQuote) {
  EXPECT_EQ(refusal(parse_open_enclave(evidence({}))), "carrier.open_enclave.size");
  Bytes cut = sgx_quote(Bytes(64, 1));
  cut.pop_back();
  EXPECT_EQ(refusal(parse_open_enclave(evidence(cut))), "carrier.open_enclave.size");
  Bytes version = with_claims(as_bytes("c"));
  version[0] = 4;
  EXPECT_EQ(refusal(parse_open_enclave(evidence(version))), "carrier.open_enclave.size");
}

TEST(OpenEnclave, RefusesLocalReportsAndOtherFormats) {
  const Bytes quote = sgx_quote(Bytes(64, 1));
  EXPECT_EQ(refusal(parse_open_enclave(report(quote, 1))), "carrier.open_enclave.type");
  EXPECT_EQ(refusal(parse_open_enclave(evidence(quote, Bytes(16, 7)))), "carrier.open_enclave.format");
}

TEST(OpenEnclave, RefusesHeadersThatAreCutShort) {
  const Bytes input = evidence(with_claims(as_bytes("c")));
  const Bytes older = report(sgx_quote(Bytes(64, 1)));
  for (std::size_t size = 0; size < 16; ++size) {
    EXPECT_EQ(refusal(parse_open_enclave(ByteView(older).first(size))), "carrier.open_enclave.truncated") << size;
  }
  for (std::size_t size = 0; size < 32; ++size) {
    EXPECT_EQ(refusal(parse_open_enclave(ByteView(input).first(size))), "carrier.open_enclave.truncated") << size;
  }
}

TEST(OpenEnclave, RefusesClaimsThatTheQuoteDoesNotVouchFor) {
  Bytes body = with_claims(as_bytes("claims"));
  body.back() ^= 1;
  EXPECT_EQ(refusal(parse_open_enclave(evidence(body))), "carrier.open_enclave.claims");
  EXPECT_EQ(refusal(parse_open_enclave(evidence(with_claims(Bytes(kMaxCustomClaims + 1))))),
            "carrier.open_enclave.claims");
  EXPECT_EQ(refusal(parse_open_enclave(evidence(with_claims(Bytes(kMaxCustomClaims))))), "accepted");
}

TEST(OpenEnclave, RefusesWhatIsTooLarge) {
  EXPECT_EQ(refusal(parse_open_enclave(Bytes(kMaxEvidenceSize + 1))), "carrier.evidence_size");
}

TEST(OpenEnclave, AReportInACertificateHashesThePublicKeyInPem) {
  const auto found = carried_open_enclave(report(sgx_quote(Bytes(64, 1))), testing::public_key());
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->public_key, testing::public_key().spki());
  EXPECT_EQ(bound(*found, padded(crypto::sha256(as_bytes(pem())))), "accepted");
  const std::string terminated = pem() + '\0';
  EXPECT_EQ(bound(*found, padded(crypto::sha256(as_bytes(terminated)))), "accepted");
  EXPECT_EQ(bound(*found, padded(crypto::sha256(as_bytes(testing::other_key().to_pem().value())))), "carrier.binding");
}

TEST(OpenEnclave, EvidenceInACertificateHasThePublicKeyAsClaims) {
  const std::string terminated = pem() + '\0';
  for (const std::string& text : {pem(), terminated}) {
    const auto found = carried_open_enclave(evidence(with_claims(as_bytes(text))), testing::public_key());
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(bound(*found, padded(crypto::sha256(as_bytes(text)))), "accepted");
    EXPECT_EQ(bound(*found, padded(crypto::sha256(as_bytes("else")))), "carrier.binding");
  }
  EXPECT_EQ(refusal(carried_open_enclave(evidence(with_claims(as_bytes(pem()))), testing::other_key())),
            "carrier.open_enclave.public_key");
  EXPECT_EQ(refusal(carried_open_enclave(evidence(with_claims({})), testing::public_key())),
            "carrier.open_enclave.public_key");
}

// Real evidence of an enclave: the quote, and no custom claims. The file has a notice of its licence in front.
TEST(OpenEnclave, ReadsRealEvidence) {
  GATEWAY_NEEDS_VECTORS();
  const std::string file = crypto::read_vector("sgx/oe/evidence.oe.bin");
  const std::size_t at = file.find(std::string("\x03\x00\x02\x00", 4));
  ASSERT_NE(at, std::string::npos);
  const ByteView quote = as_bytes(std::string_view(file).substr(at));
  const auto bare = parse_open_enclave(quote);
  ASSERT_TRUE(bare) << bare.error().message();
  EXPECT_TRUE(bare->custom_claims->empty());
  const auto wrapped = carried_open_enclave(evidence(quote));
  ASSERT_TRUE(wrapped) << wrapped.error().message();
  EXPECT_EQ(wrapped->evidence, to_bytes(quote));
  EXPECT_EQ(platform_hint(wrapped->evidence), Platform::kSgx);
}

}  // namespace
}  // namespace gateway::attestation::formats
