#include "host/admission.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "host/files.h"

namespace gateway::host {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kGiB = 1024 * kMiB;
// For the host itself: a sixteenth, at most half a GiB.
constexpr std::uint64_t kMaxReserve = kGiB / 2;

std::uint64_t meminfo(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  const std::size_t digits = text.find_first_of("0123456789", at);
  std::uint64_t kibibytes = 0;
  if (digits != std::string_view::npos) std::from_chars(text.data() + digits, text.data() + text.size(), kibibytes);
  return kibibytes * kKiB;
}

std::unexpected<Error> no_room(std::string detail) {
  return fail(ErrorCode::kUnavailable, "host.no_room", std::move(detail),
              "stop an enclave (gateway ps, gateway stop NAME), or declare less in the image's [resources]");
}

Status check_memory(const HostCapacity& host, const std::vector<Allocation>& running, std::uint64_t wanted) {
  const std::uint64_t reserve = host.whole ? 0 : std::min(host.memory_total / 16, kMaxReserve);
  std::uint64_t promised = 0;
  for (const auto& allocation : running) promised += allocation.memory;
  const std::uint64_t usable = host.memory_total - reserve;
  if (promised > usable || wanted > usable - promised) {
    return no_room("the image declares " + human_bytes(wanted) + " of memory; of " + human_bytes(usable) +
                   " that this host gives to enclaves, " + human_bytes(promised) + " are promised to " +
                   std::to_string(running.size()) + " running");
  }
  if (wanted > host.memory_available) {
    return no_room("the image declares " + human_bytes(wanted) + " of memory; " + human_bytes(host.memory_available) +
                   " are available on this host now");
  }
  return {};
}

}  // namespace

HostCapacity read_host_capacity() {
  HostCapacity host;
  if (const auto text = read_file("/proc/meminfo", 64 * kKiB)) {
    host.memory_total = meminfo(as_text(*text), "MemTotal:");
    host.memory_available = meminfo(as_text(*text), "MemAvailable:");
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) host.cpus.push_back(cpu);
    }
  }
  return host;
}

Result<std::vector<int>> admit(const HostCapacity& host, const std::vector<Allocation>& running,
                               const ResourceWish& wish) {
  GATEWAY_TRY(check_memory(host, running, wish.memory));
  if (wish.cpus > host.cpus.size()) {
    return no_room("the image declares " + std::to_string(wish.cpus) + " processors; this host has " +
                   std::to_string(host.cpus.size()));
  }
  std::map<int, unsigned> load;
  for (const int cpu : host.cpus) load[cpu] = 0;
  for (const auto& allocation : running) {
    for (const int cpu : allocation.cpus) {
      if (const auto found = load.find(cpu); found != load.end()) ++found->second;
    }
  }
  std::vector<int> chosen = host.cpus;
  std::ranges::stable_sort(chosen, {}, [&](int cpu) { return load[cpu]; });
  chosen.resize(wish.cpus);
  if (!chosen.empty() && load[chosen.back()] >= wish.enclaves_per_cpu) {
    return no_room("the image declares " + std::to_string(wish.cpus) + " processors; each of this host's " +
                   std::to_string(host.cpus.size()) + " serves at most " + std::to_string(wish.enclaves_per_cpu) +
                   " enclaves, and too few have room");
  }
  std::ranges::sort(chosen);
  return chosen;
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes >= 10 * kGiB) return std::to_string(bytes / kGiB) + " GiB";
  if (bytes >= kGiB) {
    const std::uint64_t tenths = bytes * 10 / kGiB;
    return std::to_string(tenths / 10) + (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) + " GiB";
  }
  if (bytes >= kMiB) return std::to_string(bytes / kMiB) + " MiB";
  return std::to_string(bytes / kKiB) + " KiB";
}

}  // namespace gateway::host
