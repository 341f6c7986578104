#include "attestation/formats/bundle.h"

#include "attestation/formats/testing.h"

namespace gateway::attestation::formats {
namespace {

using codec::CborWriter;
using testing::refusal;

const Bytes kEvidence(100, 0x42);
const std::vector<Bytes> kFiles = {Bytes(10, 3), Bytes(20, 1), Bytes(10, 3)};

Bytes written(std::string_view label, ByteView evidence, const std::vector<Bytes>& files) {
  CborWriter writer;
  writer.array(3).text(label).bytes(evidence).array(files.size());
  for (const Bytes& file : files) writer.bytes(file);
  return std::move(writer).take();
}

TEST(Bundle, HoldsEvidenceAndCollateral) {
  const auto encoded = encode_bundle(kEvidence, kFiles);
  ASSERT_TRUE(encoded) << encoded.error().message();
  EXPECT_TRUE(looks_like_bundle(*encoded));
  const auto bundle = parse_bundle(*encoded);
  ASSERT_TRUE(bundle) << bundle.error().message();
  EXPECT_TRUE(equal(bundle->evidence, kEvidence));
  ASSERT_EQ(bundle->collateral.size(), 2U);  // what is there twice is written once
  EXPECT_TRUE(equal(bundle->collateral[0], Bytes(20, 1)));
  EXPECT_TRUE(equal(bundle->collateral[1], Bytes(10, 3)));
}

TEST(Bundle, IsTheSameWhateverTheOrderOfFiles) {
  const std::vector<Bytes> other = {kFiles[1], kFiles[0]};
  EXPECT_EQ(encode_bundle(kEvidence, kFiles).value(), encode_bundle(kEvidence, other).value());
}

TEST(Bundle, MayHaveNoCollateral) {
  EXPECT_TRUE(parse_bundle(encode_bundle(kEvidence, {}).value()).value().collateral.empty());
}

TEST(Bundle, IsRecognisedByItsFirstItemAlone) {
  EXPECT_TRUE(looks_like_bundle(written("gateway/bundle/v2", {}, {})));
  EXPECT_FALSE(looks_like_bundle(written("gateway/session/v1", {}, {})));
  EXPECT_FALSE(looks_like_bundle({}));
  EXPECT_FALSE(looks_like_bundle(Bytes{0x83, 0x71}));
  EXPECT_FALSE(looks_like_bundle(testing::fake_nitro().document()));
}

TEST(Bundle, RefusesOtherVersions) {
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v2", kEvidence, {}))), "bundle.version");
}

TEST(Bundle, RefusesOtherEncodings) {
  const Bytes good = encode_bundle(kEvidence, kFiles).value();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(refusal(parse_bundle(ByteView(good).first(size))), "bundle.encoding");
  }
  Bytes trailing = good;
  trailing.push_back(0);
  EXPECT_EQ(refusal(parse_bundle(trailing)), "bundle.encoding");
  CborWriter four, label, evidence, list, file;
  four.array(4).text("gateway/bundle/v1").bytes(kEvidence).array(0).null();
  EXPECT_EQ(refusal(parse_bundle(four.view())), "bundle.encoding");
  label.array(3).bytes(as_bytes("gateway/bundle/v1")).bytes(kEvidence).array(0);
  EXPECT_EQ(refusal(parse_bundle(label.view())), "bundle.encoding");
  evidence.array(3).text("gateway/bundle/v1").text("x").array(0);
  EXPECT_EQ(refusal(parse_bundle(evidence.view())), "bundle.encoding");
  list.array(3).text("gateway/bundle/v1").bytes(kEvidence).bytes(kEvidence);
  EXPECT_EQ(refusal(parse_bundle(list.view())), "bundle.encoding");
  file.array(3).text("gateway/bundle/v1").bytes(kEvidence).array(1).text("x");
  EXPECT_EQ(refusal(parse_bundle(file.view())), "bundle.encoding");
  Bytes indefinite = written("gateway/bundle/v1", kEvidence, {});
  indefinite.back() = 0x9f;
  indefinite.push_back(0xff);
  EXPECT_EQ(refusal(parse_bundle(indefinite)), "bundle.encoding");
}

TEST(Bundle, RefusesEmptyAndOversizedItems) {
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v1", {}, {}))), "bundle.item");
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v1", Bytes(kMaxBundledEvidence + 1), {}))), "bundle.item");
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v1", kEvidence, {Bytes{}}))), "bundle.item");
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v1", kEvidence, {Bytes(kMaxBundledFile + 1)}))),
            "bundle.item");
  EXPECT_EQ(refusal(encode_bundle({}, {})), "bundle.item");
  EXPECT_EQ(refusal(encode_bundle(kEvidence, std::vector<Bytes>{{}})), "bundle.item");
  EXPECT_EQ(refusal(encode_bundle(Bytes(kMaxBundledEvidence), std::vector<Bytes>{Bytes(kMaxBundledFile)})), "accepted");
}

TEST(Bundle, RefusesTooManyFiles) {
  std::vector<Bytes> files;
  for (std::size_t i = 0; i < kMaxBundledFiles; ++i) files.push_back(Bytes(2, static_cast<std::uint8_t>(i)));
  EXPECT_EQ(refusal(parse_bundle(encode_bundle(kEvidence, files).value())), "accepted");
  files.push_back(Bytes(3, 1));
  EXPECT_EQ(refusal(encode_bundle(kEvidence, files)), "bundle.count");
  EXPECT_EQ(refusal(parse_bundle(written("gateway/bundle/v1", kEvidence, files))), "bundle.count");
}

TEST(Bundle, RefusesWhatIsTooLarge) {
  EXPECT_EQ(refusal(parse_bundle(Bytes(kMaxBundleSize + 1))), "bundle.size");
  std::vector<Bytes> files;
  for (std::uint8_t i = 0; i < 4; ++i) files.push_back(Bytes(kMaxBundledFile, i));
  EXPECT_EQ(refusal(encode_bundle(kEvidence, files)), "bundle.size");
}

}  // namespace
}  // namespace gateway::attestation::formats
