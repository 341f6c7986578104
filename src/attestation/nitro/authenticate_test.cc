#include "attestation/nitro/authenticate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "attestation/nitro/chain.h"
#include "attestation/testing/fake_vendor.h"

namespace gateway::attestation::nitro {
namespace {

using attestation::testing::ChainOptions;
using attestation::testing::DocumentFields;
using attestation::testing::fake_local;
using attestation::testing::fake_nitro;
using attestation::testing::FakeVendor;
using attestation::testing::kNow;
using attestation::testing::Names;
namespace depth = attestation::testing;

std::string refusal(const Result<Claims>& claims) { return claims ? "" : std::string(claims.error().id()); }

// Of a document whose chain was made with these options.
std::string refusal_of(const ChainOptions& options) {
  const FakeVendor vendor(options);
  return refusal(vendor.authenticate(vendor.document()));
}

ChainOptions altered(std::function<void(std::size_t, crypto::CertificateSpec&)> alter) {
  ChainOptions options;
  options.alter = std::move(alter);
  return options;
}

// keyUsage as crypto writes it, a BIT STRING of one byte, replaced by another.
ChainOptions with_key_usage(std::size_t which, ByteArray<4> from, ByteArray<4> to) {
  ChainOptions options;
  options.patch = [=](std::size_t at, Bytes& tbs) {
    if (at != which) return;
    const auto found = std::ranges::search(tbs, from);
    ASSERT_FALSE(found.empty());
    std::ranges::copy(to, found.begin());
  };
  return options;
}
constexpr ByteArray<4> kLeafUsage{{0x03, 0x02, 0x07, 0x80}};       // digitalSignature
constexpr ByteArray<4> kAuthorityUsage{{0x03, 0x02, 0x01, 0x06}};  // keyCertSign, cRLSign

TEST(NitroAuthenticate, AcceptsAGoodDocument) {
  const auto claims = fake_nitro().authenticate(fake_nitro().document());
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->platform(), Platform::kNitro);
  EXPECT_FALSE(claims->debug());
  EXPECT_EQ(claims->nitro().region, "eu-central-1");
  EXPECT_EQ(claims->nitro().timestamp, kNow);
  EXPECT_EQ(claims->nitro().pcrs.size(), 16U);
  EXPECT_EQ(claims->nitro().pcrs.at(1), attestation::testing::pcr(0xa1));
  EXPECT_EQ(claims->nitro().user_data, Bytes(32, 0x11));
  EXPECT_EQ(claims->nitro().nonce, Bytes(32, 0x22));
  EXPECT_FALSE(claims->nitro().public_key);
  EXPECT_EQ(claims->nitro().root_sha256, fake_nitro().root_sha256());
  // The intersection of all windows is the leaf's.
  EXPECT_EQ(claims->validity().not_before, kNow - std::chrono::seconds(3));
  EXPECT_EQ(claims->validity().not_after, kNow - std::chrono::seconds(3) + std::chrono::hours(3));
  std::vector<std::string_view> ids;
  for (const Check& check : claims->checks()) {
    EXPECT_EQ(check.outcome, Outcome::kOk);
    ids.push_back(check.id);
  }
  EXPECT_THAT(ids,
              ::testing::IsSupersetOf(std::initializer_list<std::string_view>{
                  "nitro.document.structure", "nitro.chain.anchor", "nitro.chain.signature", "nitro.chain.validity",
                  "nitro.chain.leaf_usage", "nitro.chain.key", "nitro.chain.timestamp", "nitro.signature"}));
}

TEST(NitroAuthenticate, HoldsAwsRootToItsPin) {
  EXPECT_EQ(to_hex(crypto::sha256(aws_root().der())),
            "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
  EXPECT_EQ(aws_root().subject_common_name(), "aws.nitro-enclaves");
}

TEST(NitroAuthenticate, RefusesAForeignRoot) {
  const Bytes bytes = fake_local().document();
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document);
  EXPECT_EQ(refusal(authenticate(*document, {}, kNow)), "nitro.chain.anchor");
  EXPECT_EQ(refusal(authenticate(*document, fake_nitro().as_local_root(), kNow)), "nitro.chain.anchor");
}

TEST(NitroAuthenticate, CallsEveryOtherRootLocal) {
  // Names like AWS's do not help: the root decides.
  const Bytes bytes = fake_nitro().document();
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document);
  const auto claims = authenticate(*document, fake_nitro().as_local_root(), kNow);
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->platform(), Platform::kLocal);
  EXPECT_FALSE(claims->nitro().region);
}

TEST(NitroAuthenticate, FindsALocalRootInTheBundleByItsHash) {
  const Bytes bytes = fake_local().document();
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document);
  Anchors anchors;
  anchors.local_root_sha256.push_back(fake_local().root_sha256());
  const auto claims = authenticate(*document, anchors, kNow);
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->platform(), Platform::kLocal);
  EXPECT_EQ(claims->nitro().root_sha256, fake_local().root_sha256());
}

TEST(NitroAuthenticate, DoesNotTrustTheBundlesRootForItself) {
  // AWS's own root at the front, but a chain that another root signed.
  const Bytes bytes = fake_nitro().document([](DocumentFields& fields) { fields.cabundle[0] = aws_root().der(); });
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document);
  const auto claims = authenticate(*document, fake_nitro().as_local_root(), kNow);
  EXPECT_THAT(refusal(claims), ::testing::AnyOf("nitro.chain.name", "nitro.chain.signature"));
}

TEST(NitroAuthenticate, RefusesAChangedDocument) {
  Bytes document = fake_nitro().document();
  // A bit of the user data: its bytes are 0x11.
  const auto found = std::ranges::search(document, Bytes(32, 0x11));
  ASSERT_FALSE(found.empty());
  found.front() ^= 1U;
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.signature");
}

TEST(NitroAuthenticate, RefusesAChangedSignature) {
  Bytes document = fake_nitro().document();
  document.back() ^= 1U;
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.signature");
  std::fill(document.end() - 96, document.end(), 0);
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.signature");
}

TEST(NitroAuthenticate, RefusesADocumentSignedByTheIssuerOfTheLeaf) {
  const FakeVendor other;
  const Bytes document = other.sign(attestation::testing::encode_payload(fake_nitro().fields()));
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.signature");
}

TEST(NitroAuthenticate, RefusesACertificateThatItsIssuerDidNotSign) {
  const FakeVendor other;
  const Bytes document =
      fake_nitro().document([&](DocumentFields& fields) { fields.cabundle[2] = other.chain()[2].der(); });
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.chain.signature");
}

TEST(NitroAuthenticate, RefusesABundleInAnotherOrder) {
  const Bytes document =
      fake_nitro().document([](DocumentFields& fields) { std::swap(fields.cabundle[1], fields.cabundle[2]); });
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.chain.name");
}

TEST(NitroAuthenticate, RefusesABrokenCertificate) {
  const Bytes leaf = fake_nitro().document([](DocumentFields& fields) { fields.certificate.pop_back(); });
  EXPECT_EQ(refusal(fake_nitro().authenticate(leaf)), "nitro.chain.certificate");
  const Bytes issuer = fake_nitro().document([](DocumentFields& fields) { fields.cabundle[1].push_back(0); });
  EXPECT_EQ(refusal(fake_nitro().authenticate(issuer)), "nitro.chain.certificate");
}

TEST(NitroAuthenticate, RefusesTimesOutsideEveryWindow) {
  const Bytes document = fake_nitro().document();
  const Time start = kNow - std::chrono::seconds(3);
  const Time end = start + std::chrono::hours(3);
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, start)), "");
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, end)), "");
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, start - std::chrono::seconds(1))), "nitro.chain.validity");
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, end + std::chrono::seconds(1))), "nitro.chain.validity");
  EXPECT_EQ(fake_nitro().authenticate(document, end + std::chrono::seconds(1)).error().code(), ErrorCode::kExpired);
}

TEST(NitroAuthenticate, RefusesAnExpiredIssuer) {
  for (const std::size_t which : {depth::kIntermediate, depth::kZonal, depth::kInstance}) {
    EXPECT_EQ(refusal_of(altered([=](std::size_t at, crypto::CertificateSpec& spec) {
                if (at == which) spec.validity.not_after = kNow - std::chrono::seconds(10);
              })),
              "nitro.chain.validity");
  }
}

TEST(NitroAuthenticate, RefusesAnIssuerThatIsNoAuthority) {
  EXPECT_EQ(refusal_of(altered([](std::size_t at, crypto::CertificateSpec& spec) {
              if (at != depth::kInstance) return;
              spec.is_ca = false;
              spec.path_length.reset();
            })),
            "nitro.chain.not_ca");
}

TEST(NitroAuthenticate, RefusesAnIssuerWithoutKeyCertSign) {
  EXPECT_EQ(refusal_of(with_key_usage(depth::kZonal, kAuthorityUsage, {{0x03, 0x02, 0x01, 0x02}})),
            "nitro.chain.key_usage");
}

TEST(NitroAuthenticate, RefusesAPathLongerThanAnIssuerAllows) {
  EXPECT_EQ(refusal_of(altered([](std::size_t at, crypto::CertificateSpec& spec) {
              if (at == depth::kIntermediate) spec.path_length = 1;
            })),
            "nitro.chain.path_length");
}

TEST(NitroAuthenticate, RefusesWrongUsagesOfTheLeaf) {
  // nonRepudiation alone; digitalSignature with keyCertSign; digitalSignature with cRLSign.
  EXPECT_EQ(refusal_of(with_key_usage(depth::kLeaf, kLeafUsage, {{0x03, 0x02, 0x06, 0x40}})), "nitro.chain.leaf_usage");
  EXPECT_EQ(refusal_of(with_key_usage(depth::kLeaf, kLeafUsage, {{0x03, 0x02, 0x02, 0x84}})), "nitro.chain.leaf_usage");
  EXPECT_EQ(refusal_of(with_key_usage(depth::kLeaf, kLeafUsage, {{0x03, 0x02, 0x01, 0x82}})), "nitro.chain.leaf_usage");
  // digitalSignature with nonRepudiation is what AWS's leaves have.
  EXPECT_EQ(refusal_of(with_key_usage(depth::kLeaf, kLeafUsage, {{0x03, 0x02, 0x06, 0xc0}})), "");
}

TEST(NitroAuthenticate, RefusesALeafThatIsAnAuthority) {
  ChainOptions options = altered([](std::size_t at, crypto::CertificateSpec& spec) {
    if (at == depth::kInstance) spec.path_length.reset();
    if (at == depth::kIntermediate || at == depth::kZonal) spec.path_length.reset();
    if (at == depth::kLeaf) spec.is_ca = true;
  });
  options.patch = with_key_usage(depth::kLeaf, kAuthorityUsage, kLeafUsage).patch;
  EXPECT_EQ(refusal_of(options), "nitro.chain.leaf_usage");
}

TEST(NitroAuthenticate, RefusesALeafWithAnotherKey) {
  ChainOptions options;
  options.leaf_key = crypto::KeyType::kP256;
  const FakeVendor vendor(options);
  // A P-256 key cannot sign ES384; the chain is refused before the signature is looked at.
  const Bytes document = fake_nitro().sign(attestation::testing::encode_payload(vendor.fields()));
  EXPECT_EQ(refusal(vendor.authenticate(document)), "nitro.chain.key");
}

TEST(NitroAuthenticate, RefusesUnknownCriticalExtensions) {
  // The critical keyUsage under another OID: 2.5.29.127 for 2.5.29.15.
  const Bytes document = fake_nitro().document([](DocumentFields& fields) {
    const auto found = std::ranges::search(fields.cabundle[2], ByteArray<5>{{0x06, 0x03, 0x55, 0x1d, 0x0f}});
    ASSERT_FALSE(found.empty());
    found.back() = 0x7f;
  });
  EXPECT_EQ(refusal(fake_nitro().authenticate(document)), "nitro.chain.unsupported");
}

TEST(NitroAuthenticate, RefusesATimestampOutsideTheLeafsLife) {
  const auto at = [](Time time) {
    return fake_nitro().document([=](DocumentFields& fields) {
      fields.timestamp = static_cast<std::uint64_t>(time.time_since_epoch().count());
    });
  };
  const Time start = kNow - std::chrono::seconds(3);
  const Time end = start + std::chrono::hours(3);
  EXPECT_EQ(refusal(fake_nitro().authenticate(at(start - kTimestampTolerance))), "");
  EXPECT_EQ(refusal(fake_nitro().authenticate(at(end + kTimestampTolerance))), "");
  EXPECT_EQ(refusal(fake_nitro().authenticate(at(start - kTimestampTolerance - Duration(1)))), "nitro.chain.timestamp");
  EXPECT_EQ(refusal(fake_nitro().authenticate(at(end + kTimestampTolerance + Duration(1)))), "nitro.chain.timestamp");
}

TEST(NitroAuthenticate, SeesDebugModeOnlyWhenAllThreeAreZero) {
  const auto debug_after = [](const std::function<void(DocumentFields&)>& change) {
    return fake_nitro().authenticate(fake_nitro().document(change))->debug();
  };
  const auto zero = [](DocumentFields& fields, std::size_t index) { fields.pcrs[index].second = Bytes(48); };
  EXPECT_TRUE(debug_after([&](DocumentFields& fields) {
    for (const std::size_t index : {0UZ, 1UZ, 2UZ}) zero(fields, index);
  }));
  for (const std::size_t kept : {0UZ, 1UZ, 2UZ}) {
    EXPECT_FALSE(debug_after([&](DocumentFields& fields) {
      for (const std::size_t index : {0UZ, 1UZ, 2UZ}) {
        if (index != kept) zero(fields, index);
      }
    }));
  }
}

TEST(NitroAuthenticate, ReadsTheRegionFromTheIssuersNames) {
  EXPECT_EQ(region_of("i-0123.eu-central-1.aws.nitro-enclaves"), "eu-central-1");
  EXPECT_EQ(region_of("84256eea000eafc1.zonal.us-gov-west-1.aws.nitro-enclaves"), "us-gov-west-1");
  EXPECT_EQ(region_of("aws.nitro-enclaves"), std::nullopt);
  EXPECT_EQ(region_of(".aws.nitro-enclaves"), std::nullopt);
  EXPECT_EQ(region_of("i-0123.eu-central-1.aws"), std::nullopt);
  EXPECT_EQ(region_of("i-0123.EU-CENTRAL-1.aws.nitro-enclaves"), std::nullopt);
  EXPECT_EQ(region_of("i-0123.eu central 1.aws.nitro-enclaves"), std::nullopt);
  EXPECT_EQ(region_of("i-0123.zonal.aws.nitro-enclaves"), std::nullopt);
}

TEST(NitroAuthenticate, LeavesOutARegionOnWhichIssuersDisagree) {
  const FakeVendor vendor(altered([](std::size_t at, crypto::CertificateSpec& spec) {
    const std::string other = "fedcba9876543210.zonal.us-east-1.aws.nitro-enclaves";
    if (at == depth::kZonal) spec.subject_common_name = other;
    if (at == depth::kInstance) spec.issuer_common_name = other;
  }));
  const auto claims = vendor.authenticate(vendor.document());
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_FALSE(claims->nitro().region);
}

TEST(NitroChainCache, AcceptsASecondDocumentOfTheSameChain) {
  const auto cache = make_chain_cache();
  const auto first = fake_nitro().authenticate(fake_nitro().document(), kNow, cache.get());
  const auto second = fake_nitro().authenticate(fake_nitro().document(), kNow + std::chrono::hours(1), cache.get());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->platform(), first->platform());
  EXPECT_EQ(second->nitro().region, first->nitro().region);
  EXPECT_EQ(second->nitro().root_sha256, first->nitro().root_sha256);
  EXPECT_EQ(second->validity().not_after, first->validity().not_after);
}

TEST(NitroChainCache, StillChecksTheSignature) {
  const auto cache = make_chain_cache();
  Bytes document = fake_nitro().document();
  ASSERT_TRUE(fake_nitro().authenticate(document, kNow, cache.get()));
  document.back() ^= 1U;
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, kNow, cache.get())), "nitro.signature");
}

TEST(NitroChainCache, StillChecksTheTime) {
  const auto cache = make_chain_cache();
  const Bytes document = fake_nitro().document();
  ASSERT_TRUE(fake_nitro().authenticate(document, kNow, cache.get()));
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, kNow + std::chrono::hours(4), cache.get())),
            "nitro.chain.validity");
  EXPECT_EQ(refusal(fake_nitro().authenticate(document, kNow - std::chrono::hours(4), cache.get())),
            "nitro.chain.validity");
}

TEST(NitroChainCache, StillChecksTheTimestamp) {
  const auto cache = make_chain_cache();
  ASSERT_TRUE(fake_nitro().authenticate(fake_nitro().document(), kNow, cache.get()));
  const Bytes later = fake_nitro().document([](DocumentFields& fields) { fields.timestamp += 24UL * 3600 * 1000; });
  EXPECT_EQ(refusal(fake_nitro().authenticate(later, kNow, cache.get())), "nitro.chain.timestamp");
}

TEST(NitroChainCache, StillAsksWhetherThisCallerTrustsTheRoot) {
  const auto cache = make_chain_cache();
  const Bytes bytes = fake_local().document();
  const auto document = parse_document(bytes);
  ASSERT_TRUE(authenticate(*document, fake_local().as_local_root(), kNow, cache.get()));
  EXPECT_EQ(refusal(authenticate(*document, {}, kNow, cache.get())), "nitro.chain.anchor");
  Anchors by_hash;
  by_hash.local_root_sha256.push_back(fake_local().root_sha256());
  EXPECT_EQ(refusal(authenticate(*document, by_hash, kNow, cache.get())), "");
  // A chain that was once verified under another vendor root is nothing to AWS's.
  ASSERT_TRUE(fake_nitro().authenticate(fake_nitro().document(), kNow, cache.get()));
  const Bytes other = fake_nitro().document();
  EXPECT_EQ(refusal(authenticate(*parse_document(other), {}, kNow, cache.get())), "nitro.chain.anchor");
}

TEST(NitroChainCache, DoesNotRememberWhatDidNotVerify) {
  const auto cache = make_chain_cache();
  const FakeVendor other;
  const Bytes bad = other.sign(attestation::testing::encode_payload(fake_nitro().fields()));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(refusal(fake_nitro().authenticate(bad, kNow, cache.get())), "nitro.signature");
  const auto document = parse_document(bad);
  EXPECT_FALSE(cache->find(ChainCache::key_of(*document)));
}

TEST(NitroChainCache, ForgetsTheLeastRecentlyUsed) {
  ChainCache cache(2);
  const auto key = [](std::uint8_t fill) {
    crypto::Sha256 out{};
    out.fill(fill);
    return out;
  };
  const auto chain = [] {
    const Bytes bytes = fake_nitro().document();
    CheckList checks;
    return *verify_chain(*parse_document(bytes), fake_nitro().root(), fake_nitro().root_sha256(), {}, kNow, checks);
  };
  cache.insert(key(1), chain());
  cache.insert(key(2), chain());
  EXPECT_TRUE(cache.find(key(1)));
  cache.insert(key(3), chain());
  EXPECT_FALSE(cache.find(key(2)));
  EXPECT_TRUE(cache.find(key(1)));
  EXPECT_TRUE(cache.find(key(3)));
}

TEST(NitroChainCache, TellsChainsApartByEveryByteAndBoundary) {
  const Bytes base = fake_nitro().document();
  const auto document = parse_document(base);
  UnverifiedDocument moved = *document;
  // The last byte of one certificate becomes the first of the next.
  const ByteView whole(base);
  moved.cabundle[0] = document->cabundle[0].first(document->cabundle[0].size() - 1);
  EXPECT_NE(ChainCache::key_of(*document), ChainCache::key_of(moved));
}

TEST(NitroChainCache, IsSafeForConcurrentUse) {
  const auto cache = make_chain_cache(1);
  const Bytes one = fake_nitro().document();
  const FakeVendor other;
  const Bytes two = other.document();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 4; ++i) {
        const bool even = (thread + i) % 2 == 0;
        EXPECT_TRUE(even ? fake_nitro().authenticate(one, kNow, cache.get())
                         : other.authenticate(two, kNow, cache.get()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace gateway::attestation::nitro
