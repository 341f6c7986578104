// A quote's cost beside its floor: the bare P-256 verifications that it cannot do without, with the same OpenSSL, in
// the same run. Targets: cold, collateral and lists included, ≤ 1.3 × nine; cached ≤ 1.3 × two and under 200 µs.
//
// Cold begins with the bytes: parsing of certificates, lists and JSON counts. Medians over interleaved rounds (the
// machine's mood hits both alike) as counters:
//   attestation_bench --benchmark_filter=Dcap
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attestation/testing/fake_intel.h"
#include "attestation/testing/ratio_bench.h"

namespace gateway::attestation {
namespace {

constexpr std::size_t kColdSignatures = 9;    // quote, QE, PCK, its authority, signer, two documents, two lists
constexpr std::size_t kCachedSignatures = 2;  // quote, QE

struct Signature {
  crypto::PublicKey key;
  Bytes digest;
  Bytes raw;
};

// Collateral as files hold it.
struct Files {
  std::vector<Bytes> certificates, crls, tcb_infos, qe_identities;
};

struct Subject {
  Bytes quote;
  Files files;
  Collateral collateral;
  Time at;
  const crypto::Certificate* root = nullptr;
};

const std::vector<Signature>& signatures() {
  static const std::vector<Signature> made = [] {
    std::vector<Signature> all;
    for (std::size_t i = 0; i < kColdSignatures; ++i) {
      const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256).value();
      const Bytes message(100, static_cast<std::uint8_t>(i));
      const auto digest = crypto::sha256(message);
      all.push_back({key.public_key(), to_bytes(ByteView(digest)),
                     key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, message).value()});
    }
    return all;
  }();
  return made;
}

Collateral read(const Files& files) {
  Collateral collateral;
  for (const Bytes& der : files.certificates) {
    collateral.certificates.push_back(crypto::Certificate::from_der(der).value());
  }
  for (const Bytes& der : files.crls) collateral.crls.push_back(crypto::Crl::from_der(der).value());
  collateral.tcb_infos = files.tcb_infos;
  collateral.qe_identities = files.qe_identities;
  return collateral;
}

Subject generated(Bytes quote, dcap::Tee tee) {
  const auto& vendor = testing::fake_intel();
  Subject subject{
      .quote = std::move(quote), .files = {}, .collateral = {}, .at = testing::kNow, .root = &vendor.root()};
  subject.files.certificates = {vendor.certificate(testing::IntelCertificate::kTcbSigning).der()};
  subject.files.crls = {vendor.root_crl().der(), vendor.pck_crl().der()};
  subject.files.tcb_infos = {vendor.sign_tcb_info(to_json(vendor.tcb_info(tee)))};
  subject.files.qe_identities = {vendor.sign_qe_identity(to_json(vendor.qe_identity(tee)))};
  subject.collateral = read(subject.files);
  return subject;
}

Bytes read_file(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return to_bytes(content.str());
}

// A real TDX 1.5 quote of GATEWAY_VECTORS with Intel's collateral of its time.
const Subject* real() {
  static const std::optional<Subject> subject = []() -> std::optional<Subject> {
    const char* vectors = std::getenv("GATEWAY_VECTORS");
    if (vectors == nullptr) return std::nullopt;
    const std::string folder = vectors;
    Subject made{.quote = read_file(folder + "/tdx/quotes/tdx1.5_v5_00806f050000_openenclave_67adfc4a.bin"),
                 .files = {},
                 .collateral = {},
                 .at = from_rfc3339("2024-05-20T00:00:00Z").value(),
                 .root = &dcap::intel_root()};
    made.files.certificates = {read_file(folder + "/sgx/certs/tcb-signing_2018-05-21_prod_ec37d981.der")};
    made.files.crls = {read_file(folder + "/sgx/crl/root_2024-03-20_0rev_6b9fff78.der"),
                       read_file(folder + "/sgx/crl/platform_2024-05-09_44rev_8014bae5.der")};
    made.files.tcb_infos = {
        read_file(folder + "/tdx/collateral/tcbinfo_00806f050000_v3_2024-05-16_eval17_2bdf6b96.json")};
    made.files.qe_identities = {read_file(folder + "/tdx/collateral/qeid_td_qe_v2_2024-05-16_eval17_e422eef4.json")};
    made.collateral = read(made.files);
    return made;
  }();
  return subject ? &*subject : nullptr;
}

void authenticate(const Subject& subject, const Collateral& collateral, dcap::Cache* cache) {
  const auto quote = dcap::parse_quote(subject.quote);
  const auto claims =
      dcap::dangerous_authenticate_with_vendor_root(*quote, *subject.root, collateral, subject.at, cache, nullptr);
  if (!claims || claims->revocation() != Revocation::kChecked || !claims->tcb()->qe_status) std::abort();
}

void verify_bare(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const Signature& signature = signatures()[i];
    if (!signature.key.verify_digest(crypto::SignatureFormat::kRaw, signature.digest, signature.raw)) std::abort();
  }
}

void ratios(benchmark::State& state, const Subject& subject) {
  const auto cache = dcap::make_cache();
  authenticate(subject, subject.collateral, cache.get());
  verify_bare(kColdSignatures);
  testing::ratios(
      state, [&] { authenticate(subject, read(subject.files), nullptr); }, [&] { verify_bare(kColdSignatures); },
      [&] { authenticate(subject, subject.collateral, cache.get()); }, [&] { verify_bare(kCachedSignatures); });
}

void BM_DcapRatioSgx(benchmark::State& state) {
  static const Subject subject = generated(testing::fake_intel().sgx_quote(3), dcap::Tee::kSgx);
  ratios(state, subject);
}
BENCHMARK(BM_DcapRatioSgx)->Iterations(51)->Unit(benchmark::kMicrosecond);

void BM_DcapRatioTdx(benchmark::State& state) {
  static const Subject subject = generated(testing::fake_intel().tdx_quote(5, true), dcap::Tee::kTdx);
  ratios(state, subject);
}
BENCHMARK(BM_DcapRatioTdx)->Iterations(51)->Unit(benchmark::kMicrosecond);

void BM_DcapRatioReal(benchmark::State& state) {
  if (real() == nullptr) {
    state.SkipWithError("GATEWAY_VECTORS is not set: no real quote is measured");
    return;
  }
  ratios(state, *real());
}
BENCHMARK(BM_DcapRatioReal)->Iterations(51)->Unit(benchmark::kMicrosecond);

void BM_DcapParseQuote(benchmark::State& state) {
  static const Bytes quote = testing::fake_intel().tdx_quote(5, true);
  for (auto _ : state) benchmark::DoNotOptimize(dcap::parse_quote(quote));
}
BENCHMARK(BM_DcapParseQuote)->Unit(benchmark::kMicrosecond);

// Several verifiers, one cache: nothing on the path waits for another thread.
void BM_DcapCachedThreads(benchmark::State& state) {
  static const Subject subject = generated(testing::fake_intel().tdx_quote(5, true), dcap::Tee::kTdx);
  static const auto cache = dcap::make_cache();
  for (auto _ : state) authenticate(subject, subject.collateral, cache.get());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DcapCachedThreads)->Threads(1)->Threads(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gateway::attestation
