// gatewayd, its shims and the commands that speak to it, as processes: what survives what, what is refused with which
// id, and that nothing half-made is left behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/json_pointer.h"
#include "harness/raw_client.h"
#include "harness/site.h"

namespace gateway::harness {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class HostTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string lacking = what_local_lacks(); !lacking.empty()) {
      GTEST_SKIP() << "SKIPPED: platform local cannot run here: " << lacking;
    }
    site_.start_daemon();
  }
  std::string field(const std::string& name, const std::string& pointer) const {
    return json_at(site_.gateway({"inspect", name, "--json"}).out, pointer).value_or("");
  }
  bool becomes(const std::string& name, const std::string& pointer, const std::string& value) const {
    for (int i = 0; i < 400; ++i) {
      if (field(name, pointer) == value) return true;
      std::this_thread::sleep_for(Milliseconds(50));
    }
    return false;
  }
  void kill_daemon() {
    site_.daemon().send_signal(SIGKILL);
    site_.daemon().wait(Milliseconds(5'000));
    fs::remove(site_.state() + "/gatewayd.sock");
  }
  std::size_t entries_in(const std::string& folder) const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(site_.state() + "/" + folder)) ++count;
    return count;
  }
  Site site_;
};

// Built once; a test that changes it works on a copy.
const std::string& echo_image() {
  static const Site builder;
  static const std::string image = builder.build_echo({});
  return image;
}

pid_t pid_from(const std::string& text) { return static_cast<pid_t>(std::atol(text.c_str())); }

// Alive, and no zombie that only waits to be reaped.
bool lives(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(status, line)) return false;
  const std::size_t at = line.rfind(')');
  return at != std::string::npos && line.size() > at + 2 && line[at + 2] != 'Z';
}

bool dies(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    if (!lives(pid)) return true;
    std::this_thread::sleep_for(Milliseconds(20));
  }
  return false;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream list("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) {
    children.push_back(child);
    const auto below = children_of(child);
    children.insert(children.end(), below.begin(), below.end());
  }
  return children;
}

std::string echo_request(const std::string& token, const std::string& body) { return post("/echo", body, token); }

TEST_F(HostTest, KillingTheDaemonInterruptsNeitherEnclavesNorTheirClients) {
  const Enclave enclave = site_.run_enclave(echo_image(), "steady");
  const std::string enclave_pid = field("steady", "/enclave_pid");
  const auto client = RawClient::tls(enclave.listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(echo_request(enclave.token, "before"), "POST").status, 200);

  kill_daemon();
  EXPECT_EQ(client->exchange(echo_request(enclave.token, "meanwhile"), "POST").status, 200);
  EXPECT_NE(RawClient::tls(enclave.listen), nullptr) << "new clients are served without a daemon too";

  site_.start_daemon();
  EXPECT_TRUE(becomes("steady", "/state", "ready"));
  EXPECT_EQ(field("steady", "/enclave_pid"), enclave_pid);
  EXPECT_EQ(field("steady", "/restarts"), "0");
  EXPECT_EQ(field("steady", "/listen"), enclave.listen);
  EXPECT_EQ(client->exchange(echo_request(enclave.token, "after"), "POST").status, 200) << "the same connection";
  EXPECT_EQ(site_.gateway({"stop", "steady"}).status, 0);
  EXPECT_FALSE(port_is_open(enclave.listen));
}

TEST_F(HostTest, AnAllocationOfTrafficIsShownAndSurvivesTheDaemon) {
  const std::string image = site_.build_echo({.name = "claims", .ingress = "client_address = true\n"});
  const Enclave enclave = site_.run_enclave(
      image, "claims", {"--connections", "100", "--in", "10MiB:20MiB", "--out", "5MiB", "--client-address"});
  EXPECT_EQ(field("claims", "/max_connections"), "100");
  EXPECT_EQ(field("claims", "/traffic/in/rate"), "10485760");
  EXPECT_EQ(field("claims", "/traffic/out/rate"), "5242880");
  const auto client = RawClient::tls(enclave.listen);
  ASSERT_NE(client, nullptr);
  EXPECT_THAT(client->exchange(get("/headers", enclave.token)).body, HasSubstr("gateway-claimed-client: 127.0.0.1:"));
  kill_daemon();
  site_.start_daemon();
  EXPECT_TRUE(becomes("claims", "/state", "ready"));
  EXPECT_EQ(field("claims", "/traffic/in/burst"), "20971520");
  EXPECT_EQ(site_.gateway({"stop", "claims"}).status, 0);
  EXPECT_THAT(site_.try_run(image, "more", {"--in", "fast"}).both(), HasSubstr("host.traffic"));
  EXPECT_THAT(site_.try_run(image, "more", {"--connections", "999999"}).both(), HasSubstr("host.connections"));
}

TEST_F(HostTest, AnOrderlyRestartOfTheDaemonLeavesEnclavesRunning) {
  const Enclave enclave = site_.run_enclave(echo_image(), "steady");
  const std::string enclave_pid = field("steady", "/enclave_pid");
  const Ended ended = site_.daemon().stop();
  EXPECT_EQ(ended.status, 0);
  EXPECT_TRUE(port_is_open(enclave.listen));
  site_.start_daemon();
  EXPECT_TRUE(becomes("steady", "/state", "ready"));
  EXPECT_EQ(field("steady", "/enclave_pid"), enclave_pid);
}

TEST_F(HostTest, StopLeavesNoProcessAndNoPort) {
  const Enclave enclave = site_.run_enclave(echo_image(), "brief");
  const pid_t shim = pid_from(field("brief", "/pid"));
  const auto family = children_of(shim);
  EXPECT_GE(family.size(), 3U) << "bubblewrap, the runtime and the workload";
  EXPECT_EQ(site_.gateway({"stop", "brief"}).status, 0);
  EXPECT_TRUE(dies(shim));
  for (const pid_t child : family) EXPECT_TRUE(dies(child)) << child;
  EXPECT_FALSE(port_is_open(enclave.listen));
  EXPECT_EQ(field("brief", "/state"), "stopped");
  EXPECT_EQ(json_at(site_.gateway({"ps", "--json"}).out, "/enclaves/0/name"), std::nullopt);
}

TEST_F(HostTest, AnEnclaveThatDiesIsStartedAgainOnTheSamePort) {
  const Enclave enclave = site_.run_enclave(echo_image(), "phoenix");
  const std::string before = field("phoenix", "/enclave_pid");
  ASSERT_EQ(::kill(pid_from(before), SIGKILL), 0);
  ASSERT_TRUE(becomes("phoenix", "/restarts", "1"));
  ASSERT_TRUE(becomes("phoenix", "/state", "ready"));
  EXPECT_NE(field("phoenix", "/enclave_pid"), before);
  EXPECT_EQ(field("phoenix", "/listen"), enclave.listen);
  const auto client = RawClient::tls(enclave.listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(echo_request(enclave.token, "again"), "POST").status, 200);
  EXPECT_THAT(site_.gateway({"logs", "phoenix", "--events"}).out, HasSubstr("host.enclave.ended"));
}

TEST_F(HostTest, AnEnclaveDiesWithItsShimAndIsStartedAgain) {
  site_.run_enclave(echo_image(), "phoenix");
  const pid_t shim = pid_from(field("phoenix", "/pid"));
  const auto family = children_of(shim);
  ASSERT_EQ(::kill(shim, SIGKILL), 0);
  for (const pid_t child : family) EXPECT_TRUE(dies(child)) << child;
  ASSERT_TRUE(becomes("phoenix", "/restarts", "1"));
  EXPECT_TRUE(becomes("phoenix", "/state", "ready"));
}

TEST_F(HostTest, ARestartedDaemonStartsWhatDiedWithoutIt) {
  const Enclave enclave = site_.run_enclave(echo_image(), "steady");
  const pid_t shim = pid_from(field("steady", "/pid"));
  kill_daemon();
  ASSERT_EQ(::kill(shim, SIGKILL), 0);
  ASSERT_TRUE(dies(shim));
  site_.start_daemon();
  EXPECT_TRUE(becomes("steady", "/state", "ready"));
  EXPECT_EQ(field("steady", "/listen"), enclave.listen);
}

TEST_F(HostTest, ARestartedDaemonDoesNotStartWhatWasStopped) {
  const Enclave enclave = site_.run_enclave(echo_image(), "done");
  ASSERT_EQ(site_.gateway({"stop", "done"}).status, 0);
  kill_daemon();
  site_.start_daemon();
  EXPECT_TRUE(becomes("done", "/state", "stopped"));
  EXPECT_FALSE(port_is_open(enclave.listen));
}

TEST_F(HostTest, ADaemonKilledInTheMiddleOfAStartLeavesNothingHalfMade) {
  const std::string image = echo_image();
  std::thread starter([&] { (void)site_.try_run(image, "half"); });
  for (int i = 0; i < 500 && !fs::exists(site_.state() + "/enclaves/half/spec.json"); ++i) {
    std::this_thread::sleep_for(Milliseconds(2));
  }
  kill_daemon();
  starter.join();
  site_.start_daemon();
  for (int i = 0; i < 100 && entries_in("enclaves") > 0; ++i) std::this_thread::sleep_for(Milliseconds(50));
  // Either the caller was answered before the kill, and the enclave runs, or nothing of it is left.
  const std::string state = field("half", "/state");
  if (state.empty()) {
    EXPECT_EQ(entries_in("enclaves"), 0U);
  } else {
    EXPECT_TRUE(becomes("half", "/state", "ready"));
  }
}

TEST_F(HostTest, RefusesAPortThatIsInUseAndNamesIt) {
  const std::string image = echo_image();
  const Enclave first = site_.run_enclave(image, "first");
  const Ended second = site_.try_run(image, "second", {"--listen", first.listen});
  EXPECT_EQ(second.status, 3);
  EXPECT_THAT(second.err, HasSubstr("host.port_in_use"));
  EXPECT_THAT(second.err, HasSubstr(first.listen));
  EXPECT_EQ(entries_in("enclaves"), 1U);
  const Ended unknown = site_.gateway({"inspect", "second"});
  EXPECT_EQ(unknown.status, 3);
  EXPECT_THAT(unknown.err, HasSubstr("host.enclave.unknown"));
}

TEST_F(HostTest, RefusesADamagedImageAndKeepsNothingOfIt) {
  const std::string image = site_.file("damaged.eif");
  fs::copy_file(echo_image(), image);
  std::fstream file(image, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(0, std::ios::end);
  const auto middle = static_cast<std::streamoff>(file.tellg()) / 2;
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
  file.close();
  const Ended refused = site_.try_run(image, "damaged");
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("image.eif.crc"));
  EXPECT_TRUE(refused.out.empty());
  EXPECT_EQ(entries_in("enclaves"), 0U);
  EXPECT_EQ(entries_in("images"), 0U);
  EXPECT_FALSE(fs::exists(site_.state() + "/deployments/damaged"));
}

TEST_F(HostTest, RefusesWhatIsNoImage) {
  const Ended missing = site_.try_run(site_.file("absent.eif"), "x");
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.err, HasSubstr("run.image"));
  const Ended text = site_.try_run(site_.write("note.txt", "not an image"), "x");
  EXPECT_EQ(text.status, 1);
  EXPECT_THAT(text.err, HasSubstr("image.eif."));
  const Ended folder = site_.try_run(site_.state(), "x");
  EXPECT_NE(folder.status, 0);
  EXPECT_THAT(folder.err, HasSubstr("host.image.file"));
}

TEST_F(HostTest, RefusesANameThatIsTakenUntilItIsFree) {
  const std::string image = echo_image();
  const Enclave first = site_.run_enclave(image, "only");
  const Ended second = site_.try_run(image, "only");
  EXPECT_NE(second.status, 0);
  EXPECT_THAT(second.err, HasSubstr("host.name_in_use"));
  const auto client = RawClient::tls(first.listen);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->exchange(echo_request(first.token, "still mine"), "POST").status, 200)
      << "a refused run must not touch the token of the one that runs";
  ASSERT_EQ(site_.gateway({"stop", "only"}).status, 0);
  EXPECT_EQ(site_.try_run(image, "only").status, 0);
}

TEST_F(HostTest, GoesOnWithADeploymentWhoseConfigurationIsHandedOverAgain) {
  const std::string image = echo_image();
  const Enclave first = site_.run_enclave(image, "again");
  const std::string folder = site_.state() + "/deployments/again/";
  const std::string key = harness::read_text(folder + "access-key.pem");
  site_.stop_enclave("again");
  const Ended same = site_.try_run(image, "again", {"--config", folder + "config.toml"});
  ASSERT_EQ(same.status, 0) << same.both();
  EXPECT_EQ(harness::json_at(same.out, "/config"), first.config);
  EXPECT_EQ(harness::read_text(folder + "access-key.pem"), key);
  EXPECT_EQ(site_.gateway({"token", "renew", "again"}).status, 0) << "the key that signs lists is still there";
  site_.stop_enclave("again");
  // Another deployment of that name: the earlier one's key is kept beside it.
  const Ended other = site_.try_run(image, "again");
  ASSERT_EQ(other.status, 0) << other.both();
  EXPECT_NE(harness::json_at(other.out, "/config"), first.config);
  EXPECT_THAT(other.err, HasSubstr("again.previous"));
  EXPECT_EQ(harness::read_text(site_.state() + "/deployments/again.previous/access-key.pem"), key);
  site_.stop_enclave("again");
}

TEST_F(HostTest, RefusesNamesThatAreNoNames) {
  const std::string image = echo_image();
  for (const char* name : {"", "../up", "UPPER", "-dash", "a b", "a/b"}) {
    const Ended refused = site_.try_run(image, name);
    EXPECT_EQ(refused.status, 2) << name;
  }
}

TEST_F(HostTest, RefusesPlatformsThatThisHostIsNot) {
  const std::string image = echo_image();
  for (const char* platform : {"snp", "moon", "qemu"}) {
    const Ended refused = site_.try_run(image, "far", {"--platform", platform});
    EXPECT_EQ(refused.status, 3) << platform;
    EXPECT_THAT(refused.err, HasSubstr("host.platform_unavailable"));
  }
  if (!fs::exists("/dev/nitro_enclaves")) {
    const Ended refused = site_.try_run(image, "far", {"--platform", "nitro"});
    EXPECT_EQ(refused.status, 3);
    EXPECT_THAT(refused.err, HasSubstr("host.nitro.device"));
  }
  EXPECT_EQ(entries_in("enclaves"), 0U);
}

TEST_F(HostTest, RefusesAConfigurationThatWidensTheImageWithTheEnclavesOwnReason) {
  const std::string image = echo_image();
  ASSERT_EQ(
      site_.gateway({"config", "new", "--access-key-out", site_.file("key.pem"), "-o", site_.file("wide.toml")}).status,
      0);
  std::ofstream(site_.file("wide.toml"), std::ios::app) << "\n[ingress]\npaths = [\"/echo\", \"/admin\"]\n";
  const Ended refused = site_.try_run(image, "wide", {"--config", site_.file("wide.toml")});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("config."));
  EXPECT_EQ(entries_in("enclaves"), 0U);
}

TEST_F(HostTest, RefusesWhenThereIsNoRoomWithTheNumbers) {
  const std::string spec = site_.write(
      "vast.toml",
      "[image]\nname = \"vast\"\nkernel = \"none\"\n[[rootfs.files]]\nfrom = \"" + program("gateway_echo_workload") +
          "\"\nto = \"/usr/bin/echo\"\nmode = \"0755\"\n[workload]\nargv = [\"/usr/bin/echo\"]\n[ingress]\nsocket = "
          "\"/run/gateway/app.sock\"\npaths = [\"/echo\"]\n[resources]\nmemory = \"4000GiB\"\ncpus = 1\n");
  const Ended built = site_.gateway(
      {"build", spec, "-o", site_.file("vast.eif"), "--runtime", program("gateway-enclave")}, Milliseconds(60'000));
  ASSERT_EQ(built.status, 0) << built.err;
  const Ended refused = site_.try_run(site_.file("vast.eif"), "vast");
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.err, HasSubstr("host.no_room"));
  EXPECT_THAT(refused.err, HasSubstr("4000 GiB"));
  EXPECT_EQ(entries_in("enclaves"), 0U);
}

TEST_F(HostTest, RefusesASecondDaemonOnTheSameState) {
  Launch second = site_.launch({});
  second.argv = {program("gatewayd")};
  const Ended ended = run(second, Milliseconds(10'000));
  EXPECT_EQ(ended.status, 3);
  EXPECT_THAT(ended.err, HasSubstr("gatewayd.running"));
  EXPECT_EQ(site_.gateway({"ps"}).status, 0) << "the first one goes on";
}

TEST_F(HostTest, RefusesAConfigurationFileWithAnUnknownKey) {
  Launch daemon = site_.launch({});
  daemon.argv = {program("gatewayd"), "--config", site_.write("gatewayd.toml", "state_dri = \"/tmp\"\n")};
  const Ended ended = run(daemon, Milliseconds(10'000));
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("toml.unknown_key"));
}

TEST_F(HostTest, StartsSeveralEnclavesOfOneImageAtOnce) {
  const std::string image = echo_image();
  std::array<Ended, 3> started;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < started.size(); ++i) {
    threads.emplace_back([&, i] { started[i] = site_.try_run(image, "twin" + std::to_string(i)); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& one : started) EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(entries_in("images"), 1U) << "the image is stored once";
}

TEST_F(HostTest, MendsAStoredImageThatWasDamaged) {
  const std::string image = echo_image();
  site_.run_enclave(image, "first");
  ASSERT_EQ(site_.gateway({"stop", "first"}).status, 0);
  for (const auto& entry : fs::directory_iterator(site_.state() + "/images")) {
    const std::string init = entry.path() / "tree/init";
    ::chmod((entry.path() / "tree").c_str(), 0755);
    fs::remove(init);
    std::ofstream(init) << "#!/bin/sh\n";
  }
  site_.run_enclave(image, "second");
}

TEST_F(HostTest, KeepsTheCallersSecretsFromTheDaemon) {
  const Enclave enclave = site_.run_enclave(echo_image(), "quiet");
  ASSERT_FALSE(enclave.token.empty());
  for (const auto& entry : fs::recursive_directory_iterator(site_.state())) {
    if (!entry.is_regular_file() || entry.path().native().find("/deployments/") != std::string::npos) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(content.find(enclave.token), std::string::npos) << entry.path();
  }
  struct stat token{};
  ASSERT_EQ(::stat((site_.state() + "/deployments/quiet/token").c_str(), &token), 0);
  EXPECT_EQ(token.st_mode & 0777U, 0600U);
  struct stat key{};
  ASSERT_EQ(::stat((site_.state() + "/deployments/quiet/access-key.pem").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777U, 0600U);
}

TEST_F(HostTest, SaysWhatIsEnforcedAndNothingElse) {
  site_.run_enclave(echo_image(), "honest");
  const std::string limit = field("honest", "/memory/limit");
  const std::string shown = site_.gateway({"ps"}).out;
  if (limit == "null") {
    EXPECT_THAT(shown, HasSubstr("none ("));
  } else {
    EXPECT_EQ(limit, "268435456");
    EXPECT_THAT(shown, HasSubstr("256 MiB"));
  }
}

TEST_F(HostTest, RefusesToReadLogsWithoutATokenOrFromWhatDoesNotRun) {
  site_.run_enclave(echo_image(), "mute");
  fs::remove(site_.state() + "/deployments/mute/token");
  const Ended without = site_.gateway({"logs", "mute"});
  EXPECT_EQ(without.status, 2);
  EXPECT_THAT(without.err, HasSubstr("logs.token"));
  ASSERT_EQ(site_.gateway({"stop", "mute"}).status, 0);
  const Ended stopped = site_.gateway({"logs", "mute"});
  EXPECT_EQ(stopped.status, 3);
  EXPECT_THAT(stopped.err, HasSubstr("daemon.enclave_not_ready"));
}

TEST_F(HostTest, RefusesMistakesOnTheCommandLine) {
  EXPECT_THAT(site_.gateway({"stop", "x", "--grace", "soon"}).err, HasSubstr("stop.grace"));
  EXPECT_THAT(site_.gateway({"stop", "x", "--grace", "11m"}).err, HasSubstr("stop.grace"));
  EXPECT_THAT(site_.try_run(echo_image(), "x", {"--tokens", "t"}).err, HasSubstr("run.tokens"));
  EXPECT_THAT(site_.try_run(echo_image(), "x", {"--listen", "here"}).err, HasSubstr("host.listen"));
  EXPECT_THAT(site_.gateway({"buld"}).err, HasSubstr("did you mean `build`?"));
  EXPECT_THAT(site_.gateway({"ps", "--jsno"}).err, HasSubstr("no flag `--jsno` here; did you mean `--json`?"));
  EXPECT_THAT(site_.gateway({"ps", "--frobnicate=3"}).err, HasSubstr("no flag `--frobnicate` here\n"));
  EXPECT_EQ(site_.gateway({"frobnicate"}).status, 2);
  EXPECT_EQ(site_.gateway({"help", "token", "add"}).out, site_.gateway({"token", "add", "--help"}).out);
  Launch daemon = site_.launch({});
  daemon.argv = {program("gatewayd"), "--fast"};
  const Ended usage = run(daemon);
  EXPECT_EQ(usage.status, 2);
  EXPECT_THAT(usage.err, HasSubstr("gatewayd.usage"));
  daemon.argv = {program("gatewayd"), "--config", site_.write("group.toml", "group = \"no-such-group\"\n")};
  EXPECT_THAT(run(daemon).err, HasSubstr("gatewayd.group"));
}

TEST_F(HostTest, SaysWhenNoDaemonRuns) {
  site_.stop_daemon();
  const Ended listed = site_.gateway({"ps"});
  EXPECT_EQ(listed.status, 3);
  EXPECT_THAT(listed.err, HasSubstr("daemon.unreachable"));
  site_.start_daemon();
}

TEST_F(HostTest, StartsADaemonForTheFirstRunAndSaysSo) {
  site_.stop_daemon();
  fs::remove(site_.state() + "/gatewayd.sock");
  const Ended started = site_.try_run(echo_image(), "first");
  EXPECT_EQ(started.status, 0) << started.err;
  EXPECT_THAT(started.err, HasSubstr("started one (pid "));
  const std::string told = started.err.substr(started.err.find("(pid ") + 5);
  EXPECT_EQ(site_.gateway({"stop", "first"}).status, 0);
  const pid_t daemon = pid_from(told);
  ASSERT_GT(daemon, 1);
  ::kill(daemon, SIGTERM);
  EXPECT_TRUE(dies(daemon));
  site_.start_daemon();
}

TEST_F(HostTest, SaysWhenADaemonCannotBeStarted) {
  site_.stop_daemon();
  fs::remove(site_.state() + "/gatewayd.sock");
  fs::remove(site_.state() + "/gatewayd.db-wal");
  std::ofstream(site_.state() + "/gatewayd.db", std::ios::trunc) << std::string(5000, 'x');
  const Ended refused = site_.try_run(echo_image(), "first");
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.err, HasSubstr("daemon.start"));
  fs::remove(site_.state() + "/gatewayd.db");
  site_.start_daemon();
}

// A daemon of the test's own words, one answer to every caller.
class FakeDaemon {
 public:
  FakeDaemon(const std::string& path, std::string answer) : answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = net::Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::unlink(path.c_str());
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
    if (::listen(listener_.get(), 8) != 0) std::abort();
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeDaemon() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  void serve() const {
    for (;;) {
      const net::Descriptor caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!caller.valid()) return;
      std::array<char, 65536> request{};
      [[maybe_unused]] const ssize_t got = ::recv(caller.get(), request.data(), request.size(), 0);
      [[maybe_unused]] const ssize_t sent = ::send(caller.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }
  std::string answer_;
  net::Descriptor listener_;
  std::thread thread_;
};

TEST_F(HostTest, BelievesNoAnswerThatIsNone) {
  const std::string socket = site_.file("fake.sock");
  const auto ask = [&](std::vector<std::string> arguments, const std::string& answer) {
    const FakeDaemon daemon(socket, answer);
    Launch launch = site_.launch(std::move(arguments));
    launch.environment["GATEWAY_SOCKET"] = socket;
    return run(launch).err;
  };
  const std::vector<std::string> run_echo{"run", echo_image(), "--name", "a"};
  EXPECT_THAT(ask({"ps"}, ""), HasSubstr("daemon.silent"));
  EXPECT_THAT(ask({"ps"}, "hello\n"), HasSubstr("host.answer.syntax"));
  EXPECT_THAT(ask({"inspect", "a"}, "{\"ok\":true}\n"), HasSubstr("inspect.answer"));
  EXPECT_THAT(ask(run_echo, "{\"ok\":true}\n"), HasSubstr("run.answer"));
  const std::string refused = ask(
      {"ps"},
      "{\"ok\":false,\"error\":{\"code\":\"internal\",\"id\":\"a.b\",\"detail\":\"\\u001b[2J\",\"remedy\":\"\"}}\n");
  EXPECT_THAT(refused, HasSubstr("a.b"));
  EXPECT_THAT(refused, testing::Not(HasSubstr("\x1b"))) << "nothing from elsewhere steers the terminal";
}

// The shim alone, in the folder of an enclave that was stopped, with one value of its specification changed.
class ShimTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    if (IsSkipped()) return;
    site_.run_enclave(echo_image(), "bare");
    ASSERT_EQ(site_.gateway({"stop", "bare"}).status, 0);
    folder_ = site_.state() + "/enclaves/bare";
  }
  void change(const std::string& from, const std::string& to) const {
    std::string spec = read_text(folder_ + "/spec.json");
    const std::size_t at = spec.find(from);
    ASSERT_NE(at, std::string::npos) << spec;
    spec.replace(at, from.size(), to);
    write_text(folder_ + "/spec.json", spec);
  }
  std::string value_of(const std::string& key) const {
    return json_at(read_text(folder_ + "/spec.json"), "/" + key).value_or("");
  }
  Ended shim() const { return run({.argv = {program("gateway-shim"), "--enclave", folder_}}, Milliseconds(30'000)); }
  // The daemon made it and took it away again.
  void without_cgroup() const { change("\"cgroup\":\"" + value_of("cgroup"), "\"cgroup\":\""); }
  std::string failure() const {
    const std::string file = folder_ + "/exit.json";
    return fs::exists(file) ? json_at(read_text(file), "/failure/id").value_or("") : "";
  }
  std::string folder_;
};

TEST_F(ShimTest, BelievesItsOwnMeasurementsAndNotTheDaemons) {
  without_cgroup();
  change("\"image_key\":\"" + value_of("image_key"), "\"image_key\":\"" + std::string(64, '0'));
  const Ended ended = shim();
  EXPECT_NE(ended.status, 0);
  EXPECT_EQ(failure(), "host.store.changed") << ended.err;
}

TEST_F(ShimTest, GivesUpOnAnEnclaveThatIsNotReadyInTime) {
  without_cgroup();
  change("\"start_timeout_ms\":" + value_of("start_timeout_ms"), "\"start_timeout_ms\":1");
  const Ended ended = shim();
  EXPECT_NE(ended.status, 0);
  EXPECT_EQ(failure(), "host.enclave.start_timeout") << ended.err;
}

TEST_F(ShimTest, SaysWhenTheKernelEndedTheEnclaveForWantOfMemory) {
  const std::string cgroup = value_of("cgroup");
  if (::geteuid() != 0 || cgroup.empty()) GTEST_SKIP() << "SKIPPED: no memory cgroup can be made here";
  ASSERT_TRUE(fs::create_directory(cgroup));
  const bool first_version = fs::exists(cgroup + "/memory.limit_in_bytes");
  std::ofstream(cgroup + (first_version ? "/memory.limit_in_bytes" : "/memory.max")) << "1048576";
  const Ended ended = shim();
  EXPECT_NE(ended.status, 0);
  EXPECT_EQ(failure(), "host.enclave.out_of_memory") << ended.err;
  std::error_code busy;
  fs::remove(cgroup, busy);
}

TEST_F(ShimTest, RefusesToRunBesideAnother) {
  const net::Descriptor lock(::open((folder_ + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  const Ended refused = shim();
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.err, HasSubstr("host.shim.running"));
}

TEST_F(ShimTest, RefusesASpecificationThatItDoesNotUnderstand) {
  change("\"version\"", "\"revision\"");
  const Ended refused = shim();
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("host.spec.key"));
  write_text(folder_ + "/spec.json", "{");
  EXPECT_THAT(shim().err, HasSubstr("host.spec.syntax"));
}

TEST_F(ShimTest, TellsItsUsage) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{}, {"--enclave"}, {"--report", "fd:1"}, {"--what"}}) {
    std::vector<std::string> argv{program("gateway-shim")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const Ended usage = run({.argv = argv});
    EXPECT_EQ(usage.status, 2);
    EXPECT_THAT(usage.err, HasSubstr("usage: gateway-shim"));
  }
}

// A program that was copied away from its installation.
TEST(Demo, SaysThatItsScriptIsMissing) {
  const TempFolder folder;
  fs::copy_file(program("gateway"), folder.file("gateway"));
  const Ended missing = run({.argv = {folder.file("gateway"), "demo"}});
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.err, HasSubstr("demo.missing"));
}

}  // namespace
}  // namespace gateway::harness
