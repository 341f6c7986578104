// gateway_bench_forwarder: processor time per byte of the shim's forwarder, of HAProxy and of systemd-socket-proxyd, on
// the same machine, between the same client and the same server.
//
// Rounds go through all of them in turn, so that whatever else the machine does hits all alike. What counts is the time
// of the forwarding process alone, user and kernel. Targets: no more than the better of the floors, with 3 % tolerance;
// an enclave's egress proxy at most 10 % more than the forwarder.
//   gateway_bench_forwarder [ROUNDS]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include "host/unix_socket.h"
#include "subjects.h"
#include "transfer.h"

namespace gateway::bench {
namespace {

constexpr int kDefaultRounds = 11;
constexpr double kTolerance = 1.03;
constexpr double kEgressTolerance = 1.10;
constexpr std::uint64_t kBulk = 512ULL * 1024 * 1024;
constexpr unsigned kExchanges = 20'000;
constexpr std::uint64_t kMessage = 1024;

struct Workload {
  const char* name;
  const char* unit;
  double units;  // in one round
  bool judged;   // has a target
  std::function<bool(const Entrance& entrance)> run;
};

std::vector<Workload> workloads() {
  const auto bulk = [](Direction direction, unsigned connections) {
    return [=](const Entrance& entrance) { return transfer(entrance, direction, kBulk, connections); };
  };
  constexpr double kGigabytes = static_cast<double>(kBulk) / 1e9;
  return {
      {"to the client, 1 connection", "ms/GB", kGigabytes, true, bulk(Direction::kDown, 1)},
      {"to the client, 16 connections", "ms/GB", kGigabytes, true, bulk(Direction::kDown, 16)},
      {"from the client, 1 connection", "ms/GB", kGigabytes, true, bulk(Direction::kUp, 1)},
      {"from the client, 16 connections", "ms/GB", kGigabytes, true, bulk(Direction::kUp, 16)},
      {"1 KiB there and back, 16 connections", "us", kExchanges / 1000.0, false,
       [](const Entrance& entrance) { return exchange(entrance, kMessage, kExchanges, 16); }},
  };
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Prints one workload's table; whether the target was met.
bool report(const Workload& workload, const std::vector<std::unique_ptr<Subject>>& subjects,
            const std::map<std::string, std::vector<double>>& samples) {
  std::printf("\n%s\n", workload.name);
  const double ours = median(samples.at(subjects.front()->name()));
  double floor = 0;
  double egress = 0;
  for (const auto& subject : subjects) {
    const auto& values = samples.at(subject->name());
    const double middle = median(values);
    const auto [least, most] = std::ranges::minmax(values);
    std::printf("  %-26s median %8.2f %s   min %8.2f   max %8.2f", subject->name().c_str(), middle, workload.unit,
                least, most);
    if (subject != subjects.front()) {
      std::printf("   ours/this %.2f", ours / middle);
      if (subject->name() == kEgressName) egress = middle;
      else floor = floor == 0 ? middle : std::min(floor, middle);
    }
    std::printf("\n");
  }
  if (!workload.judged) return true;
  const bool light = egress <= ours * kEgressTolerance;
  std::printf("  egress proxy to the bare forwarder: %.2f (target 1.10): %s\n", egress / ours,
              light ? "met" : "MISSED");
  if (floor == 0) return light;
  const bool met = ours <= floor * kTolerance;
  std::printf("  ours to the best of the others: %.2f (target 1.00, tolerance 3 %%): %s\n", ours / floor,
              met ? "met" : "MISSED");
  return met && light;
}

int run(int rounds) {
  const std::string folder = std::filesystem::temp_directory_path() / ("forwarder-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  bool good = true;
  {
    const auto opened = host::open_folder(folder);
    auto listener =
        opened ? host::listen_in_folder(opened->get(), "target", 0600, 1024) : std::unexpected(opened.error());
    if (!listener) return EXIT_FAILURE;
    ::fcntl(listener->get(), F_SETFL, 0);
    const auto subjects = start_subjects(folder, folder + "/target");
    const LoadServer server(*std::move(listener));
    for (const Workload& workload : workloads()) {
      std::map<std::string, std::vector<double>> samples;
      for (int round = -1; round < rounds; ++round) {  // the first warms up
        for (std::size_t i = 0; i < subjects.size(); ++i) {
          const Subject& subject = *subjects[(i + static_cast<std::size_t>(round + 1)) % subjects.size()];
          const auto before = subject.cpu();
          if (!workload.run(subject.entrance())) {
            std::printf("%s lost bytes\n", subject.name().c_str());
            return EXIT_FAILURE;
          }
          const double used = std::chrono::duration<double, std::milli>(subject.cpu() - before).count();
          if (round >= 0) samples[subject.name()].push_back(used / workload.units);
        }
      }
      good = report(workload, subjects, samples) && good;
    }
  }
  std::filesystem::remove_all(folder);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace gateway::bench

int main(int count, char** values) {
  const int rounds = count > 1 ? std::atoi(values[1]) : gateway::bench::kDefaultRounds;
  return gateway::bench::run(std::max(rounds, 1));
}
