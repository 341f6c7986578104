#include "attestation/formats/ra_tls.h"

#include "attestation/formats/testing.h"
#include "codec/der.h"

namespace gateway::attestation::formats {
namespace {

using codec::CborWriter;
using testing::bound;
using testing::good_claims;
using testing::key_hash_entry;
using testing::padded;
using testing::ra_tls;
using testing::ra_tls_claims;
using testing::refusal;

const Bytes kEvidence(100, 0x42);

Result<CarriedEvidence> parsed(ByteView extension) { return parse_ra_tls(extension, testing::public_key()); }
std::string judged(ByteView extension) { return refusal(parsed(extension)); }
std::string judged_claims(ByteView claims) { return judged(ra_tls(kEvidence, claims)); }
Bytes octets(ByteView content) { return codec::der(codec::der_tag::kOctetString, {content}); }
Bytes utf8(std::string_view text) { return codec::der(codec::der_tag::kUtf8String, {as_bytes(text)}); }
Bytes taken(CborWriter& writer) { return std::move(writer).take(); }

TEST(RaTls, YieldsTheEvidenceBoundToTheClaims) {
  const auto found = parsed(ra_tls(kEvidence, good_claims()));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->format, Carrier::kRaTls);
  EXPECT_EQ(found->evidence, kEvidence);
  EXPECT_EQ(found->public_key, testing::public_key().spki());
  EXPECT_TRUE(found->nonce.empty());
  const auto claims = crypto::sha256(good_claims());
  EXPECT_EQ(bound(*found, padded(claims)), "accepted");
  EXPECT_EQ(bound(*found, padded(crypto::sha256(testing::public_key().spki()))), "carrier.binding");
}

TEST(RaTls, AcceptsEachHashOfThePublicKeyAndNoOther) {
  const Bytes& spki = testing::public_key().spki();
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(1, crypto::sha256(spki)))), "accepted");
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(7, crypto::sha384(spki)))), "accepted");
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(8, crypto::sha512(spki)))), "accepted");
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(2, crypto::sha256(spki)))), "carrier.ra_tls.hash");
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(7, crypto::sha256(spki)))), "carrier.ra_tls.public_key");
  const auto other = crypto::sha256(testing::other_key().spki());
  EXPECT_EQ(judged_claims(ra_tls_claims(key_hash_entry(1, other))), "carrier.ra_tls.public_key");
}

TEST(RaTls, KeepsTheNonceAndPassesOverOtherClaims) {
  CborWriter claims;
  claims.map(3).text("other").array(1).boolean(true).text("pubkey-hash");
  claims.bytes(key_hash_entry(1, crypto::sha256(testing::public_key().spki()))).text("nonce").bytes(Bytes(8, 9));
  const auto found = parsed(ra_tls(kEvidence, claims.view()));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->nonce, Bytes(8, 9));
}

TEST(RaTls, RefusesClaimsThatDoNotNameTheKey) {
  CborWriter empty, list, number, name, nonce;
  EXPECT_EQ(judged_claims(empty.map(0).view()), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(list.array(0).view()), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(number.map(1).unsigned_integer(1).unsigned_integer(2).view()), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(name.map(1).text("pubkey-hash").text("x").view()), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(nonce.map(1).text("nonce").unsigned_integer(1).view()), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims({}), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(Bytes{0xbf, 0xff}), "carrier.ra_tls.claims");  // of indefinite length
  EXPECT_EQ(judged_claims(Bytes(kMaxRaTlsClaims + 1, 0)), "carrier.ra_tls.claims");
}

TEST(RaTls, RefusesHashesThatAreNoPair) {
  const auto hash = crypto::sha256(testing::public_key().spki());
  CborWriter three, text, one;
  EXPECT_EQ(judged_claims(ra_tls_claims({})), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(ra_tls_claims(one.array(1).unsigned_integer(1).view())), "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(ra_tls_claims(three.array(3).unsigned_integer(1).bytes(hash).null().view())),
            "carrier.ra_tls.claims");
  EXPECT_EQ(judged_claims(ra_tls_claims(text.array(2).text("sha-256").bytes(hash).view())), "carrier.ra_tls.claims");
}

TEST(RaTls, RefusesOtherTags) {
  for (const std::uint64_t tag : {60'001U, 60'002U, 18U}) {
    EXPECT_EQ(judged(ra_tls(kEvidence, good_claims(), tag)), "carrier.ra_tls.tag");
  }
}

TEST(RaTls, RefusesOtherStructures) {
  CborWriter pair, triple, texts;
  pair.tag(60'000).array(1).bytes(kEvidence);
  EXPECT_EQ(judged(pair.view()), "carrier.ra_tls.encoding");
  triple.tag(60'000).array(3).bytes(kEvidence).bytes(good_claims()).null();
  EXPECT_EQ(judged(triple.view()), "carrier.ra_tls.encoding");
  texts.tag(60'000).array(2).text("quote").bytes(good_claims());
  EXPECT_EQ(judged(texts.view()), "carrier.ra_tls.encoding");
  Bytes trailing = ra_tls(kEvidence, good_claims());
  trailing.push_back(0);
  EXPECT_EQ(judged(trailing), "carrier.ra_tls.encoding");
  EXPECT_EQ(judged({}), "carrier.ra_tls.encoding");
  EXPECT_EQ(judged(Bytes{0xd9, 0xea, 0x60, 0x9f, 0x41, 0x01, 0x41, 0x02, 0xff}), "carrier.ra_tls.encoding");
}

TEST(RaTls, RefusesWhatIsTooLarge) {
  EXPECT_EQ(judged(Bytes(kMaxRaTlsExtension + 1)), "carrier.ra_tls.size");
  EXPECT_EQ(judged(ra_tls(Bytes(kMaxEvidenceSize + 1), good_claims())), "carrier.evidence_size");
  EXPECT_EQ(judged(ra_tls({}, good_claims())), "carrier.evidence_size");
}

TEST(Cmw, YieldsTheEvidenceBoundToAHashOfTheKey) {
  CborWriter record, number, indicated, tagged;
  record.array(2).text("application/x").bytes(kEvidence);
  number.array(2).unsigned_integer(30'001).bytes(kEvidence);
  indicated.array(3).text("application/x").bytes(kEvidence).unsigned_integer(4);
  tagged.tag(1668546817 + 10'571).bytes(kEvidence);
  const std::string json = "[\"application/x\",\"" + to_base64url(kEvidence) + "\",4]";
  const Bytes& spki = testing::public_key().spki();
  for (const Bytes& extension : {taken(record), taken(number), octets(indicated.view()), taken(tagged), utf8(json)}) {
    const auto found = parsed(extension);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->format, Carrier::kCmw);
    EXPECT_EQ(found->evidence, kEvidence);
    EXPECT_EQ(bound(*found, padded(crypto::sha256(spki))), "accepted");
    EXPECT_EQ(bound(*found, padded(crypto::sha384(spki))), "accepted");
    EXPECT_EQ(bound(*found, to_bytes(ByteView(crypto::sha512(spki)))), "accepted");
    EXPECT_EQ(bound(*found, padded(crypto::sha256(testing::other_key().spki()))), "carrier.binding");
  }
}

TEST(Cmw, MayHoldTheTaggedFormOfRaTls) {
  EXPECT_EQ(parsed(octets(ra_tls(kEvidence, good_claims()))).value().format, Carrier::kRaTls);
}

TEST(Cmw, RefusesMessagesThatAreNotEvidence) {
  CborWriter endorsements;
  endorsements.array(3).text("application/x").bytes(kEvidence).unsigned_integer(2);
  EXPECT_EQ(judged(endorsements.view()), "carrier.cmw.type");
  EXPECT_EQ(judged(utf8("[\"application/x\",\"" + to_base64url(kEvidence) + "\",3]")), "carrier.cmw.type");
}

TEST(Cmw, RefusesCollections) {
  CborWriter map;
  map.map(1).text("a").array(2).text("application/x").bytes(kEvidence);
  EXPECT_EQ(judged(map.view()), "carrier.cmw.collection");
  EXPECT_EQ(judged(utf8("{\"a\":[\"application/x\",\"AAAA\"]}")), "carrier.cmw.collection");
}

TEST(Cmw, RefusesRecordsOfAnotherShape) {
  CborWriter one, four, type, value, indicator, scalar, tagged;
  EXPECT_EQ(judged(one.array(1).text("a").view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(four.array(4).text("a").bytes(kEvidence).unsigned_integer(4).null().view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(type.array(2).bytes(kEvidence).bytes(kEvidence).view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(value.array(2).text("a").text("b").view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(indicator.array(3).text("a").bytes(kEvidence).text("4").view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(scalar.unsigned_integer(1).view()), "carrier.cmw.encoding");
  EXPECT_EQ(judged(tagged.tag(1668546817).text("a").view()), "carrier.cmw.encoding");
  for (const char* const json : {"", "1", "[]", "[\"a\"]", "[\"a\",\"AAAA\",4,1]", "[1,\"AAAA\"]", "[\"a\",1]",
                                 "[\"a\",\"A A\"]", "[\"a\",\"AAAA\",\"4\"]", "[\"a\",\"AAAA\",-4]"}) {
    EXPECT_EQ(judged(utf8(json)), "carrier.cmw.encoding") << json;
  }
  Bytes trailing = octets(ra_tls(kEvidence, good_claims()));
  trailing.push_back(0);
  EXPECT_EQ(judged(trailing), "carrier.cmw.encoding");
}

TEST(Cmw, RefusesEmptyEvidence) {
  CborWriter record;
  EXPECT_EQ(judged(record.array(2).text("a").bytes({}).view()), "carrier.evidence_size");
}

}  // namespace
}  // namespace gateway::attestation::formats
