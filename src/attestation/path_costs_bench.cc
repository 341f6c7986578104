// What a verification with everything remembered costs beside time: heap, and waiting for other threads. This program's
// own operator new and pthread locks count for whoever calls them, libcrypto included for the locks. Targets: at most
// 8 KiB of heap for a report; no lock that two threads wait for on each other.
//
//   attestation_bench --benchmark_filter=Costs
#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "attestation/dcap/authenticate.h"
#include "attestation/snp/authenticate.h"
#include "attestation/testing/fake_amd.h"
#include "attestation/testing/fake_intel.h"

namespace {

struct Heap {
  std::size_t allocations = 0;
  std::size_t live = 0;
  std::size_t peak = 0;
};
thread_local Heap* counted = nullptr;  // set while a verification of this thread is watched

std::atomic<std::uint64_t> locks_taken{0};
std::atomic<std::uint64_t> locks_contended{0};
std::atomic<bool> watching_locks{false};

// Whether it was free at once; if not, somebody else's hold is on the path.
template <class Lock>
int take(Lock* lock, int (*attempt)(Lock*), int (*wait)(Lock*)) {
  if (!watching_locks.load(std::memory_order_relaxed)) return wait(lock);
  locks_taken.fetch_add(1, std::memory_order_relaxed);
  const int taken = attempt(lock);
  if (taken != EBUSY) return taken;
  locks_contended.fetch_add(1, std::memory_order_relaxed);
  return wait(lock);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void* operator new(std::size_t size) {
  void* const made = std::malloc(size);
  if (made == nullptr) throw std::bad_alloc();
  if (counted != nullptr) {
    ++counted->allocations;
    counted->live += ::malloc_usable_size(made);
    counted->peak = std::max(counted->peak, counted->live);
  }
  return made;
}
void operator delete(void* pointer) noexcept {
  if (counted != nullptr && pointer != nullptr) {
    counted->live -= std::min(counted->live, ::malloc_usable_size(pointer));
  }
  std::free(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept { operator delete(pointer); }

extern "C" int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
  static const auto wait = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  return take(lock, &::pthread_mutex_trylock, wait);
}
extern "C" int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static const auto wait = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  return take(lock, &::pthread_rwlock_tryrdlock, wait);
}
extern "C" int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  static const auto wait = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  return take(lock, &::pthread_rwlock_trywrlock, wait);
}

namespace gateway::attestation {
namespace {

// Ends the watching, whatever happens.
class WatchHeap {
 public:
  WatchHeap() { counted = &heap_; }
  ~WatchHeap() { counted = nullptr; }
  WatchHeap(const WatchHeap&) = delete;
  WatchHeap& operator=(const WatchHeap&) = delete;
  const Heap& heap() const { return heap_; }

 private:
  Heap heap_;
};

void verify_snp() {
  static const Bytes evidence = testing::fake_amd().report();
  static const Collateral collateral = [] {
    Collateral made;
    made.certificates.push_back(testing::fake_amd().endorsement());
    return made;
  }();
  static const auto cache = snp::make_chain_cache();
  const auto parsed = snp::parse_evidence(evidence);
  const auto claims = snp::dangerous_authenticate_with_vendor_roots(*parsed, collateral, testing::fake_amd().roots(),
                                                                    testing::kNow, cache.get(), nullptr);
  if (!claims) std::abort();
}

void verify_tdx() {
  static const Bytes quote = testing::fake_intel().tdx_quote(5, true);
  static const Collateral collateral = [] {
    const auto& vendor = testing::fake_intel();
    Collateral made;
    made.certificates = {vendor.certificate(testing::IntelCertificate::kTcbSigning)};
    made.crls = {vendor.root_crl(), vendor.pck_crl()};
    made.tcb_infos = {vendor.sign_tcb_info(to_json(vendor.tcb_info(dcap::Tee::kTdx)))};
    made.qe_identities = {vendor.sign_qe_identity(to_json(vendor.qe_identity(dcap::Tee::kTdx)))};
    return made;
  }();
  static const auto cache = dcap::make_cache();
  const auto parsed = dcap::parse_quote(quote);
  const auto claims = dcap::dangerous_authenticate_with_vendor_root(*parsed, testing::fake_intel().root(), collateral,
                                                                    testing::kNow, cache.get(), nullptr);
  if (!claims) std::abort();
}

void heap_of(benchmark::State& state, void (*verify)()) {
  verify();  // fills the cache
  Heap heap;
  for (auto _ : state) {
    const WatchHeap watch;
    verify();
    heap = watch.heap();
  }
  state.counters["allocations"] = static_cast<double>(heap.allocations);
  state.counters["peak_bytes"] = static_cast<double>(heap.peak);
  state.counters["left_bytes"] = static_cast<double>(heap.live);
}
BENCHMARK_CAPTURE(heap_of, CostsHeapSnp, verify_snp)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(heap_of, CostsHeapTdx, verify_tdx)->Unit(benchmark::kMicrosecond);

// Of all locks that are taken on the way, libcrypto's included, how many another thread held.
void locks_of(benchmark::State& state, void (*verify)()) {
  if (state.thread_index() == 0) {
    verify();
    locks_taken = 0;
    locks_contended = 0;
    watching_locks = true;
  }
  for (auto _ : state) verify();
  if (state.thread_index() != 0) return;
  watching_locks = false;
  const auto verifications = static_cast<double>(state.iterations()) * state.threads();
  state.counters["locks_each"] = static_cast<double>(locks_taken) / verifications;
  state.counters["contended_each"] = static_cast<double>(locks_contended) / verifications;
}
BENCHMARK_CAPTURE(locks_of, CostsLocksSnp, verify_snp)->Threads(2)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(locks_of, CostsLocksTdx, verify_tdx)->Threads(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gateway::attestation
