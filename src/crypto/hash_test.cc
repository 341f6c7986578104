#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "crypto/random.h"

namespace gateway::crypto {
namespace {

// FIPS 180-4's example message.
constexpr std::string_view kAbc = "abc";

TEST(Hash, AgreesWithFips180) {
  EXPECT_EQ(to_hex(sha256(as_bytes(kAbc))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha384(as_bytes(kAbc))),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(to_hex(sha512(as_bytes(kAbc))),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(to_hex(sha256(ByteView())), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, HashesPartsAsOneMessage) {
  EXPECT_EQ(sha384({as_bytes("a"), {}, as_bytes("bc")}), sha384(as_bytes(kAbc)));
  EXPECT_EQ(sha256({}), sha256(ByteView()));
}

TEST(Hasher, AgreesWithOneShot) {
  const Bytes message = random_bytes(10'000);
  Hasher hasher(HashAlgorithm::kSha512);
  for (std::size_t at = 0; at < message.size(); at += 777) {
    hasher.update(ByteView(message).subspan(at, std::min<std::size_t>(777, message.size() - at)));
  }
  EXPECT_TRUE(equal(hasher.finish(), sha512(message)));
}

TEST(Hasher, ClonesItsStateSoFar) {
  Hasher hasher(HashAlgorithm::kSha256);
  hasher.update(as_bytes("ab"));
  Hasher clone = hasher.clone();
  Hasher moved = std::move(hasher);
  moved.update(as_bytes("c"));
  clone.update(as_bytes("d"));
  EXPECT_TRUE(equal(moved.finish(), sha256(as_bytes(kAbc))));
  EXPECT_TRUE(equal(clone.finish(), sha256(as_bytes("abd"))));
}

TEST(ConstantTimeEqual, ComparesSizesAndContents) {
  EXPECT_TRUE(constant_time_equal({}, {}));
  EXPECT_TRUE(constant_time_equal(as_bytes("ab"), as_bytes("ab")));
  EXPECT_FALSE(constant_time_equal(as_bytes("ab"), as_bytes("aB")));
  EXPECT_FALSE(constant_time_equal(as_bytes("ab"), as_bytes("abc")));
  EXPECT_FALSE(constant_time_equal({}, as_bytes("a")));
}

TEST(Random, FillsEverySizeWithSomethingNew) {
  for (const std::size_t size : {0UZ, 1UZ, 32UZ, 1'000'000UZ}) EXPECT_EQ(random_bytes(size).size(), size);
  EXPECT_NE(random_bytes(32), random_bytes(32));
  EXPECT_NE(random_array<32>(), random_array<32>());
  const Secret secret = random_secret(32);
  EXPECT_FALSE(equal(secret.reveal(), Bytes(32)));
  mix_entropy(random_bytes(16));
}

}  // namespace
}  // namespace gateway::crypto
