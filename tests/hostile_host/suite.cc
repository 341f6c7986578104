#include "suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "callers.h"
#include "net/address.h"

namespace gateway::hostile_suite {
namespace {

using harness::json_at;

constexpr const char* kShortLimits =
    "[limits]\nmax_header = \"8KiB\"\nmax_body = \"64KiB\"\nhead_timeout = \"1s\"\nbody_timeout = \"1s\"\n"
    "response_timeout = \"3s\"\n";

class Shared : public ::testing::Environment {
 public:
  void SetUp() override {
    try {
      site_ = std::make_unique<harness::Site>();
      site_->start_daemon();
      image_ = site_->build_echo({.name = "echo", .more = kShortLimits});
      enclave_ = site_->run_enclave(image_, "target", {"--config", config_file(), "--tokens", first_list_file()});
      policy_ = site_->write_policy("policy.toml", harness::entry_for(enclave_));
    } catch (const std::exception& error) {
      FAIL() << "the enclave under attack does not start: " << error.what();
    }
  }
  void TearDown() override { site_.reset(); }

  std::unique_ptr<harness::Site> site_;
  std::string image_;
  harness::Enclave enclave_;
  std::string policy_;
};

Shared* shared = nullptr;

std::string reason_of(const std::string& json) {
  return json_at(json, "/verification/reason").value_or(json_at(json, "/reason").value_or("no JSON: " + json));
}

}  // namespace

harness::Site& site() { return *shared->site_; }
const std::string& echo_image() { return shared->image_; }
const harness::Enclave& enclave() { return shared->enclave_; }
const std::string& policy() { return shared->policy_; }

Attacker::Attacker(std::vector<std::string> words) {
  static unsigned number = 0;
  seen_ = site().write("seen-" + std::to_string(++number), "");
  words.insert(words.begin(), harness::program("gateway-hostile-host"));
  words.insert(words.end(), {"--listen", "127.0.0.1:0", "--seen", seen_});
  program_ = std::make_unique<harness::Program>(harness::Launch{.argv = words});
  const auto line = program_->wait_for("listening on ");
  if (!line) throw std::runtime_error("the attacker does not start: " + program_->err());
  endpoint_ = line->substr(std::string("listening on ").size());
}

std::vector<std::string> twin_of(const harness::Enclave& of, std::vector<std::string> mode) {
  mode.insert(mode.end(), {"--root", site().state() + "/local-root", "--config", of.config, "--pcrs",
                           of.measurements[0] + "," + of.measurements[1] + "," + of.measurements[2]});
  return mode;
}

std::string free_endpoint() {
  const auto listener = net::listen_on({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .cid = 0, .port = 0});
  const auto port = listener ? net::local_port(listener->get()) : Result<std::uint16_t>(0);
  return "127.0.0.1:" + std::to_string(port.value_or(0));
}

void expect_refused(const std::string& endpoint, const std::string& policy_file, const std::string& id,
                    const std::vector<std::string>& more) {
  const std::string local = free_endpoint();
  const std::string token_file = site().write("good-token", good_token() + "\n");
  std::vector<std::string> connect{"connect", endpoint,       "--policy", policy_file, "--listen",
                                   local,     "--token-file", token_file, "--json"};
  connect.insert(connect.end(), more.begin(), more.end());
  harness::Program connecting(site().launch(connect));
  // Nothing may ever listen there; a client that means well would send its prompt now.
  bool opened = false;
  while (connecting.running() && !opened) {
    opened = harness::port_is_open(local);
    std::this_thread::sleep_for(Milliseconds(1));
  }
  EXPECT_FALSE(opened) << "the local port was opened";
  if (opened) harness::RawClient::tcp(local)->exchange(harness::post("/echo", kPrompt), "POST", Milliseconds(1'000));
  const auto ended = opened ? connecting.stop() : connecting.wait(Milliseconds(20'000));
  EXPECT_EQ(ended.status, 1) << ended.both();
  EXPECT_EQ(reason_of(ended.out), id) << ended.both();
  EXPECT_EQ(json_at(ended.out, "/listen"), "null");
  EXPECT_THAT(ended.err, ::testing::HasSubstr(id));

  std::vector<std::string> verify{"verify", endpoint, "--policy", policy_file, "--json"};
  verify.insert(verify.end(), more.begin(), more.end());
  const auto verified = site().gateway(verify);
  EXPECT_EQ(verified.status, 1) << verified.both();
  EXPECT_EQ(reason_of(verified.out), id) << verified.both();
}

void expect_saw_nothing(const Attacker& attacker) {
  const std::string seen = attacker.seen();
  EXPECT_THAT(seen, ::testing::Not(::testing::HasSubstr(kPrompt)));
  EXPECT_THAT(seen, ::testing::Not(::testing::HasSubstr(good_token())));
  EXPECT_THAT(seen, ::testing::Not(::testing::HasSubstr("Authorization")));
  EXPECT_THAT(seen, ::testing::Not(::testing::HasSubstr("POST ")));
}

void expect_refused(const Attacker& attacker, const std::string& policy_file, const std::string& id,
                    const std::vector<std::string>& more) {
  expect_refused(attacker.endpoint(), policy_file, id, more);
  EXPECT_THAT(attacker.seen(), ::testing::HasSubstr("GET /.well-known/gateway/attestation"));
  expect_saw_nothing(attacker);
}

Connection::Connection(const std::string& endpoint, std::vector<std::string> more) {
  std::vector<std::string> words{"connect", endpoint, "--policy", policy(), "--json"};
  words.insert(words.end(), more.begin(), more.end());
  program_ = std::make_unique<harness::Program>(site().launch(words));
  const auto line = program_->wait_for("\"listen\"");
  local_ = json_at(line.value_or(""), "/listen").value_or("null");
  if (local_ == "null") throw std::runtime_error("gateway connect opened no port: " + program_->err());
}

harness::HttpAnswer Connection::exchange(const std::string& request, std::string_view method) const {
  const auto client = harness::RawClient::tcp(local_);
  if (!client) return {};
  // As a client on this machine writes it: with the local port's own name.
  std::string local_request = request;
  const std::string host = "Host: enclave\r\n";
  if (const std::size_t at = local_request.find(host); at != std::string::npos) {
    local_request.replace(at, host.size(), "Host: " + local_ + "\r\n");
  }
  return client->exchange(local_request, method);
}

}  // namespace gateway::hostile_suite

int main(int argc, char** argv) {
  using namespace gateway::hostile_suite;
  std::signal(SIGPIPE, SIG_IGN);
  ::testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests)) {
    if (const std::string lacks = gateway::harness::what_local_lacks(); !lacks.empty()) {
      std::fprintf(stderr, "hostile_host: SKIPPED, NOTHING WAS TESTED: %s\n", lacks.c_str());
      return 77;
    }
  }
  shared = new Shared;
  ::testing::AddGlobalTestEnvironment(shared);  // which owns it
  const int failed = RUN_ALL_TESTS();
  std::printf("\n%s\n", table_text().c_str());
  return table_is_in(GATEWAY_THREAT_MODEL) ? failed : 1;
}
