#include "keys/kms_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "keys/kms_for_test.h"

namespace gateway::keys {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kArn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
constexpr const char* kOther = "arn:aws:kms:eu-central-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";
constexpr const char* kContext = R"("EncryptionContext":{"purpose":"model"})";

image::KmsDescription kms(std::vector<std::string> keys = {kArn}) {
  return {.region = "eu-central-1",
          .endpoint = "kms.eu-central-1.amazonaws.com:443",
          .keys = std::move(keys),
          .context = {{"purpose", "model"}}};
}

std::string id_of(const Result<KmsCall>& call) { return call ? call->body : std::string(call.error().id()); }

std::string judged(std::string_view target, const std::string& json, const image::KmsDescription& policy = kms()) {
  return id_of(judge_kms_call(target, json, policy));
}

std::string decrypt(const std::string& members) {
  return judged("TrentService.Decrypt", "{\"CiphertextBlob\":\"QUJD\"," + members + "}");
}

TEST(KmsCalls, PassesOnWhatTheImageAllows) {
  EXPECT_THAT(decrypt(kContext), HasSubstr(kArn)) << "the only key there is";
  EXPECT_THAT(decrypt(std::string(kContext) + ",\"KeyId\":\"" + kArn + "\""), HasSubstr(kArn));
  EXPECT_THAT(decrypt(std::string(kContext) + R"(,"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab")"), HasSubstr(kArn));
  EXPECT_THAT(judged("TrentService.GenerateDataKey", std::string("{") + kContext + R"(,"KeySpec":"AES_256"})"),
              HasSubstr(kArn));
  EXPECT_THAT(judged("TrentService.GenerateRandom", R"({"NumberOfBytes":32})"), HasSubstr("32"));
}

TEST(KmsCalls, RefusesOtherKeys) {
  for (const std::string& key : {std::string(kOther), std::string("alias/model"), std::string(""),
                                 std::string("arn:aws:kms:eu-central-1:111122223333:alias/model")}) {
    EXPECT_EQ(decrypt(std::string(kContext) + ",\"KeyId\":\"" + key + "\""), "kms.key") << key;
  }
  EXPECT_EQ(judged("TrentService.Decrypt", "{\"CiphertextBlob\":\"QUJD\"," + std::string(kContext) + "}",
                   kms({kArn, kOther})),
            "kms.key")
      << "one of several must be named";
}

TEST(KmsCalls, RefusesCallsWithoutTheImagesContext) {
  EXPECT_EQ(decrypt(R"("EncryptionContext":{})"), "kms.context");
  EXPECT_EQ(decrypt(R"("EncryptionContext":{"purpose":"other"})"), "kms.context");
  EXPECT_EQ(judged("TrentService.Decrypt", R"({"CiphertextBlob":"QUJD"})"), "kms.context");
  EXPECT_EQ(judged("TrentService.GenerateDataKey", R"({"KeySpec":"AES_256"})"), "kms.context");
  EXPECT_EQ(decrypt(R"("EncryptionContext":{"purpose":1})"), "kms.request");
  EXPECT_THAT(decrypt(R"("EncryptionContext":{"purpose":"model","more":"x"})"), HasSubstr("more"));
}

TEST(KmsCalls, RefusesOtherOperationsAndMembers) {
  for (const char* target : {"TrentService.Encrypt", "TrentService.GenerateDataKeyWithoutPlaintext",
                             "TrentService.Sign", "TrentService.ReEncrypt", "TrentService.PutKeyPolicy",
                             "TrentService.ScheduleKeyDeletion", "TrentService.DeriveSharedSecret", "", "Decrypt2"}) {
    EXPECT_EQ(judged(target, "{}"), "kms.operation") << target;
  }
  EXPECT_EQ(decrypt(std::string(kContext) + R"(,"Recipient":{})"), "kms.member");
  EXPECT_EQ(decrypt(std::string(kContext) + R"(,"DryRun":true)"), "kms.member");
  EXPECT_EQ(decrypt(std::string(kContext) + R"(,"EncryptionAlgorithm":"RSAES_OAEP_SHA_256")"), "kms.request");
  EXPECT_EQ(judged("TrentService.GenerateRandom", R"({"NumberOfBytes":32,"CustomKeyStoreId":"cks-1"})"), "kms.member");
}

TEST(KmsCalls, RefusesMalformedRequests) {
  EXPECT_EQ(judged("TrentService.Decrypt", "[]"), "kms.request");
  EXPECT_EQ(judged("TrentService.Decrypt", "{"), "kms.request");
  EXPECT_EQ(judged("TrentService.Decrypt", std::string("{") + kContext + "}"), "kms.request") << "no ciphertext";
  EXPECT_EQ(judged("TrentService.Decrypt", std::string(R"({"CiphertextBlob":"!",)") + kContext + "}"), "kms.request");
  EXPECT_EQ(judged("TrentService.Decrypt", "{\"CiphertextBlob\":\"QUJD\",\"CiphertextBlob\":\"QUJD\"}"), "kms.request");
  for (const char* bytes : {"0", "1025", "-1", "\"32\"", "1.5"}) {
    EXPECT_EQ(judged("TrentService.GenerateRandom", R"({"NumberOfBytes":)" + std::string(bytes) + "}"), "kms.request");
  }
  EXPECT_EQ(judged("TrentService.GenerateDataKey", std::string("{") + kContext + "}"), "kms.request");
  EXPECT_EQ(judged("TrentService.GenerateDataKey", std::string("{") + kContext + R"(,"KeySpec":"RSA_2048"})"),
            "kms.request");
  EXPECT_EQ(judged("TrentService.GenerateDataKey",
                   std::string("{") + kContext + R"(,"KeySpec":"AES_256","NumberOfBytes":32})"),
            "kms.request");
}

TEST(KmsCalls, TheSmallApiSaysTheSameInFewerWords) {
  const std::string call = id_of(judge_local_call("decrypt", R"({"ciphertext":"QUJD","context":{"file":"a"}})", kms()));
  EXPECT_THAT(call, HasSubstr(kArn));
  EXPECT_THAT(call, HasSubstr(R"("purpose":"model")"));
  EXPECT_THAT(call, HasSubstr(R"("file":"a")"));
  EXPECT_THAT(id_of(judge_local_call("data-key", "", kms())), HasSubstr(R"("NumberOfBytes":32)"));
  EXPECT_THAT(id_of(judge_local_call("random", R"({"bytes":16})", kms())), HasSubstr("16"));
  EXPECT_EQ(id_of(judge_local_call("decrypt", R"({"ciphertext":"QUJD","context":{"purpose":"other"}})", kms())),
            "kms.context")
      << "what contradicts the image is refused, not replaced";
  EXPECT_EQ(id_of(judge_local_call("decrypt", "{}", kms())), "kms.request");
  EXPECT_EQ(id_of(judge_local_call("decrypt", R"({"ciphertext":"QUJD","Recipient":{}})", kms())), "kms.member");
  EXPECT_EQ(id_of(judge_local_call("data-key", R"({"key":"alias/x"})", kms())), "kms.key");
  EXPECT_EQ(id_of(judge_local_call("encrypt", "{}", kms())), "kms.operation");
}

TEST(KmsCalls, CredentialsAreReadStrictly) {
  const auto id = [](std::string_view json) {
    const auto read = parse_credentials(as_bytes(json));
    return read ? read->access_key_id + "/" + read->session_token : std::string(read.error().id());
  };
  EXPECT_EQ(id(R"({"AccessKeyId":"AKID","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T00:00:00Z"})"),
            "AKID/t");
  EXPECT_EQ(id(R"({"AccessKeyId":"AKID","SecretAccessKey":"s"})"), "AKID/");
  EXPECT_EQ(id(R"({"AccessKeyId":"AKID"})"), "kms.credentials");
  EXPECT_EQ(id(R"({"AccessKeyId":"AKID\r\nX: y","SecretAccessKey":"s"})"), "kms.credentials")
      << "no line may end in it";
  EXPECT_EQ(id(R"({"AccessKeyId":"AKID","SecretAccessKey":"s","Token":"t\r\nX: y"})"), "AKID/")
      << "a token that could end a line is none";
  EXPECT_EQ(id("nonsense"), "kms.credentials");
}

TEST(KmsCalls, TheRequestCarriesDocumentAndSignature) {
  const KmsCall call = judge_kms_call("TrentService.GenerateRandom", R"({"NumberOfBytes":8})", kms()).value();
  const AwsCredentials credentials{"AKID", Secret(as_bytes("secret")), "token"};
  const Bytes request =
      encode_kms_request(call, as_bytes("document"), kms(), credentials, Time(std::chrono::seconds(1)));
  const std::string_view text = as_text(request);
  EXPECT_THAT(text, HasSubstr("host: kms.eu-central-1.amazonaws.com\r\n"));
  EXPECT_THAT(text, HasSubstr("x-amz-target: TrentService.GenerateRandom\r\n"));
  EXPECT_THAT(text, HasSubstr("x-amz-security-token: token\r\n"));
  EXPECT_THAT(text, HasSubstr("Credential=AKID/19700101/eu-central-1/kms/aws4_request"));
  EXPECT_THAT(text, HasSubstr(to_base64(as_bytes("document"))));
  EXPECT_THAT(text, Not(HasSubstr("secret")));
}

class KmsAnswers : public testing::Test {
 protected:
  static const crypto::EnvelopeKey& key() {
    static const crypto::EnvelopeKey one = *crypto::EnvelopeKey::generate();
    return one;
  }
  static std::string read(const std::string& members, int status = 200, const std::string& key_id = kArn) {
    const std::string envelope = to_base64(envelope_for(key().spki(), "data key", false));
    const auto answer = read_kms_answer(
        call_, status,
        as_bytes("{\"KeyId\":\"" + key_id + "\",\"CiphertextForRecipient\":\"" + envelope + "\"" + members + "}"),
        key());
    return answer ? std::string(as_text(answer->plaintext.reveal())) : std::string(answer.error().id());
  }
  inline static const KmsCall call_{KmsOperation::kDecrypt, kArn, "{}"};
};

TEST_F(KmsAnswers, AreOpenedWhenAllOfThemHolds) {
  EXPECT_EQ(read(""), "data key");
  EXPECT_EQ(read(R"(,"Plaintext":null)"), "data key");
  EXPECT_EQ(read(R"(,"Plaintext":"")"), "data key");
}

TEST_F(KmsAnswers, AreRefusedForAnotherKey) {
  EXPECT_EQ(read("", 200, kOther), "kms.answer_key");
  EXPECT_EQ(read("", 200, "1234abcd-12ab-34cd-56ef-1234567890ab"), "kms.answer_key");
}

TEST_F(KmsAnswers, AreRefusedWithAPlaintextThatOthersCouldRead) {
  EXPECT_EQ(read(R"(,"Plaintext":"QUJD")"), "kms.plaintext");
  EXPECT_EQ(read(R"(,"Plaintext":{})"), "kms.plaintext");
}

TEST_F(KmsAnswers, SayOneThingOfWhatDoesNotOpen) {
  const auto other = crypto::EnvelopeKey::generate();
  const std::string foreign = to_base64(envelope_for(other->spki(), "x", false));
  const auto id = [](const std::string& body) {
    return std::string(read_kms_answer(call_, 200, as_bytes(body), key()).error().id());
  };
  const std::string start = std::string("{\"KeyId\":\"") + kArn + "\"";
  EXPECT_EQ(id(start + ",\"CiphertextForRecipient\":\"" + foreign + "\"}"), "crypto.envelope");
  EXPECT_EQ(id(start + ",\"CiphertextForRecipient\":\"QUJD\"}"), "kms.envelope");
  EXPECT_EQ(id(start + "}"), "kms.answer");
  EXPECT_EQ(id("[]"), "kms.answer");
}

TEST_F(KmsAnswers, WhatKmsRefusesIsToldInItsWords) {
  const auto answer =
      read_kms_answer(call_, 400, as_bytes(R"({"__type":"AccessDeniedException","Message":"not\nallowed"})"), key());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "kms.refused");
  EXPECT_THAT(answer.error().detail(), HasSubstr("AccessDeniedException: not?allowed"));
}

TEST_F(KmsAnswers, GoOnInTheFormThatWasAskedFor) {
  const KmsCall data_key{KmsOperation::kGenerateDataKey, kArn, "{}"};
  const KmsAnswer answer{kArn, to_bytes("wrapped"), Secret(as_bytes("plain"))};
  EXPECT_EQ(as_text(encode_aws_answer(data_key, answer).reveal()),
            std::string("{\"KeyId\":\"") + kArn + R"(","CiphertextBlob":"d3JhcHBlZA==","Plaintext":"cGxhaW4="})");
  EXPECT_EQ(as_text(encode_local_answer(data_key, answer).reveal()),
            std::string("{\"key\":\"") + kArn + "\",\"ciphertext\":\"d3JhcHBlZA==\",\"plaintext\":\"cGxhaW4=\"}\n");
}

}  // namespace
}  // namespace gateway::keys
