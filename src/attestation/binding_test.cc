#include "attestation/binding.h"

#include <gtest/gtest.h>

#include "codec/cbor.h"

namespace gateway::attestation {
namespace {

using codec::CborWriter;

template <std::size_t N>
ByteArray<N> filled(std::uint8_t value) {
  ByteArray<N> out{};
  out.fill(value);
  return out;
}

const crypto::PrivateKey& identity() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  return key;
}

KeysStatement keys() {
  return {.platform = Platform::kLocal,
          .ik_spki = identity().public_key().spki(),
          .hpke_config = Bytes(40, 7),
          .config_digest = filled<48>(1),
          .manifest_digest = {}};
}

SessionStatement session() {
  return {.role = SessionRole::kServer,
          .keys_digest = crypto::sha384(encode_keys(keys())),
          .nonce = filled<32>(2),
          .exporter = filled<32>(3),
          .server_spki = filled<32>(4)};
}

SessionFacts facts() {
  return {
      .role = SessionRole::kServer, .nonce = filled<32>(2), .exporter = filled<32>(3), .server_spki = filled<32>(4)};
}

Bytes sign(ByteView s, const crypto::PrivateKey& key = identity()) {
  return key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, s).value();
}

AttestationResponse response() {
  const Bytes s = encode_session(session());
  return {.q = encode_quote(encode_keys(keys()), {}),
          .evidence = Bytes(100, 5),
          .s = s,
          .signature = sign(s),
          .collateral = {Bytes(3, 6), Bytes(4, 7)}};
}

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "" : std::string(result.error().id());
}

// Any single byte changed, dropped or added must be refused, or decode to something that encodes to exactly itself.
template <class Parse, class Encode>
void expect_one_encoding(const Bytes& good, Parse parse, Encode encode) {
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned flip : {0x01U, 0x20U, 0x80U}) {
      Bytes changed = good;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
      const auto parsed = parse(changed);
      EXPECT_TRUE(!parsed || encode(*parsed) == changed) << at;
    }
    EXPECT_FALSE(parse(ByteView(good).first(at))) << at;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(parse(longer));
}

TEST(Binding, KeysComeBackAsTheyWere) {
  KeysStatement with_manifest = keys();
  with_manifest.manifest_digest = Bytes(48, 9);
  for (const KeysStatement& statement : {keys(), with_manifest}) {
    const Bytes k = encode_keys(statement);
    const auto parsed = parse_keys(k);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->platform, statement.platform);
    EXPECT_EQ(parsed->ik_spki, statement.ik_spki);
    EXPECT_EQ(parsed->hpke_config, statement.hpke_config);
    EXPECT_EQ(parsed->config_digest, statement.config_digest);
    EXPECT_EQ(parsed->manifest_digest, statement.manifest_digest);
  }
}

// The exact bytes, so that another implementation can be held to them.
TEST(Binding, KeysAreEncodedAsThePagesSay) {
  const KeysStatement small{.platform = Platform::kNitro,
                            .ik_spki = {1, 2},
                            .hpke_config = {},
                            .config_digest = filled<48>(0xcc),
                            .manifest_digest = {}};
  EXPECT_EQ(to_hex(encode_keys(small)),
            "866f676174657761792f6b6579732f7631656e6974726f420102405830" + std::string(96, 'c') + "40");
  EXPECT_EQ(to_hex(encode_quote(ByteArray<1>{{0xaa}}, std::vector<Nonce>{filled<32>(0xbb)})),
            "8370676174657761792f71756f74652f763141aa815820" + std::string(64, 'b'));
}

TEST(Binding, EveryStatementHasOneEncoding) {
  expect_one_encoding(encode_keys(keys()), parse_keys, encode_keys);
  const std::vector<Nonce> nonces{filled<32>(1), filled<32>(2)};
  expect_one_encoding(encode_quote(encode_keys(keys()), nonces), parse_quote,
                      [](const QuoteStatement& quote) { return encode_quote(quote.k, quote.nonces); });
  expect_one_encoding(encode_session(session()), parse_session, encode_session);
  expect_one_encoding(encode_response(response()), parse_response, encode_response);
}

TEST(Binding, RefusesBadKeys) {
  const auto with = [](const std::function<void(KeysStatement&)>& change) {
    KeysStatement changed = keys();
    change(changed);
    return refusal(parse_keys(encode_keys(changed)));
  };
  EXPECT_EQ(with([](KeysStatement&) {}), "");
  EXPECT_EQ(with([](KeysStatement& k) { k.ik_spki.clear(); }), "binding.keys");
  EXPECT_EQ(with([](KeysStatement& k) { k.ik_spki.resize(kMaxIdentityKeySize + 1); }), "binding.keys");
  EXPECT_EQ(with([](KeysStatement& k) { k.hpke_config.resize(kMaxHpkeConfigSize + 1); }), "binding.keys");
  for (const std::size_t size : {1UZ, 32UZ, 47UZ, 49UZ}) {
    EXPECT_EQ(with([=](KeysStatement& k) { k.manifest_digest.resize(size); }), "binding.keys");
  }
  EXPECT_EQ(refusal(parse_keys({})), "binding.keys");
  // Another statement's bytes, an unknown platform, an array of five.
  EXPECT_EQ(refusal(parse_keys(encode_session(session()))), "binding.keys");
  CborWriter unknown;
  unknown.array(6).text("gateway/keys/v1").text("qemu").bytes(Bytes{1}).bytes({}).bytes(Bytes(48)).bytes({});
  EXPECT_EQ(refusal(parse_keys(unknown.view())), "binding.keys");
  CborWriter five;
  five.array(5).text("gateway/keys/v1").text("local").bytes(Bytes{1}).bytes({}).bytes(Bytes(48));
  EXPECT_EQ(refusal(parse_keys(five.view())), "binding.keys");
}

TEST(Binding, RefusesOtherEncodingsOfTheSameStatement) {
  const Bytes k = encode_keys(keys());
  Bytes indefinite = k;
  indefinite[0] = 0x9f;
  indefinite.push_back(0xff);
  EXPECT_EQ(refusal(parse_keys(indefinite)), "binding.keys");
  Bytes long_head{0x98, 0x06};
  append(long_head, ByteView(k).subspan(1));
  EXPECT_EQ(refusal(parse_keys(long_head)), "binding.keys");
}

TEST(Binding, QuotesCarryUpTo64Nonces) {
  for (const std::size_t count : {0UZ, 1UZ, kMaxNoncesPerQuote}) {
    const std::vector<Nonce> nonces(count, filled<32>(9));
    const auto parsed = parse_quote(encode_quote(encode_keys(keys()), nonces));
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->nonces, nonces);
    EXPECT_EQ(parsed->k, encode_keys(keys()));
  }
  const std::vector<Nonce> more(kMaxNoncesPerQuote + 1, filled<32>(9));
  EXPECT_EQ(refusal(parse_quote(encode_quote(encode_keys(keys()), more))), "binding.quote");
}

TEST(Binding, RefusesBadQuotes) {
  EXPECT_EQ(refusal(parse_quote(encode_quote({}, {}))), "binding.quote");
  EXPECT_EQ(refusal(parse_quote(encode_quote(Bytes(kMaxKeysSize + 1), {}))), "binding.quote");
  CborWriter short_nonce;
  short_nonce.array(3).text("gateway/quote/v1").bytes(Bytes{1}).array(1).bytes(Bytes(31));
  EXPECT_EQ(refusal(parse_quote(short_nonce.view())), "binding.quote");
  CborWriter no_array;
  no_array.array(3).text("gateway/quote/v1").bytes(Bytes{1}).bytes(Bytes(32));
  EXPECT_EQ(refusal(parse_quote(no_array.view())), "binding.quote");
}

TEST(Binding, ReportDataIsTheHashOfTheQuoteStatement) {
  const Bytes q = encode_quote(encode_keys(keys()), {});
  EXPECT_EQ(report_data_of(q), crypto::sha512(q));
}

TEST(Binding, RefusesBadSessions) {
  CborWriter role;
  role.array(6)
      .text("gateway/session/v1")
      .text("broker")
      .bytes(Bytes(48))
      .bytes(Bytes(32))
      .bytes(Bytes(32))
      .bytes(Bytes(32));
  EXPECT_EQ(refusal(parse_session(role.view())), "binding.session");
  CborWriter short_digest;
  short_digest.array(6)
      .text("gateway/session/v1")
      .text("server")
      .bytes(Bytes(32))
      .bytes(Bytes(32))
      .bytes(Bytes(32))
      .bytes(Bytes(32));
  EXPECT_EQ(refusal(parse_session(short_digest.view())), "binding.session");
  EXPECT_EQ(refusal(parse_session(encode_keys(keys()))), "binding.session");
}

TEST(Binding, ResponsesComeBackAsTheyWere) {
  const auto parsed = parse_response(encode_response(response()));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->q, response().q);
  EXPECT_EQ(parsed->evidence, response().evidence);
  EXPECT_EQ(parsed->s, response().s);
  EXPECT_EQ(parsed->signature.size(), 64U);
  EXPECT_EQ(parsed->collateral, response().collateral);
}

TEST(Binding, RefusesBadResponses) {
  const auto with = [](const std::function<void(AttestationResponse&)>& change) {
    AttestationResponse changed = response();
    change(changed);
    return refusal(parse_response(encode_response(changed)));
  };
  EXPECT_EQ(with([](AttestationResponse& r) { r.q.clear(); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.q.resize(kMaxQuoteSize + 1); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.evidence.clear(); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.evidence.resize(kMaxEvidenceSize + 1); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.s.clear(); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.s.resize(kMaxSessionSize + 1); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.signature.resize(63); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.signature.resize(72); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.collateral.resize(kMaxCollateral + 1, Bytes(1)); }),
            "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.collateral[0].clear(); }), "binding.response");
  EXPECT_EQ(with([](AttestationResponse& r) { r.collateral[0].resize(kMaxResponseSize); }), "binding.response");
}

TEST(Binding, AcceptsASessionThatIsThisOne) {
  const Bytes s = encode_session(session());
  const auto status = verify_session(s, sign(s), encode_keys(keys()), facts());
  EXPECT_TRUE(status) << status.error().message();
}

TEST(Binding, RefusesASessionThatIsNotThisOne) {
  const Bytes k = encode_keys(keys());
  const auto with = [&](const std::function<void(SessionStatement&)>& change) {
    SessionStatement changed = session();
    change(changed);
    const Bytes s = encode_session(changed);
    return refusal(verify_session(s, sign(s), k, facts()));
  };
  EXPECT_EQ(with([](SessionStatement& s) { s.role = SessionRole::kClient; }), "binding.session.role");
  EXPECT_EQ(with([](SessionStatement& s) { s.keys_digest[0] ^= 1; }), "binding.session.keys");
  EXPECT_EQ(with([](SessionStatement& s) { s.nonce[31] ^= 1; }), "binding.session.nonce");
  EXPECT_EQ(with([](SessionStatement& s) { s.exporter[0] ^= 1; }), "binding.session.exporter");
  EXPECT_EQ(with([](SessionStatement& s) { s.server_spki[0] ^= 1; }), "binding.session.server_key");
}

TEST(Binding, RefusesASessionUnderOtherKeys) {
  KeysStatement other = keys();
  other.config_digest[0] ^= 1;
  const Bytes s = encode_session(session());
  EXPECT_EQ(refusal(verify_session(s, sign(s), encode_keys(other), facts())), "binding.session.keys");
}

TEST(Binding, RefusesASessionThatTheIdentityKeyDidNotSign) {
  const Bytes k = encode_keys(keys());
  const Bytes s = encode_session(session());
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
  EXPECT_EQ(refusal(verify_session(s, sign(s, other), k, facts())), "binding.session.signature");
  Bytes changed = sign(s);
  changed[10] ^= 1;
  EXPECT_EQ(refusal(verify_session(s, changed, k, facts())), "binding.session.signature");
  EXPECT_EQ(refusal(verify_session(s, {}, k, facts())), "binding.session.signature");
  EXPECT_EQ(refusal(verify_session(s, Bytes(64), k, facts())), "binding.session.signature");
}

TEST(Binding, RefusesAnIdentityKeyOfAnotherKind) {
  const auto p384 = crypto::PrivateKey::generate(crypto::KeyType::kP384).value();
  for (const Bytes& spki : {p384.public_key().spki(), Bytes(91, 1)}) {
    KeysStatement other = keys();
    other.ik_spki = spki;
    const Bytes k = encode_keys(other);
    SessionStatement statement = session();
    statement.keys_digest = crypto::sha384(k);
    const Bytes s = encode_session(statement);
    EXPECT_EQ(refusal(verify_session(s, sign(s, p384), k, facts())), "binding.session.signature");
  }
}

TEST(Binding, RefusesMalformedStatementsBeforeComparingThem) {
  const Bytes k = encode_keys(keys());
  const Bytes s = encode_session(session());
  EXPECT_EQ(refusal(verify_session(k, sign(k), k, facts())), "binding.session");
  EXPECT_EQ(refusal(verify_session(s, sign(s), s, facts())), "binding.keys");
}

}  // namespace
}  // namespace gateway::attestation
