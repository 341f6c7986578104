#include "fetch/testing/fake_service.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

#include "net/address.h"

namespace gateway::fetch::testing {
namespace {

using channel::Progress;

net::Descriptor listen_here(std::uint16_t& port) {
  auto listener = net::listen_on({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1"});
  if (!listener) std::abort();
  port = net::local_port(listener->get()).value();
  return *std::move(listener);
}

bool ready(int descriptor, short events, int timeout_ms) {
  pollfd wanted{.fd = descriptor, .events = events, .revents = 0};
  return ::poll(&wanted, 1, timeout_ms) > 0;
}

// The next client, or nothing after a moment.
net::Descriptor next_client(const net::Descriptor& listener) {
  if (!ready(listener.get(), POLLIN, 20)) return {};
  return net::Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// Up to the empty line; what follows is lost.
std::string read_head(const std::function<std::ptrdiff_t(std::span<std::uint8_t>)>& read) {
  std::string head;
  std::array<std::uint8_t, 4096> block{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const std::ptrdiff_t got = read(block);
    if (got <= 0) return {};
    head.append(as_text(ByteView(block).first(static_cast<std::size_t>(got))));
  }
  return head;
}

std::ptrdiff_t read_plain(int descriptor, std::span<std::uint8_t> into) {
  if (!ready(descriptor, POLLIN, 5000)) return -1;
  return ::recv(descriptor, into.data(), into.size(), 0);
}

void write_plain(int descriptor, std::string_view bytes) {
  while (!bytes.empty() && ready(descriptor, POLLOUT, 5000)) {
    const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool wait_for(const channel::TlsStream& stream, Progress progress) {
  return ready(stream.descriptor(), progress == Progress::kWantWrite ? POLLOUT : POLLIN, 5000);
}

std::ptrdiff_t read_tls(channel::TlsStream& stream, std::span<std::uint8_t> into) {
  for (;;) {
    const auto got = stream.read(into);
    if (!got || got->progress == Progress::kClosedInOrder) return -1;
    if (got->bytes > 0) return static_cast<std::ptrdiff_t>(got->bytes);
    if (!wait_for(stream, got->progress)) return -1;
  }
}

void write_tls(channel::TlsStream& stream, std::string_view bytes, Ending ending) {
  while (!bytes.empty()) {
    const auto sent = stream.write(as_bytes(bytes));
    if (!sent) return;
    bytes.remove_prefix(sent->bytes);
    if (sent->progress != Progress::kDone && !wait_for(stream, sent->progress)) return;
  }
  if (ending == Ending::kInOrder) (void)stream.shut_down();
}

std::string target_of(const std::string& head) {
  const std::size_t start = head.find(' ') + 1;
  return head.substr(start, head.find(' ', start) - start);
}

}  // namespace

std::string http_answer(int status, std::vector<std::pair<std::string, std::string>> headers, std::string_view body) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " Some Reason\r\n";
  bool sized = false;
  for (const auto& [name, value] : headers) {
    out += name + ": " + value + "\r\n";
    sized = sized || name == "Content-Length" || name == "Transfer-Encoding";
  }
  if (!sized) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + std::string(body);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    const auto byte = static_cast<std::uint8_t>(c);
    if (plain) out.push_back(c);
    else out += "%" + to_hex(ByteView(&byte, 1));
  }
  return out;
}

FakeService::FakeService(Handler handler, std::optional<channel::TlsContext> tls, Ending ending)
    : handler_(std::move(handler)),
      tls_(std::move(tls)),
      ending_(ending),
      listener_(listen_here(port_)),
      thread_([this] { run(); }) {}

FakeService::~FakeService() {
  stop_ = true;
  thread_.join();
}

std::string FakeService::url() const {
  return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_);
}

std::vector<std::string> FakeService::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeService::run() {
  while (!stop_) {
    if (net::Descriptor client = next_client(listener_); client.valid()) serve(std::move(client));
  }
}

void FakeService::serve(net::Descriptor socket) {
  std::optional<channel::TlsStream> tls;
  const int descriptor = socket.get();
  if (tls_) {
    auto stream = channel::TlsStream::accept(*tls_, std::move(socket));
    for (;;) {
      const auto progress = stream->handshake();
      if (!progress) return;
      if (*progress == Progress::kDone) break;
      if (!wait_for(*stream, *progress)) return;
    }
    tls.emplace(*std::move(stream));
  }
  const std::string head = read_head(
      [&](std::span<std::uint8_t> into) { return tls ? read_tls(*tls, into) : read_plain(descriptor, into); });
  if (head.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(head);
  }
  const std::string answer = handler_(target_of(head));
  if (tls) write_tls(*tls, answer, ending_);
  else write_plain(descriptor, answer);
}

FakeProxy::FakeProxy(std::string refusal)
    : refusal_(std::move(refusal)), listener_(listen_here(port_)), thread_([this] { run(); }) {}

FakeProxy::~FakeProxy() {
  stop_ = true;
  thread_.join();
}

std::vector<std::string> FakeProxy::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeProxy::run() {
  while (!stop_) {
    if (const net::Descriptor client = next_client(listener_); client.valid()) tunnel(client);
  }
}

void FakeProxy::tunnel(const net::Descriptor& client) {
  const std::string head = read_head([&](std::span<std::uint8_t> into) { return read_plain(client.get(), into); });
  if (head.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(head);
  }
  if (!refusal_.empty()) return write_plain(client.get(), refusal_);
  const std::string target = target_of(head);
  const std::string address = "127.0.0.1" + target.substr(target.rfind(':'));
  const auto server = net::connect_to(net::Address::parse_host_port(address).value(), 5000);
  if (!server) return write_plain(client.get(), http_answer(502, {}, ""));
  write_plain(client.get(), "HTTP/1.1 200 Connection established\r\n\r\n");
  std::array<pollfd, 2> ends{
      {{.fd = client.get(), .events = POLLIN, .revents = 0}, {.fd = server->get(), .events = POLLIN, .revents = 0}}};
  while (::poll(ends.data(), 2, 5000) > 0) {
    for (std::size_t from = 0; from < 2; ++from) {
      if (ends.at(from).revents == 0) continue;
      std::array<std::uint8_t, 4096> block{};
      const ssize_t got = ::recv(ends.at(from).fd, block.data(), block.size(), 0);
      if (got <= 0) return;
      write_plain(ends.at(1 - from).fd, as_text(ByteView(block).first(static_cast<std::size_t>(got))));
    }
  }
}

}  // namespace gateway::fetch::testing
