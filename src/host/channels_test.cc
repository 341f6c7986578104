// The host's sockets: lines with descriptors, the control server, the control link to an enclave, the status socket.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "host/control_link.h"
#include "host/control_server.h"
#include "host/status_server.h"
#include "host/test_folder.h"
#include "host/unix_socket.h"

namespace gateway::host {
namespace {

using std::chrono::milliseconds;

struct Pair {
  net::Descriptor a;
  net::Descriptor b;
};

Pair socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

void put(int to, std::string_view bytes) {
  ASSERT_EQ(::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

TEST(LineSocketTest, ReadsLinesHoweverTheyArrive) {
  Pair pair = socket_pair();
  LineSocket reader(std::move(pair.a));
  put(pair.b.get(), "one\ntw");
  EXPECT_EQ(*reader.read_line(100, after(milliseconds(1000))), "one");
  EXPECT_FALSE(reader.has_line());
  put(pair.b.get(), "o\n\nthree\n");
  EXPECT_EQ(*reader.read_line(100, after(milliseconds(1000))), "two");
  EXPECT_TRUE(reader.has_line());
  EXPECT_EQ(*reader.read_line(100, after(milliseconds(1000))), "");
  EXPECT_EQ(*reader.read_line(100, after(milliseconds(1000))), "three");
}

TEST(LineSocketTest, RefusesALineThatIsTooLong) {
  Pair pair = socket_pair();
  LineSocket reader(std::move(pair.a));
  put(pair.b.get(), std::string(200, 'x'));
  const auto line = reader.read_line(100, after(milliseconds(1000)));
  ASSERT_FALSE(line.has_value());
  EXPECT_EQ(line.error().id(), "host.socket.line");
}

TEST(LineSocketTest, RefusesAWholeLineThatIsTooLong) {
  Pair pair = socket_pair();
  LineSocket reader(std::move(pair.a));
  put(pair.b.get(), std::string(101, 'x') + "\n");
  EXPECT_EQ(reader.read_line(100, after(milliseconds(1000))).error().id(), "host.socket.line");
}

TEST(LineSocketTest, WaitsNoLongerThanItMay) {
  Pair pair = socket_pair();
  LineSocket reader(std::move(pair.a));
  put(pair.b.get(), "half");
  EXPECT_EQ(reader.read_line(100, after(milliseconds(30))).error().id(), "host.socket.timeout");
  pair.b.reset();
  EXPECT_EQ(reader.read_line(100, after(milliseconds(30))).error().id(), "host.socket.closed");
}

TEST(LineSocketTest, CarriesADescriptorOnce) {
  Pair pair = socket_pair();
  LineSocket sender(std::move(pair.a));
  LineSocket receiver(std::move(pair.b));
  const TestFolder folder;
  ASSERT_TRUE(write_file(folder.file("f"), as_bytes("content"), 0600).has_value());
  const net::Descriptor file(::open(folder.file("f").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(sender.write_line("take this", after(milliseconds(1000)), file.get()).has_value());
  EXPECT_EQ(*receiver.read_line(100, after(milliseconds(1000))), "take this");
  const auto received = receiver.take_descriptor();
  ASSERT_TRUE(received.has_value());
  std::array<char, 10> content{};
  EXPECT_EQ(::read(received->get(), content.data(), content.size()), 7);
  EXPECT_EQ(::fcntl(received->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_FALSE(receiver.take_descriptor().has_value());
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST(LineSocketTest, ClosesDescriptorsThatAreTooMany) {
  Pair pair = socket_pair();
  LineSocket receiver(std::move(pair.a));
  const std::size_t before = open_descriptors();
  const std::array<int, 2> two{pair.b.get(), pair.b.get()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof two)> control{};
  std::string line = "two\n";
  iovec part{line.data(), line.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof two);
  std::memcpy(CMSG_DATA(header), two.data(), sizeof two);
  ASSERT_EQ(::sendmsg(pair.b.get(), &message, 0), 4);
  EXPECT_EQ(*receiver.read_line(100, after(milliseconds(1000))), "two");
  EXPECT_FALSE(receiver.take_descriptor().has_value());
  EXPECT_EQ(open_descriptors(), before);
}

TEST(UnixSocketTest, SaysWhenNobodyListens) {
  const TestFolder folder;
  EXPECT_EQ(connect_to_path(folder.file("absent")).error().id(), "host.socket.connect");
  EXPECT_EQ(connect_to_path("/no/such/folder/socket").error().id(), "host.socket.connect");
}

TEST(UnixSocketTest, SaysWhereItCannotListen) {
  const auto folder = open_folder("/proc");
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(listen_in_folder(folder->get(), "s", 0600, 1).error().id(), "host.socket.listen");
}

TEST(UnixSocketTest, WorksBelowAPathOfAnyLengthAndSaysWhenItsBacklogIsFull) {
  const TestFolder folder;
  const std::string deep = folder.file(std::string(200, 'd'));
  ASSERT_TRUE(make_folder(deep, 0700).has_value());
  const auto opened = open_folder(deep);
  ASSERT_TRUE(opened.has_value());
  const auto listener = listen_in_folder(opened->get(), "s", 0600, 0);
  ASSERT_TRUE(listener.has_value()) << listener.error().message();
  struct stat status{};
  ASSERT_EQ(::stat((deep + "/s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto first = connect_to_path(deep + "/s");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(connect_to_path(deep + "/s").error().id(), "host.socket.backlog");
  EXPECT_EQ(peer_of(first->get())->pid, ::getpid());
}

class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = ControlServer::open({.path = folder_.file("c"), .group = {}}, [](const Request& request, auto image) {
      return std::string("{\"ok\":true,\"index\":") + std::to_string(request.index()) +
             (image ? ",\"image\":true}" : "}");
    });
    ASSERT_TRUE(server.has_value()) << server.error().message();
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->serve(stop_.get()); });
  }
  void TearDown() override {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }
  LineSocket connect() { return LineSocket(*connect_to_path(folder_.file("c"))); }

  TestFolder folder_;
  net::Descriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ControlServerTest, AnswersOneRequestAfterTheOther) {
  LineSocket caller = connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(caller.write_line(encode_request(PsRequest{}), after(milliseconds(1000))).has_value());
    EXPECT_EQ(*caller.read_line(1000, after(milliseconds(1000))), R"({"ok":true,"index":2})");
  }
}

TEST_F(ControlServerTest, HandsTheImageOverWithItsRequest) {
  LineSocket caller = connect();
  RunRequest run;
  run.name = "a";
  ASSERT_TRUE(caller.write_line(encode_request(run), after(milliseconds(1000)), 0).has_value());
  EXPECT_EQ(*caller.read_line(1000, after(milliseconds(1000))), R"({"ok":true,"index":1,"image":true})");
}

TEST_F(ControlServerTest, RefusesABrokenRequestAndHangsUp) {
  LineSocket caller = connect();
  ASSERT_TRUE(caller.write_line("{", after(milliseconds(1000))).has_value());
  const auto answer = parse_answer(*caller.read_line(1000, after(milliseconds(1000))));
  ASSERT_TRUE(answer && answer->refusal);
  EXPECT_EQ(answer->refusal->id, "host.request.syntax");
  EXPECT_EQ(caller.read_line(1000, after(milliseconds(1000))).error().id(), "host.socket.closed");
}

TEST_F(ControlServerTest, RefusesARequestWithoutAnEnd) {
  LineSocket caller = connect();
  std::thread flood(
      [&] { (void)caller.write_line(std::string(kMaxRequestLine + 100'000, 'x'), after(milliseconds(5000))); });
  const auto line = caller.read_line(1000, after(milliseconds(5000)));
  flood.join();
  ASSERT_TRUE(line.has_value()) << line.error().message();
  EXPECT_EQ(parse_answer(*line)->refusal->id, "host.socket.line");
}

TEST_F(ControlServerTest, IsForItsOwnerAlone) {
  struct stat status{};
  ASSERT_EQ(::stat(folder_.file("c").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(ControlServerTest, TurnsAwayMoreCallersThanItServes) {
  std::vector<LineSocket> callers;
  for (int i = 0; i < 64; ++i) {
    callers.push_back(connect());
    ASSERT_TRUE(callers.back().write_line(encode_request(PsRequest{}), after(milliseconds(1000))).has_value());
    ASSERT_TRUE(callers.back().read_line(1000, after(milliseconds(1000))).has_value());
  }
  LineSocket late = connect();
  const auto line = late.read_line(1000, after(milliseconds(2000)));
  ASSERT_TRUE(line.has_value()) << line.error().message();
  EXPECT_EQ(parse_answer(*line)->refusal->id, "host.daemon.busy");
}

// An enclave's end of the control channel in the test's hands.
class ControlLinkTest : public testing::Test {
 protected:
  ControlLinkTest() {
    Pair pair = socket_pair();
    enclave_ = std::move(pair.b);
    link_ = std::make_unique<ControlLink>(
        loop_, std::move(pair.a),
        ControlLink::Events{.event = [this](std::string_view json) { heard_.push_back("event " + std::string(json)); },
                            .ready = [this] { heard_.emplace_back("ready"); },
                            .dial = [this](std::uint16_t count) { heard_.push_back("dial " + std::to_string(count)); },
                            .fatal =
                                [this](std::string_view id, std::string_view detail) {
                                  heard_.push_back("fatal " + std::string(id) + "|" + std::string(detail));
                                },
                            .closed =
                                [this](std::optional<Error> why) {
                                  heard_.push_back("closed " + (why ? std::string(why->id()) : "in order"));
                                  loop_.stop();
                                }});
  }
  std::vector<std::string> run() {
    loop_.run();
    return heard_;
  }
  net::Loop loop_;
  net::Descriptor enclave_;
  std::unique_ptr<ControlLink> link_;
  std::vector<std::string> heard_;
};

TEST_F(ControlLinkTest, HearsWhatAnEnclaveMaySay) {
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kEvent, as_bytes("{}")).has_value());
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kPong, {}).has_value());
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kReady, {}).has_value());
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kDial, Bytes{0, 3}).has_value());
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kFatal, as_bytes("a.b\nwhy\nso")).has_value());
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kFatal, as_bytes("bare")).has_value());
  enclave_.reset();
  EXPECT_EQ(run(), (std::vector<std::string>{"event {}", "ready", "dial 3", "fatal a.b|why\nso", "fatal bare|",
                                             "closed in order"}));
}

TEST_F(ControlLinkTest, EndsWhenTheEnclaveSpeaksAsAHost) {
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kStop, {}).has_value());
  EXPECT_EQ(run(), (std::vector<std::string>{"closed host.enclave.protocol"}));
}

TEST_F(ControlLinkTest, EndsWhenTheEnclaveCannotCount) {
  ASSERT_TRUE(net::write_control(enclave_.get(), net::ControlType::kDial, Bytes{3}).has_value());
  EXPECT_EQ(run(), (std::vector<std::string>{"closed host.enclave.protocol"}));
}

TEST_F(ControlLinkTest, EndsOnFramesOfUnknownKind) {
  put(enclave_.get(), std::string_view("\0\0\0\1\x63", 5));
  EXPECT_EQ(run(), (std::vector<std::string>{"closed host.enclave.protocol"}));
}

TEST_F(ControlLinkTest, EndsOnFramesWithoutATypeOrBeyondTheLimit) {
  put(enclave_.get(), std::string_view("\0\0\0\0", 4));
  EXPECT_EQ(run(), (std::vector<std::string>{"closed control.frame"}));
}

TEST_F(ControlLinkTest, EndsOnFramesBeyondTheLimit) {
  put(enclave_.get(), std::string_view("\x7f\0\0\0\x10", 5));
  EXPECT_EQ(run(), (std::vector<std::string>{"closed control.size"}));
}

TEST_F(ControlLinkTest, SendsLargeFramesWhileTheEnclaveIsSlow) {
  const Bytes list(900'000, 7);
  link_->send(net::ControlType::kTokens, list);
  link_->send(net::ControlType::kPing, {});
  std::thread enclave([&] {
    const auto first = net::read_control(enclave_.get());
    EXPECT_TRUE(first && first->type == net::ControlType::kTokens && first->body == list);
    const auto second = net::read_control(enclave_.get());
    EXPECT_TRUE(second && second->type == net::ControlType::kPing);
    enclave_.reset();
  });
  run();
  enclave.join();
}

class StatusServerTest : public testing::Test {
 protected:
  StatusServerTest() {
    opened_ = *open_folder(folder_.path());
    server_ = std::make_unique<StatusServer>(
        loop_, *listen_in_folder(opened_.get(), "s", 0600, 8),
        StatusServer::Events{.status = [this] { return status_; },
                             .tokens = [this](ByteView list) { tokens_ = to_bytes(list); },
                             .stop =
                                 [this](milliseconds grace) {
                                   grace_ = grace;
                                   server_->changed();
                                 }});
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~StatusServerTest() override {
    loop_.stop();
    thread_.join();
    server_.reset();
  }
  LineSocket connect() { return LineSocket(*connect_to_path(folder_.file("s"))); }
  static std::string ask(LineSocket& socket, std::string_view line) {
    EXPECT_TRUE(socket.write_line(line, after(milliseconds(1000))).has_value());
    return read(socket);
  }
  static std::string read(LineSocket& socket) {
    return socket.read_line(kMaxStatusLine, after(milliseconds(2000))).value_or("nothing");
  }
  TestFolder folder_;
  net::Descriptor opened_;
  net::Loop loop_;
  ShimStatus status_;
  Bytes tokens_;
  milliseconds grace_{};
  std::unique_ptr<StatusServer> server_;
  std::thread thread_;
};

TEST_F(StatusServerTest, AnswersAndPassesOn) {
  LineSocket caller = connect();
  EXPECT_EQ(ask(caller, R"({"op":"status"})"), encode_status(status_));
  EXPECT_EQ(ask(caller, R"({"op":"tokens","list":"AQ=="})"), R"({"ok":true})");
  EXPECT_EQ(ask(caller, R"({"op":"stop","grace_ms":5})"), R"({"ok":true})");
  EXPECT_EQ(tokens_, Bytes{1});
  EXPECT_EQ(grace_, milliseconds(5));
}

TEST_F(StatusServerTest, TellsThoseWhoWatchAndNobodyElse) {
  LineSocket watcher = connect();
  LineSocket other = connect();
  EXPECT_EQ(parse_status(ask(watcher, R"({"op":"watch"})"))->state, EnclaveState::kStarting);
  EXPECT_EQ(parse_status(ask(other, R"({"op":"status"})"))->state, EnclaveState::kStarting);
  loop_.post([this] {
    status_.state = EnclaveState::kReady;
    server_->changed();
  });
  EXPECT_EQ(parse_status(read(watcher))->state, EnclaveState::kReady);
  EXPECT_FALSE(other.read_line(100, after(milliseconds(50))).has_value());
}

// The change that its own request made is told to a caller that has gone, while that request is answered.
TEST_F(StatusServerTest, SurvivesACallerThatLeavesWhileItsRequestIsAnswered) {
  for (int i = 0; i < 4; ++i) {
    const net::Descriptor caller = *connect_to_path(folder_.file("s"));
    put(caller.get(), "{\"op\":\"watch\"}\n{\"op\":\"stop\",\"grace_ms\":1}\n");
  }
  LineSocket other = connect();
  EXPECT_EQ(ask(other, R"({"op":"status"})"), encode_status(status_));
}

TEST_F(StatusServerTest, SurvivesWatchersThatLeaveAndCallersThatAreWrong) {
  {
    LineSocket watcher = connect();
    ask(watcher, R"({"op":"watch"})");
  }
  LineSocket wrong = connect();
  EXPECT_NE(ask(wrong, "{").find("host.shim.request"), std::string::npos);
  std::promise<void> told;
  loop_.post([&] {
    server_->changed();
    told.set_value();
  });
  told.get_future().wait();
  EXPECT_EQ(ask(wrong, R"({"op":"status"})"), encode_status(status_));
}

}  // namespace
}  // namespace gateway::host
