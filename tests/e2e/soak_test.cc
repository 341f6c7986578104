// Connections at full rate, for as long as GATEWAY_SOAK_SECONDS says (five when it says nothing): neither the daemon
// nor the shim nor the runtime may grow, in memory or in descriptors. And an enclave that its host freezes goes on when
// it is thawed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/json_pointer.h"
#include "harness/raw_client.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

namespace fs = std::filesystem;

struct Footprint {
  long kilobytes = 0;
  long descriptors = 0;
};

Footprint footprint(pid_t pid) {
  Footprint out;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) out.kilobytes = std::atol(line.c_str() + 6);
  }
  std::error_code error;
  for (fs::directory_iterator each(folder + "/fd", error), end; !error && each != end; each.increment(error)) {
    ++out.descriptors;
  }
  return out;
}

class Soak : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string lacking = what_local_lacks(); !lacking.empty()) {
      GTEST_SKIP() << "SKIPPED: platform local cannot run here: " << lacking;
    }
    site_.start_daemon();
    enclave_ =
        site_.run_enclave(site_.build_echo({.name = "soak", .more = "[limits]\nmax_connections = 200\n"}), "soak");
  }
  pid_t field(const char* pointer) const {
    return static_cast<pid_t>(
        std::atol(json_at(site_.gateway({"inspect", "soak", "--json"}).out, pointer).value_or("0").c_str()));
  }
  // Each connection says something else: a request, half a handshake, nothing, a body that is cut short.
  void load_for(std::chrono::seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number) {
      threads.emplace_back([&, number] {
        for (int i = number; std::chrono::steady_clock::now() < until; ++i) {
          if (i % 7 == 0) {
            const auto silent = RawClient::tcp(enclave_.listen);
            if (i % 14 == 0 && silent) silent->send("\x16\x03\x01\x02");
            continue;
          }
          const auto client = RawClient::tls(enclave_.listen);
          if (!client) continue;
          if (i % 5 == 0) {
            client->send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart");
            continue;
          }
          const HttpAnswer answer = client->exchange(post("/echo", "hello", enclave_.token), "POST");
          if (answer.status == 200) ++answered_;
        }
      });
    }
    for (std::thread& each : threads) each.join();
  }

  Site site_;
  Enclave enclave_;
  std::atomic<long> answered_ = 0;
};

TEST_F(Soak, NothingGrows) {
  const char* const seconds = std::getenv("GATEWAY_SOAK_SECONDS");
  const std::chrono::seconds time(seconds == nullptr ? 5 : std::max(std::atol(seconds), 1L));
  const std::map<std::string, pid_t> processes{
      {"gatewayd", site_.daemon().pid()}, {"gateway-shim", field("/pid")}, {"gateway-enclave", field("/enclave_pid")}};
  load_for(std::chrono::seconds(3));  // pools fill, allocators take what they keep
  std::map<std::string, Footprint> before;
  for (const auto& [name, pid] : processes) before[name] = footprint(pid);
  load_for(time);
  std::this_thread::sleep_for(Milliseconds(1'500));  // what lingers ends
  EXPECT_GT(answered_, 50) << "the load was none";
  for (const auto& [name, pid] : processes) {
    const Footprint after = footprint(pid);
    std::printf("%-16s %ld -> %ld KB, %ld -> %ld descriptors\n", name.c_str(), before[name].kilobytes, after.kilobytes,
                before[name].descriptors, after.descriptors);
    EXPECT_GT(after.kilobytes, 0) << name;
    EXPECT_LE(after.kilobytes, before[name].kilobytes + 4096) << name;
    EXPECT_LE(after.descriptors, before[name].descriptors + 16) << name;
  }
  std::printf("%ld requests answered\n", answered_.load());
}

TEST_F(Soak, AFrozenEnclaveGoesOnWhenItIsThawed) {
  const pid_t enclave = field("/enclave_pid");
  ASSERT_GT(enclave, 1);
  const auto client = RawClient::tls(enclave_.listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(post("/echo", "before", enclave_.token), "POST").status, 200);
  ::kill(enclave, SIGSTOP);
  EXPECT_TRUE(client->send(post("/echo", "while it was frozen", enclave_.token)));
  std::this_thread::sleep_for(Milliseconds(3'000));
  EXPECT_EQ(client->receive(Milliseconds(200)).bytes, "") << "frozen, and it answers";
  ::kill(enclave, SIGCONT);
  const HttpAnswer answer = client->next_answer("POST");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "while it was frozen");
  const std::string policy = site_.write_policy("policy.toml", entry_for(enclave_));
  EXPECT_EQ(site_.gateway({"verify", enclave_.listen, "--policy", policy}).status, 0) << "its evidence is as good";
  EXPECT_EQ(json_at(site_.gateway({"inspect", "soak", "--json"}).out, "/restarts"), "0");
}

}  // namespace
}  // namespace gateway::harness
