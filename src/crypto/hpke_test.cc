#include "crypto/hpke.h"

#include <gmock/gmock.h>
#include <openssl/err.h>

#include <map>
#include <sstream>

#include "codec/json.h"
#include "crypto/vectors_for_test.h"

#include <boost/json.hpp>

namespace gateway::crypto {

struct HpkeTestPeer {
  static void set_sequence(HpkeContext& context, std::uint64_t sequence) { context.sequence_ = sequence; }
};

namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

HpkeKeyPair pair_of(std::string_view private_key, std::string_view public_key) {
  HpkeKeyPair pair;
  std::ranges::copy(hex(public_key), pair.public_key.begin());
  pair.private_key = Secret(ByteView(hex(private_key)));
  return pair;
}

struct Session {
  HpkeContext sender;
  HpkeContext recipient;
};
Session session(AeadAlgorithm aead = AeadAlgorithm::kAes256Gcm) {
  const HpkeKeyPair pair = HpkeKeyPair::generate().value();
  HpkeSender sender = hpke_setup_sender({aead}, pair.public_key, as_bytes("info")).value();
  HpkeContext recipient = hpke_setup_recipient({aead}, pair, sender.enc, as_bytes("info")).value();
  return {std::move(sender.context), std::move(recipient)};
}

TEST(Hpke, CarriesMessagesInOrder) {
  for (const AeadAlgorithm aead :
       {AeadAlgorithm::kAes128Gcm, AeadAlgorithm::kAes256Gcm, AeadAlgorithm::kChaCha20Poly1305}) {
    Session both = session(aead);
    for (const std::string text : {"first", "", "third"}) {
      const Bytes sealed = both.sender.seal(as_bytes("aad"), as_bytes(text)).value();
      EXPECT_EQ(as_text(both.recipient.open(as_bytes("aad"), sealed).value()), text);
    }
    EXPECT_TRUE(equal(both.sender.export_secret(as_bytes("x"), 40)->reveal(),
                      both.recipient.export_secret(as_bytes("x"), 40)->reveal()));
  }
}

TEST(Hpke, RefusesWhatWasNotSealedToItAndStaysInPlace) {
  Session both = session();
  const Bytes first = both.sender.seal({}, as_bytes("first")).value();
  const Bytes second = both.sender.seal({}, as_bytes("second")).value();
  Bytes changed = first;
  changed[0] ^= 1;
  for (const auto& refused : {both.recipient.open({}, second), both.recipient.open({}, changed),
                              both.recipient.open(as_bytes("aad"), first), both.recipient.open({}, {})}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().id(), "hpke.open");
    EXPECT_EQ(refused.error().code(), ErrorCode::kNotAuthentic);
  }
  EXPECT_EQ(as_text(both.recipient.open({}, first).value()), "first");
  EXPECT_EQ(both.recipient.open({}, first).error().id(), "hpke.open");  // a replay
  EXPECT_EQ(as_text(both.recipient.open({}, second).value()), "second");
}

TEST(Hpke, BindsInfoAndSuite) {
  const HpkeKeyPair pair = HpkeKeyPair::generate().value();
  HpkeSender sender = hpke_setup_sender({}, pair.public_key, as_bytes("info")).value();
  const Bytes sealed = sender.context.seal({}, as_bytes("text")).value();
  auto other_info = hpke_setup_recipient({}, pair, sender.enc, as_bytes("Info")).value();
  EXPECT_EQ(other_info.open({}, sealed).error().id(), "hpke.open");
  auto other_suite =
      hpke_setup_recipient({AeadAlgorithm::kChaCha20Poly1305}, pair, sender.enc, as_bytes("info")).value();
  EXPECT_EQ(other_suite.open({}, sealed).error().id(), "hpke.open");
  const HpkeKeyPair stranger = HpkeKeyPair::generate().value();
  auto other_key = hpke_setup_recipient({}, stranger, sender.enc, as_bytes("info")).value();
  EXPECT_EQ(other_key.open({}, sealed).error().id(), "hpke.open");
}

TEST(Hpke, RefusesKeysOfOtherSizesAndOfSmallOrder) {
  const HpkeKeyPair pair = HpkeKeyPair::generate().value();
  EXPECT_EQ(hpke_setup_sender({}, Bytes(31), {}).error().id(), "hpke.public_key");
  EXPECT_EQ(hpke_setup_sender({}, Bytes(33), {}).error().id(), "hpke.public_key");
  EXPECT_EQ(hpke_setup_recipient({}, pair, {}, {}).error().id(), "hpke.enc");
  // The points 0, 1 and one of order 8 give an all-zero secret (RFC 9180 §7.1.4).
  for (const char* small : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"}) {
    EXPECT_EQ(hpke_setup_sender({}, hex(small), {}).error().id(), "hpke.public_key");
    EXPECT_EQ(hpke_setup_recipient({}, pair, hex(small), {}).error().id(), "hpke.enc");
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Hpke, StopsWhenTheSequenceIsUsedUp) {
  Session both = session();
  HpkeTestPeer::set_sequence(both.sender, UINT64_MAX - 1);
  HpkeTestPeer::set_sequence(both.recipient, UINT64_MAX - 1);
  const Bytes last = both.sender.seal({}, as_bytes("last")).value();
  EXPECT_EQ(both.sender.seal({}, as_bytes("more")).error().id(), "hpke.sequence");
  EXPECT_EQ(as_text(both.recipient.open({}, last).value()), "last");
  EXPECT_EQ(both.recipient.open({}, last).error().id(), "hpke.sequence");
}

TEST(Hpke, WritesAnOhttpKeyConfiguration) {
  const HpkeKeyPair pair = HpkeKeyPair::generate().value();
  const Bytes config = ohttp_key_config(7, pair.public_key);
  EXPECT_EQ(to_hex(config), "070020" + to_hex(pair.public_key) + "00080001000200010003");
}

using Fields = std::multimap<std::string, std::string>;

std::vector<Fields> read_cases(const std::string& text) {
  std::vector<Fields> cases(1);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      cases.emplace_back();
    } else if (const auto at = line.find(" ="); line.front() != '#' && at != std::string::npos) {
      cases.back().emplace(line.substr(0, at), line.substr(std::min(at + 3, line.size())));
    }
  }
  return cases;
}

std::vector<std::string> all(const Fields& fields, const std::string& key) {
  std::vector<std::string> values;
  for (auto [at, end] = fields.equal_range(key); at != end; ++at) values.push_back(at->second);
  return values;
}

void judge(const Fields& fields) {
  const auto one = [&](const std::string& key) { return fields.find(key)->second; };
  const std::map<std::string, AeadAlgorithm> aeads = {
      {"1", AeadAlgorithm::kAes128Gcm}, {"2", AeadAlgorithm::kAes256Gcm}, {"3", AeadAlgorithm::kChaCha20Poly1305}};
  const HpkeSuite suite{aeads.at(one("aead_id"))};
  const HpkeKeyPair derived = HpkeKeyPair::derive(Secret(ByteView(hex(one("ikmR"))))).value();
  EXPECT_EQ(to_hex(derived.private_key.reveal()), one("skRm"));
  EXPECT_EQ(to_hex(derived.public_key), one("pkRm"));
  auto context = hpke_setup_recipient(suite, derived, hex(one("enc")), hex(one("info")));
  ASSERT_TRUE(context) << context.error().message();
  const auto aads = all(fields, "aad");
  const auto ciphertexts = all(fields, "ct");
  const auto texts = all(fields, "pt");
  ASSERT_GT(aads.size(), 200U);
  for (std::size_t i = 0; i < aads.size(); ++i) {
    EXPECT_EQ(to_hex(context->open(hex(aads[i]), hex(ciphertexts.at(i))).value()), texts.at(i)) << i;
  }
  const auto contexts = all(fields, "exporter_context");
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    const std::size_t size = std::stoul(all(fields, "L").at(i));
    EXPECT_EQ(to_hex(context->export_secret(hex(contexts[i]), size)->reveal()), all(fields, "exported_value").at(i));
  }
}

TEST(Hpke, AgreesWithTheVectorsOfRfc9180) {
  GATEWAY_NEEDS_VECTORS();
  std::size_t judged = 0;
  for (const Fields& fields : read_cases(read_vector("hpke/boringssl_hpke_test_vectors.txt"))) {
    const auto is = [&](const char* key, const char* value) {
      const auto at = fields.find(key);
      return at != fields.end() && at->second == value;
    };
    if (!is("mode", "0") || !is("kem_id", "32") || !is("kdf_id", "1")) continue;
    judge(fields);
    ++judged;
  }
  EXPECT_EQ(judged, 3U);
}

TEST(Hpke, OpensTheRequestOfRfc9458) {
  GATEWAY_NEEDS_VECTORS();
  const auto vector = codec::parse_json(read_vector("ohttp/rfc9458_appendix_a.json"), {}).value();
  const auto field = [&](const char* key) { return hex(std::string_view(vector.at(key).as_string())); };
  const Bytes config = field("key_config");
  const std::string public_key = to_hex(ByteView(config).subspan(3, 32));
  const HpkeKeyPair pair = pair_of(std::string_view(vector.at("skR").as_string()), public_key);
  const Bytes request = field("enc_request");
  auto context =
      hpke_setup_recipient({AeadAlgorithm::kAes128Gcm}, pair, ByteView(request).subspan(7, 32), field("info"));
  ASSERT_TRUE(context) << context.error().message();
  EXPECT_EQ(context->open({}, ByteView(request).subspan(39)).value(), field("bhttp_request"));
  EXPECT_TRUE(equal(context->export_secret(as_bytes("message/bhttp response"), 16)->reveal(), field("export_secret")));
}

}  // namespace
}  // namespace gateway::crypto
