#include "image/measure.h"

#include <zlib.h>

#include <random>

#include "codec/cbor.h"
#include "crypto/cose.h"
#include "crypto/x509.h"
#include "image/crc32.h"
#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::Folder;

Bytes noise(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  Bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(generator());
  return out;
}

// ext(SHA384(parts)), straight from the formula.
Pcr formula(std::initializer_list<ByteView> parts) {
  const ByteArray<48> zero{};
  return crypto::sha384({zero, crypto::sha384(parts)});
}

Result<Eif> image_of(const Folder& folder, const EifParts& parts) {
  GATEWAY_TRY(write_eif(parts, folder / "image.eif"));
  return Eif::open(folder / "image.eif");
}

TEST(Crc32, AgreesWithZlibForEveryLengthAndAlignment) {
  const Bytes bytes = noise(1500, 1);
  for (std::size_t offset = 0; offset < 17; ++offset) {
    for (std::size_t size = 0; size + offset < 700; ++size) {
      const ByteView part = ByteView(bytes).subspan(offset, size);
      ASSERT_EQ(crc32(7, part), ::crc32(7, part.data(), static_cast<unsigned>(size))) << offset << " " << size;
    }
  }
}

TEST(Measure, FollowsTheFormulaForSmallAndBigImages) {
  for (const std::size_t size : {10UZ, 300'000UZ, 3'000'001UZ}) {
    const Folder folder;
    const Bytes kernel = noise(size, 1);
    const Bytes one = noise(size + 1, 2);
    const Bytes two = noise(size + 2, 3);
    const Bytes three = noise(size + 3, 4);
    const std::string cmdline = "console=ttyS0";
    const auto eif = image_of(folder, {.kernel = kernel,
                                       .cmdline = cmdline,
                                       .metadata = "{\"a\":1}",
                                       .ramdisks = {one, two, three},
                                       .signature = {}});
    ASSERT_OK(eif);
    const auto found = measure(*eif);
    ASSERT_OK(found);
    EXPECT_EQ(found->pcr0, formula({kernel, as_bytes(cmdline), one, two, three}));
    EXPECT_EQ(found->pcr1, formula({kernel, as_bytes(cmdline), one}));
    EXPECT_EQ(found->pcr2, formula({two, three}));
    EXPECT_FALSE(found->pcr8);
  }
}

TEST(Measure, OfOneRamdiskHasPcr2OfNothing) {
  const Folder folder;
  const Bytes one = noise(100, 2);
  const auto eif = image_of(folder, {.kernel = {}, .cmdline = "", .metadata = {}, .ramdisks = {one}, .signature = {}});
  ASSERT_OK(eif);
  const auto found = measure(*eif);
  ASSERT_OK(found);
  EXPECT_EQ(found->pcr0, found->pcr1);
  EXPECT_EQ(found->pcr2, formula({}));
}

// A register into which the digest of nothing was extended.
TEST(Measure, ExtendsFromZero) {
  EXPECT_EQ(to_hex(extended_from_zero(crypto::sha384(ByteView{}))),
            "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a");
}

TEST(Measure, MetadataIsNotMeasured) {
  const Folder folder;
  const Bytes one = noise(100, 2);
  const auto first =
      image_of(folder, {.kernel = {}, .cmdline = "c", .metadata = "{}", .ramdisks = {one}, .signature = {}});
  const auto second =
      image_of(folder, {.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {one}, .signature = {}});
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_EQ(measure(*first)->pcr0, measure(*second)->pcr0);
}

TEST(Measure, RefusesAChangedByteAnywhereByTheChecksum) {
  const Folder folder;
  for (const std::size_t size : {100UZ, 700'000UZ}) {
    const Bytes one = noise(size, 2);
    ASSERT_OK(write_eif({.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {one, one}, .signature = {}},
                        folder / "a.eif"));
    Bytes bytes = to_bytes(testing::slurp(folder / "a.eif"));
    for (const std::size_t at : {15UZ, 560UZ, bytes.size() - 1}) {
      bytes[at] ^= 0x40U;
      const auto eif = Eif::parse(bytes);
      ASSERT_OK(eif);
      EXPECT_REFUSED(measure(*eif), "image.eif.crc");
      bytes[at] ^= 0x40U;
    }
  }
}

// The signature section in AWS's form, by a key of this test's own.
class Signed : public ::testing::Test {
 protected:
  void SetUp() override {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::kP384);
    ASSERT_OK(key);
    key_.emplace(*std::move(key));
    const auto certificate =
        crypto::issue_certificate({.subject_common_name = "image signer",
                                   .issuer_common_name = "image signer",
                                   .subject_key = key_->public_key(),
                                   .validity = {.not_before = *from_rfc3339("2025-01-01T00:00:00Z"),
                                                .not_after = *from_rfc3339("2035-01-01T00:00:00Z")},
                                   .is_ca = false,
                                   .path_length = std::nullopt,
                                   .dns_names = {},
                                   .extensions = {}},
                                  *key_);
    ASSERT_OK(certificate);
    certificate_.emplace(*certificate);
    const auto eif = image_of(folder_, parts({}));
    ASSERT_OK(eif);
    pcr0_ = measure(*eif)->pcr0;
  }
  EifParts parts(ByteView signature) const {
    return {.kernel = {}, .cmdline = "c", .metadata = {}, .ramdisks = {ramdisk_}, .signature = signature};
  }
  static void put_integers(codec::CborWriter& writer, ByteView bytes) {
    writer.array(bytes.size());
    for (const std::uint8_t byte : bytes) writer.unsigned_integer(byte);
  }
  Bytes section(ByteView pcr0, std::uint64_t index = 0, std::size_t copies = 1) const {
    codec::CborWriter payload;
    payload.map(2).text("register_index").unsigned_integer(index).text("register_value");
    put_integers(payload, pcr0);
    const auto message = crypto::sign_cose_sign1(payload.view(), *key_, crypto::CoseAlgorithm::kEs384);
    EXPECT_TRUE(message);
    codec::CborWriter out;
    out.array(copies);
    for (std::size_t i = 0; i < copies; ++i) {
      out.map(2).text("signing_certificate");
      put_integers(out, as_bytes(certificate_->to_pem()));
      out.text("signature");
      put_integers(out, *message);
    }
    return std::move(out).take();
  }
  Result<Measurements> measured(const Bytes& signature) const {
    GATEWAY_ASSIGN(const Eif eif, image_of(folder_, parts(signature)));
    return measure(eif);
  }

  Folder folder_;
  Bytes ramdisk_ = to_bytes("ramdisk");
  std::optional<crypto::PrivateKey> key_;
  std::optional<crypto::Certificate> certificate_;
  Pcr pcr0_{};
};

TEST_F(Signed, ImageHasPcr8OfItsCertificate) {
  const auto found = measured(section(pcr0_));
  ASSERT_OK(found);
  EXPECT_EQ(found->pcr0, pcr0_);
  EXPECT_EQ(found->pcr8, formula({certificate_->der()}));
}

// What the key at hand and a key elsewhere make is the same section, and AWS's.
TEST_F(Signed, ImageIsSignedByAKeyAnywhere) {
  const Bytes to_sign = image_to_be_signed(pcr0_);
  for (const auto format : {crypto::SignatureFormat::kRaw, crypto::SignatureFormat::kDer}) {
    const auto signature = key_->sign(crypto::HashAlgorithm::kSha384, format, to_sign);
    ASSERT_OK(signature);
    const auto made = signature_section(*certificate_, *signature, pcr0_);
    ASSERT_OK(made);
    const auto eif = image_of(folder_, parts({}));
    ASSERT_OK(eif);
    const std::string path = folder_ / "signed.eif";
    ASSERT_OK(write_signed(*eif, *made, path));
    const auto again = Eif::open(path);
    ASSERT_OK(again);
    const auto measured_again = measure(*again);
    ASSERT_OK(measured_again);
    EXPECT_EQ(measured_again->pcr0, pcr0_);
    EXPECT_EQ(measured_again->pcr8, formula({certificate_->der()}));
    EXPECT_EQ(again->default_memory(), eif->default_memory());

    // A signed image is signed anew, not twice.
    const std::string twice = folder_ / "twice.eif";
    ASSERT_OK(write_signed(*again, *made, twice));
    EXPECT_EQ(Eif::open(twice)->bytes().size(), again->bytes().size());
  }
}

TEST_F(Signed, ASignatureThatDoesNotHoldMakesNoSection) {
  const auto signature =
      key_->sign(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kRaw, image_to_be_signed(pcr0_));
  ASSERT_OK(signature);
  Pcr other = pcr0_;
  other[0] ^= 1U;
  EXPECT_REFUSED(signature_section(*certificate_, *signature, other), "cose.signature");
  EXPECT_REFUSED(signature_section(*certificate_, Bytes(70, 1), pcr0_), "crypto.signature.der");
  EXPECT_REFUSED(signature_section(*certificate_, Bytes(96, 1), pcr0_), "cose.signature");
}

TEST_F(Signed, ImageWithASignatureForAnotherImageIsRefused) {
  Pcr other = pcr0_;
  other[0] ^= 1U;
  EXPECT_REFUSED(measured(section(other)), "image.signature.pcr0");
}

TEST_F(Signed, ImageWithASignatureOverAnotherRegisterIsRefused) {
  EXPECT_REFUSED(measured(section(pcr0_, 1)), "image.signature.structure");
}

TEST_F(Signed, ImageWithTwoSignaturesIsRefused) {
  EXPECT_REFUSED(measured(section(pcr0_, 0, 2)), "image.signature.count");
}

TEST_F(Signed, ImageWithAForgedSignatureIsRefused) {
  Bytes forged = section(pcr0_);
  // The last integer is the signature's last byte: one that fits into the same encoding.
  forged.back() = forged.back() == 0x17 ? 0x16 : static_cast<std::uint8_t>(forged.back() ^ 1U);
  EXPECT_REFUSED(measured(forged), "cose.signature");
}

TEST_F(Signed, SectionThatIsNotOfTheFormatIsRefused) {
  EXPECT_REFUSED(measured(to_bytes("garbage")), "image.signature.structure");
  codec::CborWriter swapped;
  swapped.array(1).map(2).text("signature").array(0).text("signing_certificate").array(0);
  EXPECT_REFUSED(measured(std::move(swapped).take()), "image.signature.structure");
  codec::CborWriter big;
  big.array(1).map(2).text("signing_certificate").array(1).unsigned_integer(256).text("signature").array(0);
  EXPECT_REFUSED(measured(std::move(big).take()), "image.signature.structure");
}

TEST_F(Signed, ImageSignedWithP256IsRefused) {
  auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256);
  ASSERT_OK(key);
  codec::CborWriter payload;
  payload.map(0);
  const auto message = crypto::sign_cose_sign1(payload.view(), *key, crypto::CoseAlgorithm::kEs256);
  ASSERT_OK(message);
  codec::CborWriter out;
  out.array(1).map(2).text("signing_certificate");
  put_integers(out, as_bytes(certificate_->to_pem()));
  out.text("signature");
  put_integers(out, *message);
  EXPECT_REFUSED(measured(std::move(out).take()), "image.signature.algorithm");
}

}  // namespace
}  // namespace gateway::image
