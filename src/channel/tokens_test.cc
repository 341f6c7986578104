#include "channel/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/cbor.h"
#include "crypto/random.h"

namespace gateway::channel {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const Time kNow = Time(seconds(1'790'000'000));

crypto::PrivateKey make_key() { return *crypto::PrivateKey::generate(crypto::KeyType::kP256); }

TokenEntry entry(std::string id, std::string_view token) {
  return {.id = std::move(id),
          .token_sha256 = token_digest(as_bytes(token)),
          .rights = kRightCall,
          .requests_per_minute = 60,
          .tokens_per_minute = 1000};
}

TokenList list_of(std::vector<TokenEntry> entries) {
  return {.version = 7, .not_after = kNow + hours(12), .entries = std::move(entries)};
}

// A list whose encoding the test chooses, under a genuine signature.
Bytes sign_raw(ByteView list, const crypto::PrivateKey& key) {
  const Bytes signature = *key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, list);
  codec::CborWriter file;
  file.array(2).bytes(list).bytes(signature);
  return std::move(file).take();
}

std::string_view id_of(const Result<TokenList>& result) { return result ? "accepted" : result.error().id(); }

TEST(Tokens, RoundTripKeepsEveryField) {
  const auto key = make_key();
  TokenEntry second = entry("ops", "other");
  second.rights = kRightLogs | kRightMetrics;
  const Bytes file = *sign_token_list(list_of({entry("alice", "secret"), second}), key);
  const auto opened = open_token_list(file, key.public_key(), kNow);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->version, 7U);
  EXPECT_EQ(opened->not_after, kNow + hours(12));
  ASSERT_EQ(opened->entries.size(), 2U);
  EXPECT_EQ(opened->entries[0].id, "alice");
  EXPECT_EQ(opened->entries[0].token_sha256, token_digest(as_bytes("secret")));
  EXPECT_EQ(opened->entries[0].requests_per_minute, 60U);
  EXPECT_EQ(opened->entries[0].tokens_per_minute, 1000U);
  EXPECT_EQ(opened->entries[1].rights, static_cast<std::uint32_t>(kRightLogs | kRightMetrics));
}

TEST(Tokens, ATokenHas256BitsInItsTextForm) {
  const Secret first = make_token();
  const Secret second = make_token();
  EXPECT_EQ(first.size(), 4U + 43U);
  EXPECT_TRUE(as_text(first.reveal()).starts_with("gwt_"));
  EXPECT_NE(as_text(first.reveal()), as_text(second.reveal()));
}

TEST(Tokens, RefusesAnotherKeysSignature) {
  const Bytes file = *sign_token_list(list_of({entry("a", "t")}), make_key());
  EXPECT_EQ(id_of(open_token_list(file, make_key().public_key(), kNow)), "tokens.signature");
}

TEST(Tokens, RefusesEveryChangedByte) {
  const auto key = make_key();
  const Bytes file = *sign_token_list(list_of({entry("a", "t")}), key);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 1;
    EXPECT_FALSE(open_token_list(changed, key.public_key(), kNow)) << "byte " << i;
  }
}

TEST(Tokens, RefusesAnExpiredList) {
  const auto key = make_key();
  const Bytes file = *sign_token_list(list_of({}), key);
  EXPECT_EQ(id_of(open_token_list(file, key.public_key(), kNow + hours(12))), "tokens.expired");
}

TEST(Tokens, RefusesNotAfterMoreThanADayAhead) {
  const auto key = make_key();
  TokenList list = list_of({});
  list.not_after = kNow + hours(24) + seconds(1);
  EXPECT_EQ(id_of(open_token_list(*sign_token_list(list, key), key.public_key(), kNow)), "tokens.not_after");
  list.not_after = kNow + hours(24);
  EXPECT_EQ(id_of(open_token_list(*sign_token_list(list, key), key.public_key(), kNow)), "accepted");
}

TEST(Tokens, RefusesTrailingBytesAndOtherStructures) {
  const auto key = make_key();
  Bytes file = *sign_token_list(list_of({entry("a", "t")}), key);
  file.push_back(0);
  EXPECT_EQ(id_of(open_token_list(file, key.public_key(), kNow)), "tokens.list");
  EXPECT_EQ(id_of(open_token_list({}, key.public_key(), kNow)), "tokens.list");
  EXPECT_EQ(id_of(open_token_list(Bytes{0x80}, key.public_key(), kNow)), "tokens.list");
}

TEST(Tokens, RefusesASignedListOfAnotherShape) {
  const auto key = make_key();
  const auto refuse = [&](codec::CborWriter& writer) {
    return std::string(id_of(open_token_list(sign_raw(writer.view(), key), key.public_key(), kNow)));
  };
  const std::uint64_t not_after = 1'790'000'100;
  codec::CborWriter other_label;
  other_label.array(4).text("gateway/tokens/v2").unsigned_integer(1).unsigned_integer(not_after).array(0);
  EXPECT_EQ(refuse(other_label), "tokens.list");
  codec::CborWriter five;
  five.array(5).text("gateway/tokens/v1").unsigned_integer(1).unsigned_integer(not_after).array(0).array(0);
  EXPECT_EQ(refuse(five), "tokens.list");
  codec::CborWriter short_digest;
  short_digest.array(4).text("gateway/tokens/v1").unsigned_integer(1).unsigned_integer(not_after).array(1);
  short_digest.array(5).text("a").bytes(Bytes(31)).unsigned_integer(1).unsigned_integer(0).unsigned_integer(0);
  EXPECT_EQ(refuse(short_digest), "tokens.list");
  codec::CborWriter unknown_right;
  unknown_right.array(4).text("gateway/tokens/v1").unsigned_integer(1).unsigned_integer(not_after).array(1);
  unknown_right.array(5).text("a").bytes(Bytes(32)).unsigned_integer(8).unsigned_integer(0).unsigned_integer(0);
  EXPECT_EQ(refuse(unknown_right), "tokens.list");
  codec::CborWriter far_future;
  far_future.array(4).text("gateway/tokens/v1").unsigned_integer(1).unsigned_integer(~0ULL).array(0);
  EXPECT_EQ(refuse(far_future), "tokens.list");
}

TEST(Tokens, RefusesRepeatedNamesAndTokens) {
  const auto key = make_key();
  EXPECT_EQ(sign_token_list(list_of({entry("a", "t"), entry("a", "u")}), key).error().id(), "tokens.list");
  EXPECT_EQ(sign_token_list(list_of({entry("a", "t"), entry("b", "t")}), key).error().id(), "tokens.list");
}

TEST(Tokens, RefusesNamesAndRightsOutsideTheGrammar) {
  const auto key = make_key();
  for (const char* name : {"", "Alice", "a b", "a\n", "é"}) {
    EXPECT_EQ(sign_token_list(list_of({entry(name, "t")}), key).error().id(), "tokens.list") << name;
  }
  TokenEntry none = entry("a", "t");
  none.rights = 0;
  EXPECT_EQ(sign_token_list(list_of({none}), key).error().id(), "tokens.list");
}

TEST(Tokens, RefusesMoreThanTheLimit) {
  const auto key = make_key();
  std::vector<TokenEntry> entries;
  for (std::size_t i = 0; i <= kMaxTokens; ++i) entries.push_back(entry("t" + std::to_string(i), std::to_string(i)));
  EXPECT_EQ(sign_token_list(list_of(entries), key).error().id(), "tokens.size");
  entries.pop_back();
  const Bytes file = *sign_token_list(list_of(entries), key);
  EXPECT_LT(file.size(), 1024U * 1024U);
  EXPECT_EQ(id_of(open_token_list(file, key.public_key(), kNow)), "accepted");
  EXPECT_EQ(id_of(open_token_list(Bytes(1024 * 1024), key.public_key(), kNow)), "tokens.size");
}

}  // namespace
}  // namespace gateway::channel
