// AWS KMS for the workload, on its own loopback (127.0.0.1:7010): an endpoint that an unmodified AWS SDK takes for KMS
// (AWS_ENDPOINT_URL_KMS), and a small API. Each call is judged, gets this enclave's attestation document as recipient,
// is signed anew with the credentials that the host passes on, and its answer is opened here.
//
//     POST /                     AWS's JSON, X-Amz-Target: TrentService.Decrypt, GenerateDataKey, GenerateRandom
//     POST /v1/kms/decrypt       {"ciphertext": base64, …} → {"plaintext": base64, "key": ARN}
//     POST /v1/kms/data-key      {"bytes": 32, …} → {"plaintext", "ciphertext", "key"}
//     POST /v1/kms/random        {"bytes": 32} → {"plaintext"}
//
// The document is made anew at least every minute, on a thread of its own: KMS takes none that is older than five.
// Input:  the workload's requests; the host's credentials; KMS's answers.
// Bounds: kMaxCallers connections, one request each; keys/kms_calls.h.
// Errors: to the workload, in AWS's form on / and the runtime's elsewhere: those of keys/kms_calls.h,
// egress/https_call.h;
//         400 kms.request, 503 kms.busy. Errors of start(): kInternal crypto.*
// Spec:   docs/trust.md §1 (user_data), §11.
#pragma once

#include <list>
#include <thread>

#include "attester/attester.h"
#include "crypto/oaep.h"
#include "egress/https_call.h"
#include "keys/kms_calls.h"

namespace gateway::runtime {

struct KmsMetrics {
  std::uint64_t calls = 0;
  std::uint64_t refused = 0;  // by the runtime: the image does not allow it
  std::uint64_t failed = 0;   // by KMS, the host, or the network
};

class KmsService {
 public:
  static constexpr std::size_t kMaxCallers = 64;
  struct Parts {
    net::Loop& loop;
    attester::Attester& attester;  // used from a thread of this service's, too
    egress::Outlet& outlet;
    egress::Resolver& resolver;
    channel::TlsContext tls;
    const Clock& clock;
    image::KmsDescription kms;
    crypto::Sha384 keys_digest{};  // SHA-384(K)
  };
  static Result<std::unique_ptr<KmsService>> start(Parts parts);
  ~KmsService();
  KmsService(const KmsService&) = delete;
  KmsService& operator=(const KmsService&) = delete;

  void open(net::Descriptor listener);  // of a run of the workload
  void close();
  const KmsMetrics& metrics() const { return metrics_; }

 private:
  class Caller;
  using Callers = std::list<std::unique_ptr<Caller>>;
  using Waiting = std::function<void(const Error* why)>;

  KmsService(Parts parts, crypto::EnvelopeKey key);
  void on_caller();
  void closed(Callers::iterator caller);
  // Calls back when there is a document that KMS will take, and credentials that have not expired.
  void prepare(Waiting ready);
  void renew_document();
  void renew_credentials();
  void settle();

  Parts parts_;
  crypto::EnvelopeKey key_;
  egress::HttpsCall::Service service_;
  Bytes user_data_;
  net::Descriptor listener_;
  std::unique_ptr<net::Source> source_;
  Callers callers_;
  Callers gone_;
  KmsMetrics metrics_;
  Bytes document_;
  std::chrono::steady_clock::time_point document_until_{};
  std::optional<keys::AwsCredentials> credentials_;
  std::chrono::steady_clock::time_point credentials_until_{};
  std::vector<Waiting> waiting_;
  bool renewing_document_ = false;
  std::optional<egress::Outlet::Ticket> credentials_ticket_;
  std::thread worker_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace gateway::runtime
