// The image as an enclave of its own kernel: boot, registers, private conversation, and what refuses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>

#include "harness/json_pointer.h"
#include "harness/services.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

using ::testing::HasSubstr;

constexpr Milliseconds kBootTime{120'000};
// Emulation finds no clock to calibrate against: without these two a boot hangs.
constexpr const char* kCmdline = "reboot=t panic=-1 console=ttyS0 quiet tsc_early_khz=2000000 lpj=4000000";

std::string qemu_folder() {
  const char* folder = std::getenv("GATEWAY_QEMU");
  return folder == nullptr ? "" : folder;
}

struct Answer {
  int status = 0;
  std::string body;
};

// One host and one enclave for all: building an image with a kernel takes a moment, and booting it some more.
class Qemu : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (qemu_folder().empty()) return;
    site_ = new Site();
    // A daemon that runs as root gives QEMU a user of its own, which reads no home folder.
    std::filesystem::copy(qemu_folder(), site_->file("qemu"), std::filesystem::copy_options::recursive);
    start_daemon();
  }
  static void TearDownTestSuite() {
    proxy_.reset();
    delete site_;
    site_ = nullptr;
  }
  void SetUp() override {
    if (site_ != nullptr) return;
    std::cerr << "SKIPPED: GATEWAY_QEMU names no QEMU; ./dev qemu-nitro builds one\n";
    GTEST_SKIP() << "GATEWAY_QEMU is not set";
  }

  // What its enclaves may reach, and what they may not.
  struct Services {
    std::string own = own_address();
    NameServer names;
    TcpService listed{own.empty() ? "127.0.0.1" : own, answer_after("now", "served")};
    TcpService unlisted{own.empty() ? "127.0.0.1" : own, answer_after("now", "leaked")};
    UdpService datagrams{own.empty() ? "127.0.0.1" : own, [](const std::string& text) { return "answer to " + text; }};
  };
  static Services& services() {
    static Services all;
    return all;
  }
  static void start_daemon() {
    services().names.set("db.example.org", services().own);
    site_->start_daemon("qemu = \"" + site_->file("qemu") + "\"\n[egress]\nresolver = \"" +
                        services().names.endpoint() + "\"\npackets = true\n");
  }
  static std::string build(const std::string& name, const std::string& runtime) {
    const std::string more = "[egress]\ntransparent = true\ntun = true\ninsecure_allow = [\"db.example.org:" +
                             std::to_string(services().listed.port()) + "\", \"udp://" + services().own + ":" +
                             std::to_string(services().datagrams.port()) + "\"]\n";
    return site_->build_echo({.name = name,
                              .kernel = "debian",
                              .cmdline = kCmdline,
                              .more = services().own.empty() ? std::string() : more,
                              .runtime = runtime});
  }
  static Ended boot(const std::string& image, const std::string& name) {
    return run(site_->launch({"run", image, "--name", name, "--platform", "qemu", "--json"}), kBootTime);
  }
  // The client that goes on past an unsigned document.
  static Launch unsigned_client(std::vector<std::string> arguments) {
    Launch launch = site_->launch(std::move(arguments));
    launch.argv.front() = program("gateway_unsigned");
    return launch;
  }

  // An enclave that runs, what its builder said of it, and a policy that names that.
  struct Running {
    std::string image;
    std::string listen;
    std::array<std::string, 3> pcrs;
    std::string policy;
    std::string token;
  };
  static Running start(const std::string& image, const std::string& name) {
    Running out{.image = image, .listen = {}, .pcrs = {}, .policy = {}, .token = {}};
    const Ended inspected = site_->gateway({"inspect", image, "--json"});
    const Ended started = boot(image, name);
    if (started.status != 0) throw std::runtime_error("it does not boot: " + started.both());
    out.listen = json_at(started.out, "/listen").value();
    PolicyEntry entry;
    entry.platform = "nitro";
    entry.config = json_at(started.out, "/config").value();
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string index = std::to_string(i);
      out.pcrs[i] = entry.measurements[i] = json_at(inspected.out, "/pcrs/" + index).value();
      EXPECT_EQ(json_at(started.out, "/measurements/" + index), out.pcrs[i]);
    }
    out.policy = site_->write_policy(name + "-policy.toml", entry);
    out.token = read_text(json_at(started.out, "/token_file").value());
    while (!out.token.empty() && out.token.back() == '\n') out.token.pop_back();
    return out;
  }
  static const Running& echo() {
    static const Running running = start(build("unsigned", "gateway_enclave_unsigned"), "unsigned");
    return running;
  }

  // The local port of a client that verified the enclave first: "127.0.0.1:PORT".
  static std::string open_proxy(const Running& enclave) {
    proxy_ = std::make_unique<Program>(
        unsigned_client({"connect", enclave.listen, "--policy", enclave.policy, "--listen", "127.0.0.1:0"}));
    const auto line = proxy_->wait_for("http://127.0.0.1:", Milliseconds(30'000));
    if (!line) throw std::runtime_error("no local port: " + proxy_->out() + proxy_->err());
    const std::string endpoint = line->substr(line->find("127.0.0.1:"));
    return endpoint.substr(0, endpoint.find_first_not_of("0123456789.:"));
  }
  static Answer ask(const Running& enclave, const std::string& path, const std::string& body = {}) {
    if (!proxy_) endpoint_ = open_proxy(enclave);
    std::vector<std::string> argv{"/usr/bin/curl",
                                  "-sS",
                                  "--max-time",
                                  "100",
                                  "-w",
                                  "\n%{http_code}",
                                  "-H",
                                  "Authorization: Bearer " + enclave.token};
    if (!body.empty()) argv.insert(argv.end(), {"-H", "Content-Type: application/json", "-d", body});
    argv.push_back("http://" + endpoint_ + path);
    const Ended ended = run({.argv = std::move(argv)}, Milliseconds(110'000));
    const std::size_t status = ended.out.rfind('\n');
    if (ended.status != 0 || status == std::string::npos) return {.status = 0, .body = ended.both()};
    return {.status = std::stoi(ended.out.substr(status + 1)), .body = ended.out.substr(0, status)};
  }

  static Site* site_;
  static std::unique_ptr<Program> proxy_;
  static std::string endpoint_;
};
Site* Qemu::site_ = nullptr;
std::unique_ptr<Program> Qemu::proxy_;
std::string Qemu::endpoint_;

TEST_F(Qemu, TheShippedRuntimeDoesNotStartOnADeviceThatSignsNothing) {
  const std::string image = build("shipped", "gateway-enclave");
  const Ended started = boot(image, "shipped");
  EXPECT_EQ(started.status, 1) << started.both();
  EXPECT_THAT(started.both(), HasSubstr("nitro.unsigned"));
}

TEST_F(Qemu, EveryShippedVerifierRefusesWhatItAttests) {
  const Ended refused = site_->gateway({"verify", echo().listen, "--policy", echo().policy, "--json"});
  EXPECT_EQ(refused.status, 1) << refused.both();
  EXPECT_EQ(json_at(refused.out, "/authentic"), "false");
  EXPECT_EQ(json_at(refused.out, "/reason"), "nitro.unsigned");
  const Ended connected = site_->gateway({"connect", echo().listen, "--policy", echo().policy});
  EXPECT_EQ(connected.status, 1) << connected.both();
}

// What the machine's NSM has in its registers is what the builder wrote down, and 16 holds the configuration.
TEST_F(Qemu, AttestsTheRegistersThatTheBuilderMeasured) {
  const Ended verified = run(unsigned_client({"verify", echo().listen, "--policy", echo().policy, "--json"}));
  ASSERT_EQ(verified.status, 0) << verified.both();
  EXPECT_EQ(json_at(verified.out, "/appraisal"), "affirming");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(json_at(verified.out, "/claims/pcrs/" + std::to_string(i)), echo().pcrs[i]);
  }
  const std::string zero(96, '0');
  EXPECT_NE(json_at(verified.out, "/claims/pcrs/16").value_or(zero), zero);
  EXPECT_EQ(json_at(verified.out, "/claims/pcrs/31"), zero) << "locked, so attested, though nothing wrote it";
}

TEST_F(Qemu, HoldsAPrivateConversationThroughVsock) {
  const Answer answer = ask(echo(), "/echo", "hello from outside");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("hello from outside"));
}

// (A connection of its own to elsewhere stands here, and ends with the runtime: the next test shows what becomes of
// it.)
TEST_F(Qemu, TheWorkloadFindsNeitherTheDeviceNorVsock) {
  const Answer answer = ask(echo(), "/probe");
  ASSERT_EQ(answer.status, 200) << answer.body;
  for (const char* probe : {"af_vsock", "af_netlink", "raw_inet", "ptrace_init", "open_dev_nsm", "open_dev_mem",
                            "io_uring", "bpf", "unshare_user", "init_module", "setresuid_root", "write_usr",
                            "write_root", "open_init_memory", "read_description", "mknod"}) {
    const std::string outcome = json_at(answer.body, std::string("/probes/") + probe).value_or("not tried");
    EXPECT_NE(outcome, "allowed") << probe;
    EXPECT_NE(outcome, "not tried") << probe;
  }
  EXPECT_EQ(json_at(answer.body, "/cap_eff"), "0000000000000000");
}

// The same ways out as on local: the kernel's modules are measured, the packets and bytes go through vsock.
TEST_F(Qemu, ReachesWhatItsImageAllowsAndNothingElse) {
  if (services().own.empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but loopback's";
  const auto reach = [](const std::string& kind, const std::string& address, unsigned port, const std::string& bytes) {
    return ask(echo(), "/" + kind + "?address=" + address + "&port=" + std::to_string(port) + "&idle=3000", bytes).body;
  };
  const std::string listed = std::to_string(services().listed.port());
  EXPECT_EQ(reach("tcp", "127.0.0.1", 3128, "CONNECT db.example.org:" + listed + " HTTP/1.1\r\n\r\nnow"),
            "ok:HTTP/1.1 200 Connection established\r\n\r\nserved");
  EXPECT_EQ(reach("tcp", services().own, services().listed.port(), "now"), "ok:served") << "a name has led there";
  EXPECT_THAT(reach("tcp", services().own, services().unlisted.port(), "now"), ::testing::Not(HasSubstr("leaked")));
  EXPECT_THAT(reach("tcp", "127.0.0.1", 3128, "CONNECT evil.test:443 HTTP/1.1\r\n\r\nnow"), HasSubstr("403"));
  EXPECT_EQ(services().unlisted.connections(), 0U);
  std::string got;
  for (int i = 0; i < 10 && got != "ok:answer to x"; ++i) {
    got = reach("udp", services().own, services().datagrams.port(), "x");
  }
  EXPECT_EQ(got, "ok:answer to x");
}

TEST_F(Qemu, AWorkloadThatEndsIsStartedAgain) {
  EXPECT_NE(ask(echo(), "/crash").status, 200);
  Answer answer;
  for (int i = 0; i < 50 && answer.status != 200; ++i) {
    answer = ask(echo(), "/echo", "are you back");
    if (answer.status != 200) std::this_thread::sleep_for(Milliseconds(200));
  }
  EXPECT_EQ(answer.status, 200) << answer.body;
}

TEST_F(Qemu, GoesOnWhileItsDaemonIsGone) {
  const Running& enclave = echo();
  site_->daemon().send_signal(SIGKILL);
  site_->stop_daemon();
  EXPECT_EQ(ask(enclave, "/echo", "without a daemon").status, 200);
  start_daemon();
  std::string listed;
  for (int i = 0; i < 100 && listed.empty(); ++i) {
    listed = site_->gateway({"ps", "--json"}).out;  // the socket of the daemon before may still lie there
    if (listed.empty()) std::this_thread::sleep_for(Milliseconds(50));
  }
  EXPECT_THAT(listed, HasSubstr("\"unsigned\""));
}

TEST_F(Qemu, EndsWhenItIsAskedTo) {
  echo();
  const Ended stopped = site_->gateway({"stop", "unsigned"}, Milliseconds(60'000));
  EXPECT_EQ(stopped.status, 0) << stopped.both();
  proxy_.reset();
}

// The demo's own image, with a kernel that emulation can start: llama.cpp's server and a small model. A mirror that no
// longer has what the lock names gives what it has now, as the demo does.
TEST_F(Qemu, AnswersAPromptFromALanguageModel) {
  std::string spec = read_text(SOURCE_FOLDER "/examples/assistant/image.toml");
  const auto replace = [&spec](const std::string& what, const std::string& by) {
    const std::size_t at = spec.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    spec.replace(at, what.size(), by);
  };
  replace("kernel = \"debian\"", std::string("cmdline = \"") + kCmdline + "\"\nkernel = \"debian\"");
  replace("../../models", SOURCE_FOLDER "/models");
  const std::string file = site_->write("assistant.toml", spec);
  site_->write("image.lock", read_text(SOURCE_FOLDER "/examples/assistant/image.lock"));
  const std::string image = site_->file("assistant.eif");
  Ended built;
  for (const char* lock : {"--update-lock-inputs", "--update-lock"}) {
    built = site_->gateway({"build", file, "-o", image, "--runtime", program("gateway_enclave_unsigned"), lock},
                           Milliseconds(200'000));
    if (built.status == 0) break;
  }
  ASSERT_EQ(built.status, 0) << built.both();
  const Running enclave = start(image, "assistant");
  const Answer answer = ask(enclave, "/v1/completions",
                            R"({"model":"kjv-small","prompt":"In the beginning","max_tokens":16,"temperature":0})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_FALSE(json_at(answer.body, "/choices/0/text").value_or("").empty()) << answer.body;
  // It may say less than it may: a model ends when it likes.
  const int tokens = std::stoi(json_at(answer.body, "/usage/completion_tokens").value_or("0"));
  EXPECT_TRUE(tokens >= 1 && tokens <= 16) << answer.body;
}

}  // namespace
}  // namespace gateway::harness
