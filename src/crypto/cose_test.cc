#include "crypto/cose.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "codec/der.h"
#include "codec/json.h"
#include "crypto/vectors_for_test.h"

namespace gateway::crypto {
namespace {

constexpr codec::CborLimits kLimits{.bytes = 4096, .depth = 6, .items = 100};

const PrivateKey& p384() {
  static const PrivateKey key = PrivateKey::generate(KeyType::kP384).value();
  return key;
}

std::string refusal(ByteView message) {
  const auto parsed = parse_cose_sign1(message, kLimits);
  return parsed ? "accepted" : std::string(parsed.error().id());
}
std::string refusal_hex(std::string_view message) { return refusal(from_hex(message).value()); }

TEST(Cose, TakesTheSignatureOfAKeyElsewhere) {
  const auto key = PrivateKey::generate(KeyType::kP384);
  ASSERT_TRUE(key);
  const Bytes payload = to_bytes("payload");
  const auto signature =
      key->sign(HashAlgorithm::kSha384, SignatureFormat::kRaw, cose_to_be_signed(payload, CoseAlgorithm::kEs384));
  ASSERT_TRUE(signature);
  const Bytes message = make_cose_sign1(payload, CoseAlgorithm::kEs384, *signature);
  const auto parsed = parse_cose_sign1(message, {.bytes = 4096, .depth = 6, .items = 64});
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(verify_cose_sign1(*parsed, key->public_key()));
}

TEST(Cose, VerifiesWhatItSigns) {
  const PrivateKey p256 = PrivateKey::generate(KeyType::kP256).value();
  const auto round = [](const PrivateKey& key, CoseAlgorithm algorithm) {
    const Bytes message = sign_cose_sign1(as_bytes("payload"), key, algorithm).value();
    const auto parsed = parse_cose_sign1(message, kLimits);
    EXPECT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->algorithm, algorithm);
    EXPECT_EQ(as_text(parsed->payload), "payload");
    EXPECT_TRUE(codec::CborReader::open(message, kLimits, codec::CborProfile::kDeterministic));
    return verify_cose_sign1(*parsed, key.public_key()).has_value();
  };
  EXPECT_TRUE(round(p384(), CoseAlgorithm::kEs384));
  EXPECT_TRUE(round(p384(), CoseAlgorithm::kEs512));
  EXPECT_TRUE(round(p256, CoseAlgorithm::kEs256));
  EXPECT_TRUE(round(p256, CoseAlgorithm::kEs512));
  EXPECT_EQ(sign_cose_sign1({}, p384(), CoseAlgorithm::kEs256).error().id(), "cose.algorithm");
}

TEST(Cose, RefusesAChangeAnywhere) {
  const Bytes message = sign_cose_sign1(as_bytes("payload"), p384(), CoseAlgorithm::kEs384).value();
  for (std::size_t bit = 0; bit < message.size() * 8; bit += 3) {
    Bytes changed = message;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto parsed = parse_cose_sign1(changed, kLimits);
    EXPECT_FALSE(parsed && verify_cose_sign1(*parsed, p384().public_key())) << bit;
  }
}

TEST(Cose, RefusesAnotherKeyAndOtherExternalData) {
  const Bytes message = sign_cose_sign1(as_bytes("payload"), p384(), CoseAlgorithm::kEs384).value();
  const auto parsed = parse_cose_sign1(message, kLimits).value();
  const PublicKey stranger = PrivateKey::generate(KeyType::kP384)->public_key();
  EXPECT_EQ(verify_cose_sign1(parsed, stranger).error().id(), "cose.signature");
  EXPECT_EQ(verify_cose_sign1(parsed, p384().public_key(), as_bytes("x")).error().id(), "cose.signature");
}

TEST(Cose, RefusesAHashShorterThanTheCurve) {
  const Bytes message = sign_cose_sign1({}, p384(), CoseAlgorithm::kEs384).value();
  auto parsed = parse_cose_sign1(message, kLimits).value();
  parsed.algorithm = CoseAlgorithm::kEs256;
  EXPECT_EQ(verify_cose_sign1(parsed, p384().public_key()).error().id(), "cose.algorithm");
}

TEST(Cose, RefusesOtherStructures) {
  EXPECT_EQ(refusal_hex("8443a10126a04040"), "accepted");
  EXPECT_EQ(refusal_hex("d28443a10126a04040"), "accepted");
  EXPECT_EQ(refusal_hex("d8628443a10126a04040"), "cose.structure");  // tag 98, COSE_Sign
  EXPECT_EQ(refusal_hex("d2d28443a10126a04040"), "cose.structure");
  EXPECT_EQ(refusal_hex("8343a10126a040"), "cose.structure");
  EXPECT_EQ(refusal_hex("8543a10126a0404040"), "cose.structure");
  EXPECT_EQ(refusal_hex("84a10126a04040"), "cose.structure");    // the protected header is not a string
  EXPECT_EQ(refusal_hex("8443a10126a0f640"), "cose.structure");  // a detached payload
  EXPECT_EQ(refusal_hex("8443a10126a04060"), "cose.structure");
  EXPECT_EQ(refusal_hex("a0"), "cose.structure");
  EXPECT_EQ(refusal_hex("8443a10126a0404000"), "cbor.trailing");
  EXPECT_EQ(refusal_hex("8443a10126a040"), "cbor.truncated");
  EXPECT_EQ(refusal(Bytes(5000)), "cbor.size");
}

TEST(Cose, RefusesBrokenHeaders) {
  EXPECT_EQ(refusal_hex("844181a04040"), "cose.header");        // not CBOR
  EXPECT_EQ(refusal_hex("844101a04040"), "cose.header");        // not a map
  EXPECT_EQ(refusal_hex("8444a1012600a04040"), "cose.header");  // trailing bytes
  EXPECT_EQ(refusal_hex("8443a10126804040"), "cose.header");    // the unprotected header is an array
  EXPECT_EQ(refusal_hex("8441a0a04040"), "cose.header");        // no algorithm at all
  EXPECT_EQ(refusal_hex("8440a04040"), "cose.header");
  EXPECT_EQ(refusal_hex("8443a10126a101264040"), "cose.header");  // an algorithm in both
  EXPECT_EQ(refusal_hex("8446a201260281"
                        "01a04040"),
            "cose.header");  // crit
  EXPECT_EQ(refusal_hex("8443a10126a1028101"
                        "4040"),
            "cose.header");
  EXPECT_EQ(refusal_hex("8444a1410100a04040"), "cose.header");    // a label that is a byte string
  EXPECT_EQ(refusal_hex("8445a201260126a04040"), "cose.header");  // alg twice
  EXPECT_EQ(refusal_hex("8443a10126a2044004404040"), "cbor.duplicate_key");
}

TEST(Cose, RefusesAHugeProtectedHeader) {
  codec::CborWriter header;
  header.map(2).integer(1).integer(-35).integer(4).bytes(Bytes(1024));
  codec::CborWriter message;
  message.array(4).bytes(header.view()).map(0).bytes({}).bytes({});
  EXPECT_EQ(refusal(message.view()), "cose.header");
}

TEST(Cose, RefusesOtherAlgorithms) {
  EXPECT_EQ(refusal_hex("8443a10127a04040"), "cose.algorithm");  // EdDSA
  EXPECT_EQ(refusal_hex("8443a10120a04040"), "cose.algorithm");  // -1, QEMU's
  EXPECT_EQ(refusal_hex("8443a10160a04040"), "cose.algorithm");  // a text
  EXPECT_EQ(refusal_hex("844ba1011bffffffffffffffffa04040"), "cose.algorithm");
  EXPECT_EQ(refusal_hex("8443a10105a04040"), "cose.algorithm");  // HMAC 256/256
}

TEST(Cose, PassesOverParametersThatAreNotCritical) {
  EXPECT_EQ(refusal_hex("8448a301260300617801a2044231316179804040"), "accepted");
}

PublicKey key_of(const boost::json::object& key) {
  const auto coordinate = [&](const char* name) {
    return from_base64url(std::string_view(key.at(name).as_string())).value();
  };
  const std::string_view curve(key.at("crv").as_string());
  const char* curve_oid = curve == "P-256" ? "1.2.840.10045.3.1.7" : curve == "P-384" ? "1.3.132.0.34" : "1.3.132.0.35";
  Bytes point = {0x04};
  append(point, coordinate("x"));
  append(point, coordinate("y"));
  namespace tag = codec::der_tag;
  return PublicKey::from_spki(
             codec::der(tag::kSequence, {codec::der(tag::kSequence, {codec::der_oid("1.2.840.10045.2.1").value(),
                                                                     codec::der_oid(curve_oid).value()}),
                                         codec::der_bit_string(point)}))
      .value();
}

boost::json::object load(const std::filesystem::path& path) {
  return codec::parse_json(read_vector(path), {}).value().as_object();
}

Bytes output_of(const boost::json::object& vector) {
  return from_hex(std::string_view(vector.at("output").at("cbor").as_string())).value();
}

// "verified", or the id of the refusal.
std::string verdict_on(const boost::json::object& vector) {
  const auto& sign0 = vector.at("input").at("sign0").as_object();
  const Bytes message = output_of(vector);
  const auto parsed = parse_cose_sign1(message, kLimits);
  if (!parsed) return std::string(parsed.error().id());
  Bytes external;
  if (const auto* given = sign0.if_contains("external")) {
    external = from_hex(std::string_view(given->as_string())).value();
  }
  const auto verified = verify_cose_sign1(*parsed, key_of(sign0.at("key").as_object()), external);
  return verified ? "verified" : std::string(verified.error().id());
}

TEST(Cose, JudgesTheWorkingGroupsExamples) {
  GATEWAY_NEEDS_VECTORS();
  const std::pair<const char*, const char*> expected[] = {
      {"sign1-tests_sign-pass-01", "verified"},       {"sign1-tests_sign-pass-02", "verified"},
      {"ecdsa-examples_ecdsa-sig-01", "verified"},    {"sign1-tests_sign-fail-01", "cose.structure"},
      {"sign1-tests_sign-fail-02", "cose.signature"}, {"sign1-tests_sign-fail-03", "cose.algorithm"},
      {"sign1-tests_sign-fail-06", "cose.signature"}, {"countersign1_signed1-01", "cose.algorithm"}};
  for (const auto& [name, verdict] : expected) {
    EXPECT_EQ(verdict_on(load(std::string("cose/") + name + ".json")), verdict) << name;
  }
}

// COSE_Sign with several signers is not read here, but its examples have keys, Sig_structures and raw signatures.
TEST(Cose, VerifiesTheSignaturesOfTheExamplesForSeveralSigners) {
  GATEWAY_NEEDS_VECTORS();
  const std::pair<const char*, HashAlgorithm> expected[] = {{"ecdsa-examples_ecdsa-02", HashAlgorithm::kSha384},
                                                            {"ecdsa-examples_ecdsa-03", HashAlgorithm::kSha512},
                                                            {"ecdsa-examples_ecdsa-04", HashAlgorithm::kSha512}};
  for (const auto& [name, hash] : expected) {
    const auto vector = load(std::string("cose/") + name + ".json");
    const Bytes message = output_of(vector);
    EXPECT_EQ(refusal(message), "cose.structure");
    auto reader = codec::CborReader::open(message, kLimits, codec::CborProfile::kGeneral).value();
    EXPECT_EQ(reader.tag().value(), 98U);
    ASSERT_TRUE(reader.array_of(4));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(reader.skip());
    ASSERT_TRUE(reader.array_of(1));
    ASSERT_TRUE(reader.array_of(3));
    ASSERT_TRUE(reader.skip());
    ASSERT_TRUE(reader.skip());
    const ByteView signature = reader.bytes().value();
    const auto& signer = vector.at("input").at("sign").at("signers").at(0);
    const auto& to_be_signed = vector.at("intermediates").at("signers").at(0).at("ToBeSign_hex");
    EXPECT_TRUE(key_of(signer.at("key").as_object())
                    .verify(hash, SignatureFormat::kRaw, from_hex(std::string_view(to_be_signed.as_string())).value(),
                            signature))
        << name;
  }
}

}  // namespace
}  // namespace gateway::crypto
