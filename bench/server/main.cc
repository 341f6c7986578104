// gateway_bench_server: CPU time of the runtime's server beside nginx's, same certificate, same load, same machine.
//
// Rounds alternate between the two, so that whatever else the machine does hits both. What counts is the CPU time of
// the server's own process per request, not the wall clock. Targets: docs/benchmarks.md.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

#include "load.h"
#include "net/address.h"
#include "subjects.h"

namespace gateway::bench {
namespace {

struct Measure {
  const char* name;
  Kind kind;
  std::size_t connections;
  std::size_t units;  // in one round
  double target;      // ours to nginx's
};

constexpr Measure kMeasures[] = {
    {"GET, small answer, 32 connections", Kind::kGet, 32, 20'000, 1.0},
    {"GET, small answer, 256 connections", Kind::kGet, 256, 20'000, 1.0},
    {"POST 1 KiB, relayed, 32 connections", Kind::kPost, 32, 10'000, 1.0},
    {"full handshake with one GET", Kind::kHandshake, 16, 600, 1.0},
    {"server-sent event of 1 KiB, 16 streams", Kind::kEvents, 16, 10'000, 1.15},
};
constexpr std::size_t kDefaultRounds = 11;
constexpr std::size_t kIdleConnections = 1000;
constexpr double kTolerance = 1.03;
constexpr double kMaxIdleBytes = 20'000;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Bench {
  net::Loop loop;
  std::unique_ptr<WorkloadStub> workload;
  std::unique_ptr<Subject> ours;
  std::unique_ptr<Subject> nginx;
  std::size_t rounds = kDefaultRounds;
  bool within = true;

  // Microseconds of the server's CPU time per unit; negative when the round failed.
  double round(const Subject& subject, const Measure& measure) {
    Load load(loop, *workload);
    if (!load.open(subject.port(), measure.connections)) return -1;
    const auto before = subject.cpu_time();
    if (!load.run(measure.kind, measure.units)) return -1;
    const auto spent = subject.cpu_time() - before;
    return std::chrono::duration<double, std::micro>(spent).count() / static_cast<double>(measure.units);
  }

  bool compare(const Measure& measure) {
    std::vector<double> mine, theirs, ratios;
    for (std::size_t i = 0; i <= rounds; ++i) {
      const double a = round(i % 2 == 0 ? *ours : *nginx, measure);
      const double b = round(i % 2 == 0 ? *nginx : *ours, measure);
      if (a < 0 || b < 0) {
        std::fprintf(stderr, "bench: a round of \"%s\" failed\n", measure.name);
        return false;
      }
      if (i == 0) continue;  // both warm up
      mine.push_back(i % 2 == 0 ? a : b);
      theirs.push_back(i % 2 == 0 ? b : a);
      ratios.push_back(mine.back() / theirs.back());
    }
    const double ratio = median(ratios);
    const bool good = ratio <= measure.target * kTolerance;
    within = within && good;
    const auto [low, high] = std::ranges::minmax(ratios);
    std::printf("%-40s %9.2f %9.2f   %6.3f  %5.3f-%5.3f   <= %.2f %s\n", measure.name, median(mine), median(theirs),
                ratio, low, high, measure.target, good ? "ok" : "MISSED");
    std::fflush(stdout);
    return true;
  }

  bool idle_memory(const Subject& subject) {
    Load warm(loop, *workload);
    if (!warm.open(subject.port(), 64)) return false;
    const std::size_t before = subject.memory();
    Load load(loop, *workload);
    if (!load.open(subject.port(), kIdleConnections)) return false;
    const double each = static_cast<double>(subject.memory() - before) / kIdleConnections;
    const bool is_ours = &subject == ours.get();
    const bool good = !is_ours || each <= kMaxIdleBytes;
    within = within && good;
    std::printf("%-40s %9.0f bytes%s\n", ("idle connection, " + subject.name()).c_str(), each,
                is_ours ? (good ? "   <= 20000 ok" : "   <= 20000 MISSED") : "");
    return true;
  }

  Status set_up(const Workspace& workspace) {
    GATEWAY_ASSIGN(const net::Address address, net::Address::parse_url("unix://" + workspace.path("workload.sock")));
    GATEWAY_ASSIGN(net::Descriptor listener, net::listen_on(address));
    workload = std::make_unique<WorkloadStub>(loop, std::move(listener));
    GATEWAY_ASSIGN(ours, Subject::start_ours(workspace));
    GATEWAY_ASSIGN(nginx, Subject::start_nginx(workspace));
    return {};
  }
};

int run(std::size_t rounds, std::string_view only) {
  const auto workspace = Workspace::make();
  Bench bench;
  bench.rounds = rounds;
  const Status ready = workspace ? bench.set_up(**workspace) : Status(std::unexpected(workspace.error()));
  if (!ready) {
    std::fprintf(stderr, "bench: %s\n", ready.error().message().c_str());
    return 4;
  }
  std::printf("own server: %.1f MiB resident at rest\n", static_cast<double>(bench.ours->resident()) / 1048576.0);
  std::printf("%-40s %9s %9s   %6s  %11s   %s\n", "server CPU per unit, median of rounds", "ours, us", "nginx, us",
              "ratio", "spread", "target");
  for (const Measure& measure : kMeasures) {
    if (std::string_view(measure.name).starts_with(only) && !bench.compare(measure)) return 4;
  }
  if (!only.empty()) return bench.within ? 0 : 1;
  if (!bench.idle_memory(*bench.ours) || !bench.idle_memory(*bench.nginx)) return 4;
  return bench.within ? 0 : 1;
}

}  // namespace
}  // namespace gateway::bench

int main(int count, char** arguments) {
  if (count == 4 && std::strcmp(arguments[1], "--serve") == 0) {
    return gateway::bench::serve(arguments[2], static_cast<std::uint16_t>(std::atoi(arguments[3])));
  }
  std::size_t rounds = gateway::bench::kDefaultRounds;
  if (count > 1) rounds = static_cast<std::size_t>(std::atoi(arguments[1]));
  if (rounds < 1 || count > 3) {
    std::fprintf(stderr, "usage: gateway_bench_server [ROUNDS [BEGINNING OF A MEASURE'S NAME]]\n");
    return 2;
  }
  return gateway::bench::run(rounds, count > 2 ? arguments[2] : "");
}
