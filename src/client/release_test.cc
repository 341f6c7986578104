#include "client/release.h"

#include <gtest/gtest.h>

#include "channel/deployment.h"
#include "client/config_signature.h"
#include "codec/cbor.h"

namespace gateway::client {
namespace {

using crypto::HashAlgorithm;
using crypto::KeyType;
using crypto::PrivateKey;
using crypto::SignatureFormat;

Release sample() {
  Release release;
  release.name = "assistant";
  release.version = *ReleaseVersion::parse("1.4.2");
  release.floor = *ReleaseVersion::parse("1.3.0");
  release.source_commit = Bytes(20, 0xab);
  release.measurements.push_back({.platform = attestation::Platform::kNitro,
                                  .registers = {{0U, Bytes(48, 1)}, {1U, Bytes(48, 2)}, {2U, Bytes(48, 3)}}});
  return release;
}

std::string id_of(const Result<Release>& result) { return result ? "opened" : std::string(result.error().id()); }

// A file whose signature holds over whatever the release's bytes are.
Bytes signed_file(ByteView release, const PrivateKey& key) {
  codec::CborWriter file;
  file.array(2).bytes(release).bytes(*key.sign(HashAlgorithm::kSha256, SignatureFormat::kRaw, release));
  return std::move(file).take();
}

TEST(Release, ComesBackAsItWasSigned) {
  for (const KeyType type : {KeyType::kP256, KeyType::kP384}) {
    const auto key = *PrivateKey::generate(type);
    const auto file = sign_release(sample(), key);
    ASSERT_TRUE(file);
    const auto release = open_release(*file, key.public_key(), std::nullopt);
    ASSERT_TRUE(release) << release.error().message();
    EXPECT_EQ(release->name, "assistant");
    EXPECT_EQ(release->version.to_string(), "1.4.2");
    EXPECT_EQ(release->floor.to_string(), "1.3.0");
    EXPECT_EQ(release->source_commit, Bytes(20, 0xab));
    EXPECT_EQ(release->measurements.at(0).registers.at(2), Bytes(48, 3));
    EXPECT_EQ(parse_release(*file)->contents.name, "assistant");
  }
}

TEST(Release, RefusesVersionsUnderTheFloor) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const Bytes file = *sign_release(sample(), key);
  EXPECT_EQ(id_of(open_release(file, key.public_key(), ReleaseVersion::parse("1.4.2").value())), "opened");
  EXPECT_EQ(id_of(open_release(file, key.public_key(), ReleaseVersion::parse("1.4.3").value())), "release.floor");
  EXPECT_EQ(id_of(open_release(file, key.public_key(), ReleaseVersion::parse("1.10.0").value())), "release.floor");
}

TEST(Release, RefusesAnotherKeysSignatureAndAnyChangedByte) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const Bytes file = *sign_release(sample(), key);
  const auto other = *PrivateKey::generate(KeyType::kP256);
  EXPECT_EQ(id_of(open_release(file, other.public_key(), std::nullopt)), "release.signature");
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 1;
    EXPECT_FALSE(open_release(changed, key.public_key(), std::nullopt)) << i;
  }
}

TEST(Release, RefusesWhatIsNotARelease) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const auto pub = key.public_key();
  EXPECT_EQ(id_of(open_release({}, pub, std::nullopt)), "release.file");
  EXPECT_EQ(id_of(open_release(Bytes(kMaxReleaseSize + 1, 0), pub, std::nullopt)), "release.size");
  Bytes trailing = *sign_release(sample(), key);
  trailing.push_back(0);
  EXPECT_EQ(id_of(open_release(trailing, pub, std::nullopt)), "release.file");
  codec::CborWriter label;
  label.array(6).text("gateway/release/v2").text("a").array(0).array(0).bytes({}).array(0);
  EXPECT_EQ(id_of(open_release(signed_file(label.view(), key), pub, std::nullopt)), "release.file");
  codec::CborWriter empty;
  empty.array(6).text("gateway/release/v1").text("a");
  empty.array(3).unsigned_integer(1).unsigned_integer(0).unsigned_integer(0);
  empty.array(3).unsigned_integer(1).unsigned_integer(0).unsigned_integer(0);
  empty.bytes(Bytes(20, 1)).array(0);
  EXPECT_EQ(id_of(open_release(signed_file(empty.view(), key), pub, std::nullopt)), "release.file");
}

TEST(Release, SignsNothingThatCouldNotBeOpened) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const auto refused = [&](auto change) {
    Release release = sample();
    change(release);
    const auto file = sign_release(release, key);
    return !file && file.error().id() == "release.contents";
  };
  EXPECT_TRUE(refused([](Release& r) { r.floor = *ReleaseVersion::parse("1.4.3"); }));
  EXPECT_TRUE(refused([](Release& r) { r.name = "Upper"; }));
  EXPECT_TRUE(refused([](Release& r) { r.name.clear(); }));
  EXPECT_TRUE(refused([](Release& r) { r.source_commit.pop_back(); }));
  EXPECT_TRUE(refused([](Release& r) { r.measurements.clear(); }));
  EXPECT_TRUE(refused([](Release& r) { r.measurements[0].registers.clear(); }));
  EXPECT_TRUE(refused([](Release& r) { r.measurements[0].registers[0] = Bytes(20, 1); }));
}

TEST(Release, ReadsVersionsOfThreeNumbersOnly) {
  for (const char* text :
       {"", "1", "1.2", "1.2.", "1.2.3.4", "1.2.x", "v1.2.3", "-1.2.3", "1.2.3 ", "4294967296.0.0"}) {
    const auto version = ReleaseVersion::parse(text);
    ASSERT_FALSE(version) << text;
    EXPECT_EQ(version.error().id(), "release.version");
  }
}

TEST(Release, TakesNoOtherKeys) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const auto p521 = crypto::PublicKey::from_pem(
      "-----BEGIN PUBLIC KEY-----\n"
      "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBQYXcYi8IE6d39V8gGPRNaXkQNLer\n"
      "+gnKWv4FJ06ZqGm5U3FdFyznRFQmq5JCNGtguqrzoxcnY65PAoHHMUFXE7YAsKgD\n"
      "sriZA7PBMGXGryVoam/M/yp5Tr+FO43vFE2hJYhJYjZpvnmH8j4/J7cjsnUnbs55\n"
      "Tt2doJqKwypo8As2dGg=\n"
      "-----END PUBLIC KEY-----\n");
  ASSERT_TRUE(p521) << p521.error().message();
  EXPECT_EQ(id_of(open_release(*sign_release(sample(), key), *p521, std::nullopt)), "release.key");
}

TEST(ConfigSignature, HoldsForItsConfigurationAndItsKeyAlone) {
  const auto key = *PrivateKey::generate(KeyType::kP256);
  const Bytes config = to_bytes(channel::make_default_config(key.public_key()));
  const Bytes file = *sign_config(config, key);
  EXPECT_TRUE(verify_config_signature(file, config, key.public_key()));
  Bytes other_config = config;
  other_config.push_back('\n');
  EXPECT_EQ(verify_config_signature(file, other_config, key.public_key()).error().id(), "config.signature");
  const auto other = *PrivateKey::generate(KeyType::kP256);
  EXPECT_EQ(verify_config_signature(file, config, other.public_key()).error().id(), "config.signature");
  Bytes cut = file;
  cut.pop_back();
  EXPECT_EQ(verify_config_signature(cut, config, key.public_key()).error().id(), "config.signature.file");
  EXPECT_EQ(verify_config_signature(to_bytes("{}"), config, key.public_key()).error().id(), "config.signature.file");
}

}  // namespace
}  // namespace gateway::client
