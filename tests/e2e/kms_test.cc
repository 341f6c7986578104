// AWS KMS from inside a real enclave, in both forms that a workload may use, against a service that does KMS's side in
// earnest; and what happens when the document, the key's policy, the host or whoever answers is not what it should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/json.hpp>

#include "codec/json.h"
#include "crypto/hash.h"
#include "e2e/fake_kms.h"
#include "harness/raw_client.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

const std::map<std::string, std::string> kContext{{"purpose", "model"}};
constexpr const char* kAwsContext = R"("EncryptionContext":{"purpose":"model"})";

class KmsE2e : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string lacking = what_local_lacks(); !lacking.empty()) {
      GTEST_SKIP() << "SKIPPED: platform local cannot run here: " << lacking;
    }
    if (own_.empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but loopback's";
    names_.set(FakeKms::kName, own_);
  }
  void start(const std::string& credentials = FakeKms::kCredentials) {
    const std::string file = site_.write("credentials.json", credentials);
    ::chmod(file.c_str(), 0644);  // the shim's user reads it
    site_.start_daemon("[egress]\nresolver = \"" + names_.endpoint() + "\"\naws_credentials = \"" + file + "\"\n");
    const std::string roots = site_.write("roots.pem", kms_.root_pem());
    const std::string image = site_.build_echo(
        {.name = "keys",
         .more = "[egress]\nroots = \"/etc/roots.pem\"\n[kms]\nregion = \"eu-central-1\"\nendpoint = \"" +
                 std::string(FakeKms::kName) + ":" + std::to_string(kms_.port()) + "\"\nkeys = [\"" + FakeKms::kArn +
                 "\"]\ncontext = { purpose = \"model\" }\n[[rootfs.files]]\nfrom = \"" + roots +
                 "\"\nto = \"/etc/roots.pem\"\n"});
    enclave_ = site_.run_enclave(image, "keys");
    kms_.trust_root(enclave_.root.substr(enclave_.root.find(':') + 1));
    kms_.require({{0, enclave_.measurements[0]}, {1, enclave_.measurements[1]}, {2, enclave_.measurements[2]}});
  }
  std::string from_workload(const std::string& bytes) const {
    const auto client = RawClient::tls(enclave_.listen);
    if (!client) return "no connection to the enclave";
    const HttpAnswer answer = client->exchange(
        post("/tcp?address=127.0.0.1&port=7010&idle=20000", bytes, enclave_.token), "POST", Milliseconds(40'000));
    return answer.status == 200 ? answer.body : "status " + std::to_string(answer.status);
  }
  std::string aws(const std::string& operation, const std::string& body) const {
    return from_workload("POST / HTTP/1.1\r\nHost: 127.0.0.1:7010\r\nX-Amz-Target: TrentService." + operation +
                         "\r\nContent-Type: application/x-amz-json-1.1\r\nAuthorization: AWS4-HMAC-SHA256 whatever\r\n"
                         "Content-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::string small(const std::string& name, const std::string& body) const {
    return from_workload("POST /v1/kms/" + name + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  static std::string member(const std::string& answer, const char* name) {
    const std::size_t at = answer.find("\r\n\r\n");
    if (at == std::string::npos) return answer;
    const auto value = codec::parse_json(std::string_view(answer).substr(at + 4), {});
    if (!value || !value->is_object() || !value->get_object().contains(name)) return answer;
    return std::string(value->get_object().at(name).as_string());
  }
  static std::string plain(const std::string& base64) {
    const auto bytes = from_base64(base64);
    return bytes ? std::string(as_text(*bytes)) : base64;
  }
  std::string decrypt() const {
    return aws("Decrypt",
               R"({"CiphertextBlob":")" + kms_.encrypt("the weights' key", kContext) + "\"," + kAwsContext + "}");
  }

  const std::string own_ = own_address();
  NameServer names_;
  FakeKms kms_{own_.empty() ? "127.0.0.1" : own_};
  Site site_;
  Enclave enclave_;
};

TEST_F(KmsE2e, AnUnmodifiedSdksCallsAreAnswered) {
  start();
  const std::string answer = decrypt();
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_EQ(plain(member(answer, "Plaintext")), "the weights' key");
  EXPECT_EQ(member(answer, "KeyId"), FakeKms::kArn);
  const std::string made = aws("GenerateDataKey", std::string(R"({"KeySpec":"AES_256",)") + kAwsContext + "}");
  const std::string key = plain(member(made, "Plaintext"));
  EXPECT_EQ(key.size(), 32U) << made;
  const std::string again =
      aws("Decrypt", R"({"CiphertextBlob":")" + member(made, "CiphertextBlob") + "\"," + kAwsContext + "}");
  EXPECT_EQ(plain(member(again, "Plaintext")), key);
  EXPECT_EQ(plain(member(aws("GenerateRandom", R"({"NumberOfBytes":48})"), "Plaintext")).size(), 48U);
  EXPECT_THAT(kms_.last_request(), HasSubstr("Credential=ASIAEXAMPLE/")) << "the host's role, not the workload's words";
  for (const char* variable : {"AWS_ENDPOINT_URL_KMS", "AWS_REGION"}) {
    const auto client = RawClient::tls(enclave_.listen);
    EXPECT_NE(client->exchange(get(std::string("/env?name=") + variable, enclave_.token)).body, "") << variable;
  }
}

TEST_F(KmsE2e, TheSmallApiNeedsNoSdk) {
  start();
  const std::string answer = small("decrypt", R"({"ciphertext":")" + kms_.encrypt("secret", kContext) + "\"}");
  EXPECT_EQ(plain(member(answer, "plaintext")), "secret") << answer;
  EXPECT_EQ(plain(member(small("random", R"({"bytes":16})"), "plaintext")).size(), 16U);
  const std::string made = small("data-key", "{}");
  const std::string again = small("decrypt", R"({"ciphertext":")" + member(made, "ciphertext") + "\"}");
  EXPECT_EQ(member(again, "plaintext"), member(made, "plaintext"));
}

TEST_F(KmsE2e, WhatTheImageDoesNotAllowNeverLeaves) {
  start();
  EXPECT_THAT(aws("Encrypt", "{}"), HasSubstr("kms.operation"));
  EXPECT_THAT(aws("Decrypt", R"({"CiphertextBlob":"QUJD"})"), HasSubstr("kms.context"));
  EXPECT_THAT(aws("Decrypt", std::string(R"({"CiphertextBlob":"QUJD","KeyId":"alias/mine",)") + kAwsContext + "}"),
              HasSubstr("kms.key"));
  EXPECT_THAT(aws("Decrypt", std::string(R"({"CiphertextBlob":"QUJD","Recipient":{},)") + kAwsContext + "}"),
              HasSubstr("kms.member"));
  EXPECT_THAT(small("sign", "{}"), HasSubstr("kms.operation"));
  EXPECT_THAT(from_workload("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("kms.request"));
  EXPECT_THAT(from_workload("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n" + std::string(60'000, 'x')),
              HasSubstr("kms.request"));
  EXPECT_EQ(kms_.last_request(), "");
  EXPECT_TRUE(names_.asked().empty());
}

TEST_F(KmsE2e, AKeysPolicyHoldsAgainstTheDocument) {
  start();
  kms_.require({{0, std::string(96, '0')}});
  EXPECT_THAT(decrypt(), HasSubstr("PCR0 does not match"));
  kms_.require({{0, enclave_.measurements[0]}, {8, std::string(96, 'a')}});
  EXPECT_THAT(decrypt(), HasSubstr("PCR8 does not match")) << "the image is not signed";
  // PCR16 holds the configuration's digest: SHA-384 of zeros and the digest.
  const auto digest = from_hex(enclave_.config.substr(enclave_.config.find(':') + 1));
  ASSERT_TRUE(digest);
  Bytes extended(48);
  append(extended, *digest);
  kms_.require({{16, to_hex(crypto::sha384(extended))}});
  EXPECT_EQ(plain(member(decrypt(), "Plaintext")), "the weights' key");
  kms_.trust_root(std::string(64, '0'));
  EXPECT_THAT(decrypt(), HasSubstr("not authentic"));
}

TEST_F(KmsE2e, AnOldDocumentAndAReplayedRequestAreRefusedThere) {
  start();
  EXPECT_EQ(plain(member(decrypt(), "Plaintext")), "the weights' key");
  const std::string recorded = kms_.last_request();
  EXPECT_THAT(kms_.answer(recorded), HasSubstr("200 OK")) << "within its time";
  kms_.go_forward(std::chrono::minutes(6));
  EXPECT_THAT(kms_.answer(recorded), HasSubstr("the signature has expired"));
  std::string changed = recorded;
  changed.replace(changed.find("TrentService.Decrypt"), 20, "TrentService.Encrypt");
  kms_.go_forward(std::chrono::minutes(0));
  EXPECT_THAT(kms_.answer(changed), HasSubstr("SignatureDoesNotMatch"));
}

TEST_F(KmsE2e, WhoeverAnswersWithSomethingElseIsNotBelieved) {
  start();
  const std::map<FakeKms::Lie, std::string> lies{{FakeKms::Lie::kPlaintext, "kms.plaintext"},
                                                 {FakeKms::Lie::kOtherKey, "kms.answer_key"},
                                                 {FakeKms::Lie::kOtherRecipient, "crypto.envelope"},
                                                 {FakeKms::Lie::kGarbage, "envelope"}};
  for (const auto& [lie, id] : lies) {
    kms_.lie(lie);
    const std::string answer = decrypt();
    EXPECT_THAT(answer, HasSubstr("400 Refused")) << id;
    EXPECT_THAT(answer, HasSubstr(id));
    EXPECT_THAT(answer, Not(HasSubstr(to_base64(as_bytes("the weights' key"))))) << id;
  }
  kms_.lie(FakeKms::Lie::kNone);
  EXPECT_EQ(plain(member(decrypt(), "Plaintext")), "the weights' key") << "and it goes on";
}

// A host that stands in the middle would have to be KMS: TLS ends in the enclave, under roots that are measured.
class KmsImpostor : public KmsE2e {};
TEST_F(KmsImpostor, IsNotBelieved) {
  start();
  kms_.change_root();
  EXPECT_THAT(decrypt(), HasSubstr("tls.handshake"));
  EXPECT_EQ(kms_.last_request(), "") << "nor does it get the credentials";
}

TEST_F(KmsE2e, WithoutCredentialsTheReasonIsPlain) {
  start("{}");
  EXPECT_THAT(decrypt(), HasSubstr("kms.credentials"));
  EXPECT_THAT(small("random", "{}"), HasSubstr("503"));
}

TEST_F(KmsE2e, NothingOfItIsInTheHostsLog) {
  start();
  EXPECT_EQ(plain(member(decrypt(), "Plaintext")), "the weights' key");
  EXPECT_THAT(aws("Decrypt", R"({"CiphertextBlob":"QUJD"})"), HasSubstr("kms.context"));
  const std::string events = site_.gateway({"logs", "keys", "--events"}).both();
  EXPECT_THAT(events, HasSubstr("kms.call_failed"));
  for (const char* secret : {"the-roles-secret", "the-session-token", "QUJD", "purpose"}) {
    EXPECT_THAT(events, Not(HasSubstr(secret))) << secret;
  }
}

}  // namespace
}  // namespace gateway::harness
