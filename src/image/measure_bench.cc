// Speed of measuring an image, beside its floor: OpenSSL's SHA-384 over the same bytes, once, on one thread, as
// `openssl dgst -sha384 IMAGE.eif` does. The rounds alternate, so that a busy machine slows both.
//
//   image_bench --benchmark_repetitions=11 --benchmark_enable_random_interleaving=true
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <filesystem>

#include "image/measure.h"

namespace gateway::image {
namespace {

constexpr std::size_t kKernel = 12UZ * 1024 * 1024;
constexpr std::size_t kBoot = 4UZ * 1024 * 1024;
constexpr std::size_t kApplication = 240UZ * 1024 * 1024;

Bytes filled(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 1;
  for (auto& byte : out) byte = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24U);
  return out;
}

// One image of 256 MiB for all benchmarks of this program, removed at its end.
class Image {
 public:
  Image() : path_(std::filesystem::temp_directory_path() / ("gateway-measure-bench-" + std::to_string(::getpid()))) {
    const Bytes kernel = filled(kKernel);
    const Bytes boot = filled(kBoot);
    const Bytes application = filled(kApplication);
    if (!write_eif(
            {.kernel = kernel, .cmdline = "c", .metadata = "{}", .ramdisks = {boot, application}, .signature = {}},
            path_))
      std::abort();
    eif_.emplace(*Eif::open(path_));
  }
  ~Image() { std::filesystem::remove(path_); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  const Eif& eif() const { return *eif_; }

 private:
  std::string path_;
  std::optional<Eif> eif_;
};
const Image& image() {
  static const Image made;
  return made;
}

void BM_Measure(benchmark::State& state) {
  const Eif& eif = image().eif();
  for (auto _ : state) {
    const auto measured = measure(eif);
    if (!measured) state.SkipWithError("not measured");
    benchmark::DoNotOptimize(measured);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(eif.bytes().size()));
}
BENCHMARK(BM_Measure)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_Floor_OpenSslSha384(benchmark::State& state) {
  const ByteView bytes = image().eif().bytes();
  constexpr std::size_t kChunk = 16UZ * 1024;  // what openssl dgst reads at a time
  for (auto _ : state) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha384(), nullptr);
    for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
      EVP_DigestUpdate(context, bytes.data() + at, std::min(kChunk, bytes.size() - at));
    }
    unsigned char digest[48];
    EVP_DigestFinal_ex(context, digest, nullptr);
    EVP_MD_CTX_free(context);
    benchmark::DoNotOptimize(digest);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(BM_Floor_OpenSslSha384)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_CheckCrc(benchmark::State& state) {
  const Eif& eif = image().eif();
  for (auto _ : state) {
    if (!eif.check_crc()) state.SkipWithError("wrong checksum");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(eif.bytes().size()));
}
BENCHMARK(BM_CheckCrc)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gateway::image

BENCHMARK_MAIN();
