// What Intel's and AMD's services would send, made here: right in form, signed by nobody whom anybody trusts. In the
// services' own URLs and headers. Never linked into a program that is installed.
#pragma once

#include <map>
#include <string>

#include "attestation/testing/fake_amd.h"
#include "base/clock.h"
#include "crypto/crl_for_test.h"
#include "crypto/x509.h"
#include "fetch/testing/fake_service.h"
#include "fetch/wants.h"

namespace gateway::fetch::testing {

using attestation::SnpProduct;
using attestation::testing::kNow;  // 2026-05-20T12:00:00Z

inline constexpr TimeWindow kMonth{kNow - std::chrono::days(10), kNow + std::chrono::days(20)};

class FixedClock final : public Clock {
 public:
  explicit FixedClock(Time at = kNow) : at_(at) {}
  Time now() const override { return at_; }
  void advance(Duration time) { at_ += time; }

 private:
  Time at_;
};

struct Authority {
  explicit Authority(const std::string& name)
      : key(crypto::PrivateKey::generate(crypto::KeyType::kP256).value()),
        certificate(issue(name, key.public_key(), {})) {}
  crypto::Certificate issue(const std::string& name, const crypto::PublicKey& subject,
                            std::vector<crypto::CertificateSpec::Extension> extensions) const {
    return crypto::issue_certificate({.subject_common_name = name,
                                      .issuer_common_name = name,
                                      .subject_key = subject,
                                      .validity = {kNow - std::chrono::days(400), kNow + std::chrono::days(400)},
                                      .is_ca = true,
                                      .extensions = std::move(extensions)},
                                     key)
        .value();
  }
  Bytes list(const TimeWindow& validity = kMonth) const {
    return crypto::CrlParts::of(certificate, key, validity).encode();
  }
  crypto::PrivateKey key;
  crypto::Certificate certificate;
};

inline std::string text_of(ByteView bytes) { return std::string(as_text(bytes)); }

inline std::string dates(const TimeWindow& window) {
  return R"("issueDate":")" + to_rfc3339(window.not_before) + R"(","nextUpdate":")" + to_rfc3339(window.not_after) +
         "\"";
}
inline std::string tcb_info(const std::string& id, const std::string& fmspc, const TimeWindow& window = kMonth) {
  return R"({"tcbInfo":{"id":")" + id + R"(","version":3,)" + dates(window) + R"(,"fmspc":")" + fmspc +
         R"("},"signature":"00"})";
}
inline std::string identity(const std::string& id, const TimeWindow& window = kMonth) {
  return R"({"enclaveIdentity":{"id":")" + id + R"(","version":2,)" + dates(window) + R"(},"signature":"00"})";
}

// Targets and their answers.
using Answers = std::map<std::string, std::string>;
inline FakeService::Handler handler_of(Answers answers) {
  return [answers = std::move(answers)](const std::string& target) {
    const auto found = answers.find(target);
    return found == answers.end() ? http_answer(404, {}, "") : found->second;
  };
}

inline std::string json_answer(const std::string& chain_header, const std::string& chain, const std::string& body) {
  return http_answer(200, {{"Content-Type", "application/json"}, {chain_header, percent_encoded(chain)}}, body);
}

// A PCCS, for one FMSPC and both CAs.
inline Answers intel_answers(const std::string& fmspc) {
  const Authority root("Intel SGX Root CA"), platform("Intel SGX PCK Platform CA"),
      processor("Intel SGX PCK Processor CA"), signing("Intel SGX TCB Signing");
  const std::string signing_chain = signing.certificate.to_pem() + root.certificate.to_pem();
  const auto list = [&](const Authority& ca) {
    return http_answer(
        200,
        {{"Content-Type", "application/pkix-crl"},
         {"SGX-PCK-CRL-Issuer-Chain", percent_encoded(ca.certificate.to_pem() + root.certificate.to_pem())}},
        text_of(ca.list()));
  };
  return {{"/tdx/certification/v4/tcb?fmspc=" + fmspc,
           json_answer("TCB-Info-Issuer-Chain", signing_chain, tcb_info("TDX", fmspc))},
          {"/sgx/certification/v4/tcb?fmspc=" + fmspc,
           json_answer("TCB-Info-Issuer-Chain", signing_chain, tcb_info("SGX", fmspc))},
          {"/tdx/certification/v4/qe/identity",
           json_answer("SGX-Enclave-Identity-Issuer-Chain", signing_chain, identity("TD_QE"))},
          {"/sgx/certification/v4/qe/identity",
           json_answer("SGX-Enclave-Identity-Issuer-Chain", signing_chain, identity("QE"))},
          {"/sgx/certification/v4/pckcrl?ca=platform&encoding=der", list(platform)},
          {"/sgx/certification/v4/pckcrl?ca=processor&encoding=der", list(processor)},
          {"/sgx/certification/v4/rootcacrl", http_answer(200, {}, to_hex(root.list()))}};
}

// AMD's KDS, for the chip that FakeAmd's reports come from.
inline std::string vcek_target(SnpProduct product) {
  const auto tcb = attestation::snp::tcb_of(attestation::testing::fake_tcb(product), product);
  const auto id = attestation::testing::fake_chip_id(product);
  const SnpNeeds needs{.product = product, .key = attestation::SnpSigningKey::kVcek, .chip_id = id, .tcb = tcb};
  return wants_of(needs, {})->front().url.target;
}
inline Answers amd_answers(SnpProduct product) {
  using attestation::testing::AmdKey;
  const auto& amd = attestation::testing::fake_amd();
  const std::string name(attestation::to_string(product));
  const auto authority = [&](const std::string& subject, AmdKey key) {
    return amd.issue(amd.authority_fields(subject, "ARK-" + name, key), AmdKey::kArk).to_pem();
  };
  const auto list = amd.list({.issuer = "ARK-" + name, .validity = kMonth});
  const auto binary = [](const Bytes& body) {
    return http_answer(200, {{"Content-Type", "application/octet-stream"}}, text_of(body));
  };
  Answers answers{{vcek_target(product), binary(amd.endorsement({.product = product}).der())}};
  for (const std::string key : {"vcek", "vlek"}) {
    const std::string base = "/" + key + "/v1/" + name;
    const std::string chain =
        authority((key == "vcek" ? "SEV-" : "SEV-VLEK-") + name, key == "vcek" ? AmdKey::kAsk : AmdKey::kAsvk) +
        authority("ARK-" + name, AmdKey::kArk);
    answers[base + "/cert_chain"] = http_answer(200, {{"Content-Type", "application/x-pem-file"}}, chain);
    answers[base + "/crl"] = binary(list.der());
  }
  return answers;
}

}  // namespace gateway::fetch::testing
