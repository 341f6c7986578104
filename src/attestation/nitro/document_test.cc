#include "attestation/nitro/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attestation/testing/fake_vendor.h"
#include "codec/cbor.h"

namespace gateway::attestation::nitro {
namespace {

using attestation::testing::DocumentFields;
using attestation::testing::fake_nitro;
using codec::CborWriter;

// The id of the refusal, "" when the document is accepted.
std::string refusal(ByteView document) {
  CheckList checks;
  const auto parsed = parse_document(document, &checks);
  if (parsed) {
    for (const Check& check : checks.lines()) EXPECT_EQ(check.outcome, Outcome::kOk) << check.id;
    return "";
  }
  // The last line is the refusal, all before it held.
  EXPECT_FALSE(checks.lines().empty());
  EXPECT_EQ(checks.lines().back().id, parsed.error().id());
  EXPECT_EQ(checks.lines().back().outcome, Outcome::kRefused);
  EXPECT_FALSE(checks.lines().back().remedy.empty());
  for (std::size_t i = 0; i + 1 < checks.lines().size(); ++i) EXPECT_EQ(checks.lines()[i].outcome, Outcome::kOk);
  return std::string(parsed.error().id());
}

std::string refusal_after(const std::function<void(DocumentFields&)>& change) {
  return refusal(fake_nitro().document(change));
}

Bytes item(const std::function<void(CborWriter&)>& write) {
  CborWriter writer;
  write(writer);
  return std::move(writer).take();
}
Bytes bytes_item(ByteView bytes) {
  return item([&](CborWriter& writer) { writer.bytes(bytes); });
}
const Bytes kProtected = bytes_item(ByteArray<4>{{0xa1, 0x01, 0x38, 0x22}});
const Bytes kEmptyMap{0xa0};

Bytes payload_item() { return bytes_item(attestation::testing::encode_payload(fake_nitro().fields())); }
Bytes signature_item() { return bytes_item(Bytes(96, 1)); }

TEST(NitroDocument, ReadsEveryField) {
  const Bytes bytes = fake_nitro().document([](DocumentFields& fields) { fields.public_key = Bytes(91, 0x33); });
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_EQ(document->module_id, "i-0123456789abcdef0-enc0123456789abcde");
  EXPECT_EQ(document->timestamp, attestation::testing::kNow);
  EXPECT_TRUE(equal(*document->pcrs[0], attestation::testing::pcr(0xa0)));
  EXPECT_TRUE(document->pcrs[15]);
  EXPECT_FALSE(document->pcrs[16]);
  EXPECT_TRUE(equal(document->certificate, fake_nitro().chain().back().der()));
  ASSERT_EQ(document->cabundle.size(), 4U);
  EXPECT_TRUE(equal(document->cabundle[0], fake_nitro().root().der()));
  EXPECT_EQ(document->user_data->size(), 32U);
  EXPECT_EQ(document->nonce->size(), 32U);
  EXPECT_EQ(document->public_key->size(), 91U);
}

TEST(NitroDocument, LeavesALineForEveryRule) {
  CheckList checks;
  ASSERT_TRUE(parse_document(fake_nitro().document(), &checks));
  std::vector<std::string_view> ids;
  for (const Check& check : checks.lines()) ids.push_back(check.id);
  EXPECT_THAT(
      ids, ::testing::IsSupersetOf(std::initializer_list<std::string_view>{
               "nitro.document.size", "nitro.document.structure", "nitro.document.algorithm", "nitro.document.header",
               "nitro.document.signature_size", "nitro.document.payload_size", "nitro.document.module_id",
               "nitro.document.digest", "nitro.document.timestamp", "nitro.document.pcrs", "nitro.document.certificate",
               "nitro.document.cabundle", "nitro.document.public_key", "nitro.document.user_data",
               "nitro.document.nonce", "nitro.document.missing_key"}));
}

TEST(NitroDocument, AcceptsTheTaggedForm) {
  Bytes tagged{0xd2};
  append(tagged, fake_nitro().document());
  EXPECT_EQ(refusal(tagged), "");
}

TEST(NitroDocument, RefusesAnotherTag) {
  Bytes tagged{0xd1};  // 17: COSE_Mac0
  append(tagged, fake_nitro().document());
  EXPECT_EQ(refusal(tagged), "nitro.document.structure");
}

TEST(NitroDocument, AcceptsAnIndefiniteLengthMap) {
  EXPECT_EQ(refusal(fake_nitro().sign(attestation::testing::encode_payload_indefinite(fake_nitro().fields()))), "");
}

TEST(NitroDocument, AcceptsAbsentOptionalFields) {
  const auto fields = fake_nitro().fields();
  CborWriter writer;
  writer.map(6);
  writer.text("cabundle").array(1).bytes(fields.cabundle[0]);
  writer.text("certificate").bytes(fields.certificate);
  writer.text("pcrs").map(1).unsigned_integer(0).bytes(fields.pcrs[0].second);
  writer.text("timestamp").unsigned_integer(1).text("digest").text("SHA384").text("module_id").text("m");
  const auto bytes = fake_nitro().sign(writer.view());
  const auto document = parse_document(bytes);
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_FALSE(document->nonce || document->user_data || document->public_key);
}

TEST(NitroDocument, RefusesEmptyInput) { EXPECT_EQ(refusal({}), "nitro.document.empty"); }

TEST(NitroDocument, RefusesOversizedInput) {
  EXPECT_EQ(refusal(Bytes(kMaxDocumentSize + 1, 0x84)), "nitro.document.size");
}

TEST(NitroDocument, RefusesAnOversizedPayload) {
  const Bytes document =
      attestation::testing::envelope(kProtected, kEmptyMap, bytes_item(Bytes(kMaxPayloadSize + 1)), signature_item());
  EXPECT_EQ(refusal(document), "nitro.document.payload_size");
}

TEST(NitroDocument, RefusesTrailingBytes) {
  Bytes document = fake_nitro().document();
  document.push_back(0);
  EXPECT_EQ(refusal(document), "nitro.document.trailing");
}

TEST(NitroDocument, RefusesTrailingBytesInThePayload) {
  Bytes payload = attestation::testing::encode_payload(fake_nitro().fields());
  payload.push_back(0);
  EXPECT_EQ(refusal(fake_nitro().sign(payload)), "nitro.document.trailing");
}

TEST(NitroDocument, RefusesEveryTruncation) {
  const Bytes document = fake_nitro().document();
  for (std::size_t size = 1; size < document.size(); size += 7) {
    EXPECT_FALSE(parse_document(ByteView(document).first(size))) << size;
  }
}

TEST(NitroDocument, RefusesWhatIsNoCose) {
  EXPECT_EQ(refusal(as_bytes("not a document")), "nitro.document.structure");
  EXPECT_EQ(refusal(ByteArray<1>{{0x80}}), "nitro.document.structure");
  EXPECT_EQ(refusal(attestation::testing::encode_payload(fake_nitro().fields())), "nitro.document.structure");
}

TEST(NitroDocument, RefusesUnsignedDocumentsAsQemuMakesThem) {
  const Bytes no_algorithm = bytes_item(ByteArray<3>{{0xa1, 0x01, 0x20}});  // {1: -1}
  EXPECT_EQ(refusal(attestation::testing::envelope(no_algorithm, kEmptyMap, payload_item(), bytes_item(Bytes(64)))),
            "nitro.unsigned");
  EXPECT_EQ(
      parse_document(attestation::testing::envelope(no_algorithm, kEmptyMap, payload_item(), bytes_item(Bytes(64))))
          .error()
          .code(),
      ErrorCode::kNotAuthentic);
}

TEST(NitroDocument, RefusesOtherAlgorithms) {
  const Bytes es256 = bytes_item(ByteArray<3>{{0xa1, 0x01, 0x26}});
  EXPECT_EQ(refusal(attestation::testing::envelope(es256, kEmptyMap, payload_item(), signature_item())),
            "nitro.document.algorithm");
  const Bytes hmac = bytes_item(ByteArray<3>{{0xa1, 0x01, 0x05}});
  EXPECT_EQ(refusal(attestation::testing::envelope(hmac, kEmptyMap, payload_item(), signature_item())),
            "nitro.document.algorithm");
}

TEST(NitroDocument, RefusesOtherHeaders) {
  // kid in the protected header; anything in the unprotected one, which nobody signs.
  const Bytes with_kid = bytes_item(Bytes{0xa2, 0x01, 0x38, 0x22, 0x04, 0x41, 0x00});
  EXPECT_EQ(refusal(attestation::testing::envelope(with_kid, kEmptyMap, payload_item(), signature_item())),
            "nitro.document.header");
  const Bytes unprotected{0xa1, 0x04, 0x41, 0x00};
  EXPECT_EQ(refusal(attestation::testing::envelope(kProtected, unprotected, payload_item(), signature_item())),
            "nitro.document.header");
}

TEST(NitroDocument, RefusesSignaturesOfOtherSizes) {
  for (std::size_t size : {0UZ, 64UZ, 95UZ, 97UZ, 104UZ}) {
    EXPECT_EQ(
        refusal(attestation::testing::envelope(kProtected, kEmptyMap, payload_item(), bytes_item(Bytes(size, 1)))),
        "nitro.document.signature_size");
  }
}

TEST(NitroDocument, RefusesAPayloadThatIsNoMap) {
  EXPECT_EQ(refusal(fake_nitro().sign(ByteArray<1>{{0x80}})), "nitro.document.structure");
  EXPECT_EQ(refusal(fake_nitro().sign({})), "nitro.document.structure");
}

TEST(NitroDocument, RefusesUnknownKeys) {
  Bytes payload = attestation::testing::encode_payload(fake_nitro().fields());
  payload[0] = 0xaa;  // ten pairs
  append(payload, item([](CborWriter& writer) { writer.text("extra").null(); }));
  EXPECT_EQ(refusal(fake_nitro().sign(payload)), "nitro.document.unknown_key");
}

TEST(NitroDocument, RefusesDuplicateKeys) {
  Bytes payload = attestation::testing::encode_payload(fake_nitro().fields());
  payload[0] = 0xaa;
  append(payload, item([](CborWriter& writer) { writer.text("nonce").null(); }));
  EXPECT_EQ(refusal(fake_nitro().sign(payload)), "nitro.document.duplicate_key");
}

TEST(NitroDocument, RefusesDuplicatePcrs) {
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.pcrs.push_back(fields.pcrs[0]); }),
            "nitro.document.duplicate_key");
}

TEST(NitroDocument, RefusesEveryMissingKey) {
  const std::vector<std::string> required{"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"};
  for (const std::string& missing : required) {
    const auto fields = fake_nitro().fields();
    CborWriter writer;
    writer.map(5);
    if (missing != "module_id") writer.text("module_id").text("m");
    if (missing != "digest") writer.text("digest").text("SHA384");
    if (missing != "timestamp") writer.text("timestamp").unsigned_integer(1);
    if (missing != "pcrs") writer.text("pcrs").map(1).unsigned_integer(0).bytes(fields.pcrs[0].second);
    if (missing != "certificate") writer.text("certificate").bytes(fields.certificate);
    if (missing != "cabundle") writer.text("cabundle").array(1).bytes(fields.cabundle[0]);
    EXPECT_EQ(refusal(fake_nitro().sign(writer.view())), "nitro.document.missing_key") << missing;
  }
}

TEST(NitroDocument, RefusesBadModuleIds) {
  for (const std::string& bad : {std::string(), std::string(kMaxModuleId + 1, 'a'), std::string("i-0 1"),
                                 std::string("i-0\x1b[31m"), std::string("i-0\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.module_id = bad; }), "nitro.document.module_id");
  }
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.module_id = std::string(kMaxModuleId, 'a'); }), "");
}

TEST(NitroDocument, RefusesOtherDigests) {
  for (const char* bad : {"SHA256", "SHA512", "sha384", "", "SHA3840"}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.digest = bad; }), "nitro.document.digest");
  }
}

TEST(NitroDocument, RefusesBadTimestamps) {
  for (std::uint64_t bad : {0ULL, 32'503'680'000'000ULL, 0xffff'ffff'ffff'ffffULL}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.timestamp = bad; }), "nitro.document.timestamp");
  }
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.timestamp = 1; }), "");
}

TEST(NitroDocument, RefusesBadPcrs) {
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.pcrs.clear(); }), "nitro.document.pcrs");
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.pcrs.emplace_back(32, Bytes(48)); }),
            "nitro.document.pcrs");
  for (std::size_t size : {0UZ, 20UZ, 31UZ, 33UZ, 47UZ, 49UZ, 63UZ, 65UZ, 96UZ}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.pcrs[3].second = Bytes(size, 1); }),
              "nitro.document.pcrs")
        << size;
  }
  for (std::size_t size : {32UZ, 48UZ, 64UZ}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.pcrs[3].second = Bytes(size, 1); }), "") << size;
  }
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.pcrs.emplace_back(31, Bytes(48)); }), "");
}

TEST(NitroDocument, RefusesCertificatesOfBadSizes) {
  for (std::size_t size : {0UZ, kMaxCertificateSize + 1}) {
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.certificate = Bytes(size, 1); }),
              "nitro.document.certificate");
    EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.cabundle[1] = Bytes(size, 1); }),
              "nitro.document.cabundle");
  }
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.certificate = Bytes(kMaxCertificateSize, 1); }), "");
}

TEST(NitroDocument, RefusesBundlesOfBadLengths) {
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.cabundle.clear(); }), "nitro.document.cabundle");
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.cabundle.resize(kMaxCabundle + 1, Bytes(1)); }),
            "nitro.document.cabundle");
  EXPECT_EQ(refusal_after([](DocumentFields& fields) { fields.cabundle.resize(kMaxCabundle, Bytes(1)); }), "");
}

TEST(NitroDocument, RefusesOversizedOptionalFields) {
  const Bytes most(kMaxOptionalField, 1);
  const Bytes more(kMaxOptionalField + 1, 1);
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.public_key = more; }), "nitro.document.public_key");
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.user_data = more; }), "nitro.document.user_data");
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) { fields.nonce = more; }), "nitro.document.nonce");
  EXPECT_EQ(refusal_after([&](DocumentFields& fields) {
              fields.public_key = most;
              fields.user_data = most;
              fields.nonce = Bytes();
            }),
            "");
}

// Every field in turn with a value of another type.
TEST(NitroDocument, RefusesWrongTypes) {
  const std::vector<std::pair<std::string, std::string>> fields{{"module_id", "module_id"},
                                                                {"digest", "digest"},
                                                                {"timestamp", "timestamp"},
                                                                {"pcrs", "pcrs"},
                                                                {"certificate", "certificate"},
                                                                {"cabundle", "cabundle"},
                                                                {"public_key", "public_key"},
                                                                {"user_data", "user_data"},
                                                                {"nonce", "nonce"}};
  for (const auto& [key, id] : fields) {
    CborWriter writer;
    writer.map(1).text(key).boolean(true);
    EXPECT_EQ(refusal(fake_nitro().sign(writer.view())), "nitro.document." + id);
  }
  EXPECT_EQ(refusal(fake_nitro().sign(item([](CborWriter& writer) { writer.map(1).unsigned_integer(1).null(); }))),
            "nitro.document.structure");
  EXPECT_EQ(refusal(fake_nitro().sign(item([](CborWriter& writer) { writer.map(1).text("timestamp").integer(-1); }))),
            "nitro.document.timestamp");
  EXPECT_EQ(refusal(fake_nitro().sign(
                item([](CborWriter& writer) { writer.map(1).text("pcrs").map(1).text("0").bytes({}); }))),
            "nitro.document.pcrs");
  EXPECT_EQ(
      refusal(fake_nitro().sign(item([](CborWriter& writer) { writer.map(1).text("cabundle").array(1).text("x"); }))),
      "nitro.document.cabundle");
}

TEST(NitroDocument, NeverRepeatsThePeersText) {
  const Bytes document = fake_nitro().document([](DocumentFields& fields) { fields.module_id = "evil\x1b]text"; });
  const auto parsed = parse_document(document);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message().find("evil"), std::string::npos);
}

}  // namespace
}  // namespace gateway::attestation::nitro
