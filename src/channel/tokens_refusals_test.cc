// Checks of tokens.cc that its other tests do not tell apart from their neighbours: each refuses here alone
// (tools/mutate channel).
#include <gtest/gtest.h>

#include "channel/tokens.h"
#include "codec/cbor.h"

namespace gateway::channel {
namespace {

using codec::CborWriter;
using std::chrono::hours;
using std::chrono::seconds;

const Time kNow = Time(seconds(1'790'000'000));
constexpr std::uint64_t kNotAfter = 1'790'000'100;

const crypto::PrivateKey& key() {
  static const crypto::PrivateKey made = *crypto::PrivateKey::generate(crypto::KeyType::kP256);
  return made;
}

// The id under which a list of any bytes, genuinely signed, is refused.
std::string refusal_of_signed(ByteView list) {
  CborWriter file;
  file.array(2).bytes(list).bytes(*key().sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, list));
  const auto opened = open_token_list(file.view(), key().public_key(), kNow);
  return opened ? "accepted" : std::string(opened.error().id());
}

CborWriter list_of(std::uint64_t entries) {
  CborWriter writer;
  writer.array(4).text("gateway/tokens/v1").unsigned_integer(1).unsigned_integer(kNotAfter).array(entries);
  return writer;
}

void add_entry(CborWriter& list, std::string_view id, std::uint8_t digest, std::uint64_t rights) {
  list.array(5).text(id).bytes(Bytes(32, digest)).unsigned_integer(rights).unsigned_integer(0).unsigned_integer(0);
}

TEST(TokensRefusals, AcceptsWhatTheOthersDifferFrom) {
  CborWriter list = list_of(1);
  add_entry(list, "a", 1, kRightCall);
  EXPECT_EQ(refusal_of_signed(list.view()), "accepted");
}

TEST(TokensRefusals, RefusesASignedListThatIsNoCbor) {
  EXPECT_EQ(refusal_of_signed({}), "tokens.list");
  EXPECT_EQ(refusal_of_signed(Bytes{0xff}), "tokens.list");
  EXPECT_EQ(refusal_of_signed(Bytes(40, 0x9f)), "tokens.list");
}

TEST(TokensRefusals, RefusesFieldsOfOtherTypesUnderItsOwnId) {
  CborWriter list = list_of(1);
  list.array(5).unsigned_integer(1).bytes(Bytes(32)).unsigned_integer(1).unsigned_integer(0).unsigned_integer(0);
  EXPECT_EQ(refusal_of_signed(list.view()), "tokens.list");
  CborWriter version;
  version.array(4).text("gateway/tokens/v1").text("1").unsigned_integer(kNotAfter).array(0);
  EXPECT_EQ(refusal_of_signed(version.view()), "tokens.list");
}

TEST(TokensRefusals, RefusesRightsThatWouldFitAfterBeingCut) {
  CborWriter list = list_of(1);
  add_entry(list, "a", 1, (1ULL << 32U) | kRightCall);
  EXPECT_EQ(refusal_of_signed(list.view()), "tokens.list");
}

TEST(TokensRefusals, HoldsASignedListToTheRulesOfSigning) {
  CborWriter twice = list_of(2);
  add_entry(twice, "a", 1, kRightCall);
  add_entry(twice, "b", 1, kRightCall);
  EXPECT_EQ(refusal_of_signed(twice.view()), "tokens.list");
  CborWriter name = list_of(1);
  add_entry(name, "Upper Case", 1, kRightCall);
  EXPECT_EQ(refusal_of_signed(name.view()), "tokens.list");
}

TEST(TokensRefusals, SignsNoListThatEndsBefore1970) {
  const auto signed_list = sign_token_list({.version = 1, .not_after = Time(seconds(-1)), .entries = {}}, key());
  ASSERT_FALSE(signed_list);
  EXPECT_EQ(signed_list.error().id(), "tokens.list");
}

}  // namespace
}  // namespace gateway::channel
