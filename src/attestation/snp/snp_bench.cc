// Evidence's cost beside its floor: the bare verifications that it cannot do without, with the same OpenSSL, in the
// same run: two of RSA-PSS (the endorsement's and the intermediate's) and one of P-384. Targets: cold ≤ 1.15 × the
// three, chain cached ≤ 1.1 × the one of P-384.
//
//   attestation_bench --benchmark_filter=Snp
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attestation/snp/authenticate.h"
#include "attestation/snp/chain.h"
#include "attestation/testing/fake_amd.h"
#include "attestation/testing/ratio_bench.h"

namespace gateway::attestation {
namespace {

struct SnpSubject {
  Bytes evidence;
  Collateral collateral;
  const snp::VendorRoots* roots = nullptr;
  Time at;
  // The floor.
  std::optional<crypto::Certificate> leaf, intermediate, root;
  Bytes digest, signature;
};

SnpSubject subject_of(Bytes evidence, const crypto::Certificate& leaf, const snp::VendorRoots& roots) {
  SnpSubject made;
  made.evidence = std::move(evidence);
  made.collateral.certificates.push_back(leaf);
  made.roots = &roots;
  made.at = leaf.validity().not_before;
  const auto parsed = snp::parse_evidence(made.evidence).value();
  const auto endorsement = snp::read_endorsement(leaf).value();
  const snp::ProductRoots& product = snp::roots_for(roots, endorsement.product);
  made.leaf = leaf;
  made.intermediate = endorsement.kind == SnpSigningKey::kVcek ? product.ask : product.asvk;
  made.root = product.ark;
  made.digest = to_bytes(ByteView(crypto::sha384(parsed.report.signed_bytes)));
  made.signature = to_bytes(ByteView(parsed.report.signature));
  return made;
}

const SnpSubject& generated() {
  static const SnpSubject subject =
      subject_of(testing::fake_amd().report(), testing::fake_amd().endorsement(), testing::fake_amd().roots());
  return subject;
}

Bytes read_all(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return to_bytes(content.str());
}

// A real report of GATEWAY_VECTORS with its own endorsement: AMD's RSA keys have 4096 bits, the generated ones 2048.
const SnpSubject* real() {
  static const std::optional<SnpSubject> subject = []() -> std::optional<SnpSubject> {
    const char* folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) return std::nullopt;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(folder) + "/snp/reports")) {
      std::filesystem::path path = entry.path();
      if (path.extension() != ".bin") continue;
      const Bytes evidence = read_all(path);
      const auto leaf = crypto::Certificate::from_der(read_all(path.replace_extension(".vcek.der")));
      if (leaf) return subject_of(evidence, *leaf, snp::amd_roots());
    }
    return std::nullopt;
  }();
  return subject ? &*subject : nullptr;
}

void authenticate(const SnpSubject& subject, snp::ChainCache* cache) {
  const auto evidence = snp::parse_evidence(subject.evidence);
  const auto claims = snp::dangerous_authenticate_with_vendor_roots(*evidence, subject.collateral, *subject.roots,
                                                                    subject.at, cache, nullptr);
  if (!claims) std::abort();
}

void verify_p384(const SnpSubject& subject) {
  const auto verified =
      subject.leaf->public_key().verify_digest(crypto::SignatureFormat::kRaw, subject.digest, subject.signature);
  if (!verified) std::abort();
}

void verify_all(const SnpSubject& subject) {
  if (!subject.leaf->verify_signed_by(subject.intermediate->public_key())) std::abort();
  if (!subject.intermediate->verify_signed_by(subject.root->public_key())) std::abort();
  verify_p384(subject);
}

void ratios(benchmark::State& state, const SnpSubject& subject) {
  const auto cache = snp::make_chain_cache();
  authenticate(subject, cache.get());
  testing::ratios(
      state, [&] { authenticate(subject, nullptr); }, [&] { verify_all(subject); },
      [&] { authenticate(subject, cache.get()); }, [&] { verify_p384(subject); });
}

void BM_SnpRatioGenerated(benchmark::State& state) { ratios(state, generated()); }
BENCHMARK(BM_SnpRatioGenerated)->Iterations(25)->Unit(benchmark::kMicrosecond);

void BM_SnpRatioReal(benchmark::State& state) {
  if (real() == nullptr) {
    state.SkipWithError("GATEWAY_VECTORS is not set: no real report is measured");
    return;
  }
  ratios(state, *real());
}
BENCHMARK(BM_SnpRatioReal)->Iterations(25)->Unit(benchmark::kMicrosecond);

void BM_SnpParse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(snp::parse_evidence(generated().evidence));
}
BENCHMARK(BM_SnpParse)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gateway::attestation
