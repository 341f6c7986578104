// A document's cost beside its floor: the bare P-384 verifications that it cannot do without, with the same OpenSSL,
// in the same run. Targets: cold ≤ 1.2 × all of its chain's, cached ≤ 1.2 × one.
//
// Prints medians over interleaved rounds (the machine's mood hits both alike) as counters of the last benchmark:
//   nitro_bench --benchmark_filter=Ratio
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attestation/nitro/authenticate.h"
#include "attestation/nitro/chain.h"
#include "attestation/testing/fake_vendor.h"
#include "attestation/testing/ratio_bench.h"
#include "codec/cbor.h"

namespace gateway::attestation {
namespace {

struct Signature {
  crypto::PublicKey key;
  Bytes digest;
  Bytes raw;
};

// One document and what the floor needs: a P-384 signature made by a key of our own for each that it carries. (The
// cost of a verification does not depend on who signed.)
struct Subject {
  Bytes document;
  Time at;
  crypto::Sha256 root_sha256{};
  const crypto::Certificate* root = nullptr;
  std::vector<Signature> signatures;
};

std::vector<Signature> make_signatures(std::size_t count) {
  std::vector<Signature> signatures;
  for (std::size_t i = 0; i < count; ++i) {
    const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP384).value();
    const Bytes message(100, static_cast<std::uint8_t>(i));
    const auto digest = crypto::sha384(message);
    signatures.push_back({key.public_key(), to_bytes(ByteView(digest)),
                          key.sign(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kRaw, message).value()});
  }
  return signatures;
}

const Subject& generated() {
  static const Subject subject = [] {
    Subject made{.document = testing::fake_nitro().document(),
                 .at = testing::kNow,
                 .root_sha256 = testing::fake_nitro().root_sha256(),
                 .root = &testing::fake_nitro().root(),
                 .signatures = {}};
    made.signatures = make_signatures(nitro::parse_document(made.document).value().cabundle.size() + 1);
    return made;
  }();
  return subject;
}

// A real document of GATEWAY_VECTORS, judged at its own timestamp.
const Subject* real() {
  static const std::optional<Subject> subject = []() -> std::optional<Subject> {
    const char* folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) return std::nullopt;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(folder) + "/nitro")) {
      std::stringstream content;
      content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      Subject made{.document = to_bytes(content.str()),
                   .at = {},
                   .root_sha256 = nitro::kAwsRootSha256,
                   .root = &nitro::aws_root(),
                   .signatures = {}};
      const auto document = nitro::parse_document(made.document);
      if (!document) continue;
      made.at = document->timestamp;
      made.signatures = make_signatures(document->cabundle.size() + 1);
      return made;
    }
    return std::nullopt;
  }();
  return subject ? &*subject : nullptr;
}

void authenticate(const Subject& subject, nitro::ChainCache* cache) {
  const auto document = nitro::parse_document(subject.document);
  const auto claims = nitro::dangerous_authenticate_with_vendor_root(*document, *subject.root, subject.root_sha256, {},
                                                                     subject.at, cache, nullptr);
  if (!claims) std::abort();
}

void verify_bare(const Subject& subject, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const Signature& signature = subject.signatures[i];
    if (!signature.key.verify_digest(crypto::SignatureFormat::kRaw, signature.digest, signature.raw)) std::abort();
  }
}

void ratios(benchmark::State& state, const Subject& subject) {
  const auto cache = nitro::make_chain_cache();
  authenticate(subject, cache.get());
  state.counters["signatures"] = static_cast<double>(subject.signatures.size());
  testing::ratios(
      state, [&] { authenticate(subject, nullptr); }, [&] { verify_bare(subject, subject.signatures.size()); },
      [&] { authenticate(subject, cache.get()); }, [&] { verify_bare(subject, 1); });
}

void BM_RatioGenerated(benchmark::State& state) { ratios(state, generated()); }
BENCHMARK(BM_RatioGenerated)->Iterations(25)->Unit(benchmark::kMicrosecond);

void BM_RatioReal(benchmark::State& state) {
  if (real() == nullptr) {
    state.SkipWithError("GATEWAY_VECTORS is not set: no real document is measured");
    return;
  }
  ratios(state, *real());
}
BENCHMARK(BM_RatioReal)->Iterations(25)->Unit(benchmark::kMicrosecond);

void BM_Parse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(nitro::parse_document(generated().document));
}
BENCHMARK(BM_Parse)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gateway::attestation

BENCHMARK_MAIN();
