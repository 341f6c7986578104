#include "server/testing.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "net/address.h"

namespace gateway::server::testing {
namespace {

bool wait_ready(int file_descriptor, short events, std::chrono::milliseconds patience) {
  pollfd wanted{.fd = file_descriptor, .events = events, .revents = 0};
  return ::poll(&wanted, 1, static_cast<int>(patience.count())) > 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

class Recorder final : public ForwardObserver {
 public:
  explicit Recorder(Ended& ended) : ended_(ended) {}
  void on_response_payload(ByteView payload) override {
    const std::lock_guard lock(ended_.mutex);
    ended_.payload += as_text(payload);
  }
  void on_end(Ending ending, int status) override {
    ended_.ending = ending;
    ended_.status = status;
    ++ended_.count;
  }

 private:
  Ended& ended_;
};

}  // namespace

Script answers(std::string answer) {
  return [answer = std::move(answer)](WorkloadPeer& peer) {
    while (!peer.read_head().empty()) peer.write(answer);
  };
}

Script answers_and_closes(std::string answer) {
  return [answer = std::move(answer)](WorkloadPeer& peer) {
    if (!peer.read_head().empty()) peer.write(answer);
  };
}

bool wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

bool WorkloadPeer::fill() {
  if (!wait_ready(socket_.get(), POLLIN, kPatience)) return false;
  char bytes[65536];
  const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::string WorkloadPeer::read_until(std::string_view end) {
  while (true) {
    const std::size_t at = buffer_.find(end);
    if (at != std::string::npos) {
      std::string out = buffer_.substr(0, at + end.size());
      buffer_.erase(0, out.size());
      return out;
    }
    if (!fill()) return {};
  }
}

std::string WorkloadPeer::read_head() { return read_until("\r\n\r\n"); }

std::string WorkloadPeer::read_body(std::size_t size) {
  while (buffer_.size() < size && fill()) {
  }
  std::string out = buffer_.substr(0, size);
  buffer_.erase(0, out.size());
  return out;
}

bool WorkloadPeer::wait_closed() {
  while (wait_ready(socket_.get(), POLLIN, kPatience)) {
    char bytes[65536];
    if (::recv(socket_.get(), bytes, sizeof bytes, 0) <= 0) return true;
  }
  return false;
}

void WorkloadPeer::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::size_t WorkloadPeer::write_some(std::string_view bytes) {
  const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

void WorkloadPeer::reset() { socket_.reset(); }

Workload::Workload(Script script) : script_(std::move(script)) {
  char name[] = "/tmp/gateway-server-test-XXXXXX";
  folder_ = ::mkdtemp(name);
  address_ = *net::Address::parse_url("unix://" + folder_ + "/socket");
  listener_ = *net::listen_on(address_);
  acceptor_ = std::thread([this] { accept_all(); });
}

Workload::~Workload() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& each : threads_) each.join();
  ::unlink((folder_ + "/socket").c_str());
  ::rmdir(folder_.c_str());
}

void Workload::accept_all() {
  while (!stopping_) {
    if (!wait_ready(listener_.get(), POLLIN, 20ms)) continue;
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    ++connections_;
    threads_.emplace_back([this, peer = std::make_shared<WorkloadPeer>(std::move(socket))] { script_(*peer); });
  }
}

LambdaGate::Judge forward_all() {
  return [](const net::HttpHead& head, const SessionContext&) -> Decision {
    return ForwardDecision{.target = std::string(head.target),
                           .collect_body = std::nullopt,
                           .rewrite_body = nullptr,
                           .wants_payload = false,
                           .observer = nullptr};
  };
}

LambdaGate::Judge forward_watched(Ended& ended) {
  return [&ended](const net::HttpHead& head, const SessionContext&) -> Decision {
    return ForwardDecision{.target = std::string(head.target),
                           .collect_body = std::nullopt,
                           .rewrite_body = nullptr,
                           .wants_payload = true,
                           .observer = std::make_unique<Recorder>(ended)};
  };
}

LambdaGate::Judge answer_all(std::string body) {
  return [body = std::move(body)](const net::HttpHead&, const SessionContext&) -> Decision {
    return LocalResponse{.status = 200, .media_type = "text/plain", .body = to_bytes(body), .extra_headers = {}};
  };
}

const channel::ServerIdentity& identity() {
  static const channel::ServerIdentity made = [] {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256);
    return std::move(*channel::make_server_identity(std::move(*key), SystemClock().now(), std::nullopt));
  }();
  return made;
}

ServerThread::ServerThread(LambdaGate::Judge judge, Dial workload, ServerLimits limits) : gate_(std::move(judge)) {
  net::Descriptor listener = *net::listen_on(*net::Address::parse_url("tcp://127.0.0.1:0"));
  port_ = *net::local_port(listener.get());
  auto tls = channel::TlsContext::server(identity().certificate, identity().key);
  server_ = std::make_unique<Server>(loop_, std::move(*tls), std::move(listener), std::move(workload), limits, gate_);
  thread_ = std::thread([this] { loop_.run(); });
}

ServerThread::~ServerThread() {
  loop_.stop();
  thread_.join();
}

void ServerThread::on_loop(std::function<void(Server&)> task) {
  std::promise<void> done;
  loop_.post([&] {
    task(*server_);
    done.set_value();
  });
  done.get_future().wait();
}

ServerMetrics ServerThread::metrics() {
  ServerMetrics out;
  on_loop([&out](Server& server) { out = server.metrics(); });
  return out;
}

bool ServerThread::wait_for(const std::function<bool(const ServerMetrics&)>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition(metrics())) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

std::string Answer::error_id() const {
  static constexpr std::string_view kBefore = R"({"error":{"id":")";
  if (!body.starts_with(kBefore)) return {};
  return body.substr(kBefore.size(), body.find('"', kBefore.size()) - kBefore.size());
}

TestCaller::TestCaller(std::uint16_t port, ByteView first) {
  static const channel::TlsContext context = *channel::TlsContext::client();
  auto socket = net::connect_to(*net::Address::parse_host_port("127.0.0.1:" + std::to_string(port)), 5000);
  if (!socket) return;
  for (const std::uint8_t byte : first) ::send(socket->get(), &byte, 1, MSG_NOSIGNAL);
  auto stream = channel::TlsStream::connect(context, std::move(*socket), "localhost");
  tls_ = std::move(*stream);
  while (true) {
    const auto progress = tls_->handshake();
    if (!progress) {
      tls_.reset();
      return;
    }
    if (*progress == channel::Progress::kDone) return;
    if (!wait(*progress, kPatience)) return;
  }
}

bool TestCaller::wait(channel::Progress progress, std::chrono::milliseconds patience) {
  return wait_ready(tls_->descriptor(), progress == channel::Progress::kWantWrite ? POLLOUT : POLLIN, patience);
}

void TestCaller::send(std::string_view bytes) { send_some(bytes, kPatience); }

std::size_t TestCaller::send_some(std::string_view bytes, std::chrono::milliseconds patience) {
  std::size_t done = 0;
  while (tls_ && done < bytes.size()) {
    const auto sent = tls_->write(as_bytes(bytes.substr(done)));
    if (!sent) break;
    done += sent->bytes;
    if (sent->progress != channel::Progress::kDone && !wait(sent->progress, patience)) break;
  }
  return done;
}

TestCaller::Got TestCaller::fill(std::chrono::milliseconds patience) {
  if (!tls_) return Got::kTruncated;
  Bytes bytes(65536);
  while (true) {
    const auto got = tls_->read(bytes);
    if (!got) return Got::kTruncated;
    if (got->progress == channel::Progress::kClosedInOrder) return Got::kOrderly;
    if (got->progress == channel::Progress::kDone) {
      buffer_ += as_text(ByteView(bytes).first(got->bytes));
      return Got::kBytes;
    }
    if (!wait(got->progress, patience)) return Got::kTimeout;
  }
}

Answer TestCaller::read_answer(std::string_view method) {
  Answer out;
  net::HttpHead head;
  std::size_t size = 0;
  while (true) {
    const auto parsed = net::parse_response_head(as_bytes(buffer_), net::HttpLimits{}, method, head);
    if (!parsed) return out;
    if (*parsed) {
      size = **parsed;
      break;
    }
    if (fill() != Got::kBytes) return out;
  }
  out.status = head.status;
  for (const net::HttpHeader& each : head.headers) out.headers[lower(each.name)] = std::string(each.value);
  net::BodyTracker body(head.framing, head.content_length);
  buffer_.erase(0, size);
  Got got = Got::kBytes;
  while (!body.whole() && got == Got::kBytes) {
    while (!buffer_.empty() && !body.whole()) {
      const auto piece = body.next(as_bytes(buffer_));
      if (!piece) return out;
      out.body += as_text(piece->payload);
      buffer_.erase(0, piece->wire);
    }
    if (!body.whole()) got = fill();
  }
  if (got == Got::kOrderly) body.transport_ended_in_order();
  out.whole = body.whole();
  return out;
}

std::string TestCaller::read_raw(std::size_t at_least) {
  while (buffer_.size() < at_least && fill() == Got::kBytes) {
  }
  return std::exchange(buffer_, {});
}

End TestCaller::read_end() {
  while (true) {
    switch (fill()) {
      case Got::kBytes: buffer_.clear(); break;
      case Got::kOrderly: return End::kOrderly;
      case Got::kTruncated: return End::kTruncated;
      case Got::kTimeout: return End::kTimeout;
    }
  }
}

void TestCaller::leave() { tls_.reset(); }

void TestCaller::leave_in_order() {
  (void)tls_->shut_down();
  tls_.reset();
}

}  // namespace gateway::server::testing
