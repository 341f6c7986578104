// A TEE's verification beside the signatures that it cannot do without, measured in interleaved rounds: whatever else
// the machine does hits all alike. For the benchmarks of this module.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace gateway::attestation::testing {

inline double microseconds(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Verification with nothing remembered and with everything, each followed by its floor.
void ratios(benchmark::State& state, const auto& verify_cold, const auto& cold_floor, const auto& verify_cached,
            const auto& cached_floor) {
  std::vector<double> cold, all, cached, few, cold_ratio, cached_ratio;
  for (auto _ : state) {
    cold.push_back(microseconds(verify_cold));
    all.push_back(microseconds(cold_floor));
    cached.push_back(microseconds(verify_cached));
    few.push_back(microseconds(cached_floor));
    cold_ratio.push_back(cold.back() / all.back());
    cached_ratio.push_back(cached.back() / few.back());
  }
  state.counters["cold_us"] = median(cold);
  state.counters["cold_floor_us"] = median(all);
  state.counters["cold_ratio"] = median(cold_ratio);
  state.counters["cached_us"] = median(cached);
  state.counters["cached_floor_us"] = median(few);
  state.counters["cached_ratio"] = median(cached_ratio);
}

}  // namespace gateway::attestation::testing
