// AWS KMS's side of an attested call, done honestly: verifies Signature Version 4, verifies the attestation document
// with our verifier, holds the key's policy against its registers, and answers with CMS to the document's key. Under a
// virtual NSM's root instead of AWS's, since that is what signs documents here.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/secret.h"
#include "crypto/keys.h"
#include "crypto/x509.h"
#include "harness/services.h"

namespace gateway::harness {

class FakeKms {
 public:
  static constexpr const char* kName = "kms.eu-central-1.example.org";
  static constexpr const char* kArn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  static constexpr const char* kCredentials =
      R"({"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"the-roles-secret","Token":"the-session-token"})";

  // How it is dishonest, when it is.
  enum class Lie : std::uint8_t { kNone, kPlaintext, kOtherKey, kOtherRecipient, kGarbage };

  explicit FakeKms(const std::string& address);
  std::uint16_t port() const { return service_->port(); }
  std::string root_pem() const { return root_->to_pem(); }

  // kms:RecipientAttestation:PCR<n> of the key's policy, lower-case hex; and ImageSha384, which is PCR0.
  void require(std::map<unsigned, std::string> pcrs) { pcrs_ = std::move(pcrs); }
  void trust_root(const std::string& sha256_hex) { root_sha256_ = sha256_hex; }
  void lie(Lie how) { lie_ = how; }
  void change_root();                                        // as somebody else would have who has its name
  void go_forward(std::chrono::seconds by) { ahead_ = by; }  // its clock
  // A blob as GenerateDataKey and Encrypt make them.
  std::string encrypt(const std::string& plaintext, const std::map<std::string, std::string>& context) const;
  // The last request, whole; and what it says to such a one.
  std::string last_request() const;
  std::string answer(const std::string& request);

 private:
  struct Refusal {
    std::string type;
    std::string why;
  };
  void serve(int socket);
  void certify();
  std::optional<Refusal> check_signature(const std::string& head, const std::string& body) const;
  std::optional<Refusal> check_document(const std::string& document, std::string& spki) const;
  std::string operate(const std::string& target, const std::string& body);

  std::map<unsigned, std::string> pcrs_;
  std::string root_sha256_;
  Lie lie_ = Lie::kNone;
  std::chrono::seconds ahead_{0};
  std::optional<crypto::PrivateKey> root_key_, key_;
  std::optional<crypto::Certificate> root_, certificate_;
  Secret master_;
  mutable std::mutex mutex_;
  std::string last_request_;
  std::unique_ptr<TcpService> service_;
};

}  // namespace gateway::harness
