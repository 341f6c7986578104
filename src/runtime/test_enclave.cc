#include "runtime/test_enclave.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <vector>

#include "net/address.h"
#include "net/http.h"
#include "runtime/test_parts.h"

namespace gateway::runtime {
namespace {

constexpr uid_t kUnprivileged = 54'321;
constexpr int kPatienceMs = 10'000;
constexpr const char* kBwrap = "/usr/bin/bwrap";

struct Pair {
  net::Descriptor ours, theirs;
};
Pair socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

}  // namespace

TestEnclave::TestEnclave()
    : description(test_description()),
      root_(*attester::LocalRoot::create(SystemClock().now())),
      access_key_(*crypto::PrivateKey::generate(crypto::KeyType::kP256)) {
  config = channel::make_default_config(access_key_.public_key());
  tokens.version = 1;
  tokens.not_after = clock_.now() + std::chrono::hours(1);
  for (const auto& [name, rights] : std::map<std::string, unsigned>{
           {"caller", channel::kRightCall}, {"reader", channel::kRightLogs | channel::kRightMetrics}}) {
    Secret token = channel::make_token();
    tokens.entries.push_back({.id = name, .token_sha256 = channel::token_digest(token.reveal()), .rights = rights});
    tokens_.emplace(name, std::move(token));
  }
}

TestEnclave::~TestEnclave() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (nsm_thread_.joinable()) {
    ::shutdown(nsm_socket_.get(), SHUT_RDWR);
    nsm_thread_.join();
  }
}

bool TestEnclave::possible() {
  if (::access(kBwrap, X_OK) != 0) return false;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Bytes TestEnclave::sign(const channel::TokenList& list) const { return *channel::sign_token_list(list, access_key_); }

void TestEnclave::start() {
  tree_.copy_program(GATEWAY_ENCLAVE_PROGRAM, "init");
  tree_.write("gateway/cmdline", measured_cmdline);
  const auto json = image::encode_description(description);
  ASSERT_TRUE(json) << json.error().message();
  tree_.write("gateway/image.json", *json);

  Pair control = socket_pair();
  Pair nsm = socket_pair();
  ingress_path_ = tree_.path("ingress.sock");
  auto listener = net::listen_on({.kind = net::Address::Kind::kUnix, .host = ingress_path_});
  ASSERT_TRUE(listener) << listener.error().message();
  auto egress = net::listen_on({.kind = net::Address::Kind::kUnix, .host = tree_.path("egress.sock")});
  ASSERT_TRUE(egress) << egress.error().message();

  std::array<ByteArray<48>, 3> pcrs{};
  for (std::size_t i = 0; i < pcrs.size(); ++i) pcrs[i].fill(static_cast<std::uint8_t>(0xa0 + i));
  nsm_ = std::make_unique<attester::VirtualNsm>(root_, "i-test-enc0", pcrs, clock_);
  nsm_socket_ = std::move(nsm.ours);
  nsm_thread_ = std::thread([this] { attester::serve_virtual_nsm(*nsm_, nsm_socket_.get()); });

  spawn(control.theirs.get(), nsm.theirs.get(), listener->get(), egress->get());
  control_ = std::move(control.ours);
  send(net::ControlType::kCmdline, as_bytes(passed_cmdline));
  send(net::ControlType::kConfig, as_bytes(config));
  send(net::ControlType::kTokens, hand_over_tokens ? sign(tokens) : Bytes());
}

void TestEnclave::spawn(int control, int nsm, int ingress, int egress) {
  std::vector<std::string> words{kBwrap,          "--unshare-all", "--uid",     "1000",       "--gid",
                                 "1000",          "--cap-drop",    "ALL",       "--as-pid-1", "--die-with-parent",
                                 "--new-session", "--clearenv",    "--ro-bind", tree_.path(), "/",
                                 "--proc",        "/proc",         "--dev",     "/dev",       "--tmpfs",
                                 "/run",          "--tmpfs",       "/tmp"};
#ifdef GATEWAY_SANITIZED
  for (const char* folder : {"usr", "lib", "lib64"}) std::filesystem::create_directories(tree_.path(folder));
  for (const char* word :
       {"--ro-bind", "/usr", "/usr", "--ro-bind", "/usr/lib", "/lib", "--ro-bind", "/usr/lib64", "/lib64"}) {
    words.emplace_back(word);
  }
#endif
  for (const char* word :
       {"--", "/init", "--platform=local", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6"}) {
    words.emplace_back(word);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::array<int, 4> given{};
  for (std::size_t i = 0; const int descriptor : {control, nsm, ingress, egress})
    given[i++] = ::fcntl(descriptor, F_DUPFD, 100);
  pid_ = ::fork();
  if (pid_ == 0) {
    for (std::size_t i = 0; i < given.size(); ++i) ::dup2(given[i], static_cast<int>(i) + 3);
    ::close_range(7, ~0U, 0);
    // Under root bwrap hides parts of /proc, and then nothing nested may mount a fresh one: as the shim, drop first.
    if (::geteuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setresgid(kUnprivileged, kUnprivileged, kUnprivileged) != 0 ||
         ::setresuid(kUnprivileged, kUnprivileged, kUnprivileged) != 0)) {
      ::_exit(126);
    }
    ::execv(kBwrap, arguments.data());
    ::_exit(127);
  }
  for (const int descriptor : given) ::close(descriptor);
}

void TestEnclave::send(net::ControlType type, ByteView body) {
  static_cast<void>(net::write_control(control_.get(), type, body));  // an enclave that refused has closed it
}

std::optional<Bytes> TestEnclave::await(net::ControlType type) {
  for (pollfd readable{control_.get(), POLLIN, 0}; ::poll(&readable, 1, kPatienceMs) == 1;) {
    auto frame = net::read_control(control_.get());
    if (!frame) return std::nullopt;
    if (frame->type == type) return std::move(frame->body);
    events_.append(std::to_string(static_cast<int>(frame->type))).append(" ").append(as_text(frame->body)).append("\n");
  }
  return std::nullopt;
}

std::string TestEnclave::await_fatal() {
  const auto body = await(net::ControlType::kFatal);
  return body ? std::string(as_text(*body)) : "no fatal frame; before it: " + events_;
}

int TestEnclave::wait_for_exit() {
  int status = 0;
  for (int waited = 0; waited < kPatienceMs; waited += 10) {
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    ::usleep(10'000);
  }
  return -1;
}

TestClient::TestClient(const std::string& ingress_path) {
  auto socket = net::start_connect({.kind = net::Address::Kind::kUnix, .host = ingress_path});
  if (!socket) return;
  auto context = channel::TlsContext::client();
  auto stream = channel::TlsStream::connect(*context, std::move(*socket), "");
  if (!stream) return;
  stream_.emplace(std::move(*stream));
  while (true) {
    const auto progress = stream_->handshake();
    if (!progress) stream_.reset();
    if (!progress || *progress == channel::Progress::kDone) return;
    wait(*progress);
  }
}

void TestClient::wait(channel::Progress progress) {
  pollfd ready{stream_->descriptor(), static_cast<short>(progress == channel::Progress::kWantWrite ? POLLOUT : POLLIN),
               0};
  ::poll(&ready, 1, kPatienceMs);
}

TestAnswer TestClient::request(const std::string& method, const std::string& target, const std::string& token,
                               const std::string& body) {
  std::string raw = method + " " + target + " HTTP/1.1\r\nHost: test\r\n";
  if (!token.empty()) raw += "Authorization: Bearer " + token + "\r\n";
  if (!body.empty() || method == "POST") raw += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return send_and_read(raw + "\r\n" + body);
}

TestAnswer TestClient::send_and_read(const std::string& raw) {
  TestAnswer answer;
  for (ByteView left = as_bytes(raw); !left.empty();) {
    const auto sent = stream_->write(left);
    if (!sent) return answer;
    if (sent->progress != channel::Progress::kDone) wait(sent->progress);
    left = left.subspan(sent->bytes);
  }
  net::HttpHead head;
  std::optional<std::size_t> head_size;
  net::BodyTracker tracker;
  std::array<std::uint8_t, 16384> chunk;
  while (true) {
    if (!head_size) {
      auto parsed = net::parse_response_head(as_bytes(buffer_), {}, raw.substr(0, raw.find(' ')), head);
      if (!parsed) return answer;
      head_size = *parsed;
      if (head_size) {
        answer.status = head.status;
        answer.head = buffer_.substr(0, *head_size);
        tracker = net::BodyTracker(head.framing, head.content_length);
        buffer_.erase(0, *head_size);
      }
    }
    while (head_size) {
      const auto piece = tracker.next(as_bytes(buffer_));
      if (!piece) return answer;
      answer.body.append(as_text(piece->payload));
      buffer_.erase(0, piece->wire);
      if (piece->done) {
        answer.ended_in_order = true;
        return answer;
      }
      if (piece->wire == 0) break;
    }
    const auto got = stream_->read(chunk);
    if (!got || got->progress == channel::Progress::kClosedInOrder) return answer;
    if (got->progress != channel::Progress::kDone) wait(got->progress);
    buffer_.append(as_text(ByteView(chunk).first(got->bytes)));
  }
}

}  // namespace gateway::runtime
