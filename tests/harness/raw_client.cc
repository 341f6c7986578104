#include "harness/raw_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "harness/json_pointer.h"
#include "net/address.h"
#include "net/http.h"

namespace gateway::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kConnectTimeMs = 5'000;

int left_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<Milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<Milliseconds::rep>(left, 0, 60'000));
}

bool wait_for(int descriptor, short events, Clock::time_point deadline) {
  pollfd one{descriptor, events, 0};
  return ::poll(&one, 1, left_until(deadline)) > 0;
}

short events_of(channel::Progress progress) { return progress == channel::Progress::kWantWrite ? POLLOUT : POLLIN; }

Result<net::Descriptor> connect(const std::string& endpoint) {
  GATEWAY_ASSIGN(const net::Address address, net::Address::parse_host_port(endpoint));
  return net::connect_to(address, kConnectTimeMs);
}

}  // namespace

std::string HttpAnswer::error_id() const { return json_at(body, "/error/id").value_or(""); }

RawClient::~RawClient() = default;

std::unique_ptr<RawClient> RawClient::tcp(const std::string& endpoint) {
  auto socket = connect(endpoint);
  if (!socket) return nullptr;
  std::unique_ptr<RawClient> client(new RawClient);
  client->socket_ = std::move(*socket);
  return client;
}

std::unique_ptr<RawClient> RawClient::tls(const std::string& endpoint) {
  auto socket = connect(endpoint);
  const auto context = channel::TlsContext::client();
  if (!socket || !context) return nullptr;
  auto stream = channel::TlsStream::connect(*context, std::move(*socket), "");
  if (!stream) return nullptr;
  const auto deadline = Clock::now() + Milliseconds(kConnectTimeMs);
  while (true) {
    const auto progress = stream->handshake();
    if (!progress) return nullptr;
    if (*progress == channel::Progress::kDone) break;
    if (!wait_for(stream->descriptor(), events_of(*progress), deadline)) return nullptr;
  }
  std::unique_ptr<RawClient> client(new RawClient);
  client->stream_ = std::move(*stream);
  return client;
}

bool RawClient::send(std::string_view bytes, Milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (!bytes.empty()) {
    std::size_t sent = 0;
    short wanted = POLLOUT;
    if (stream_) {
      const auto result = stream_->write(as_bytes(bytes));
      if (!result) return false;
      sent = result->bytes;
      wanted = events_of(result->progress);
    } else {
      const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN) return false;
      sent = count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    bytes.remove_prefix(sent);
    const int descriptor = stream_ ? stream_->descriptor() : socket_.get();
    if (sent == 0 && !wait_for(descriptor, wanted, deadline)) return false;
  }
  return true;
}

RawClient::Step RawClient::read_some(std::string& to, Ending& ending, short& wanted) {
  std::array<std::uint8_t, 16'384> chunk{};
  wanted = POLLIN;
  if (stream_) {
    const auto result = stream_->read(chunk);
    if (!result) {
      ending = result.error().id() == "tls.truncated" ? Ending::kCut : Ending::kReset;
      return Step::kEnded;
    }
    if (result->progress == channel::Progress::kClosedInOrder) {
      ending = Ending::kInOrder;
      return Step::kEnded;
    }
    wanted = events_of(result->progress);
    if (result->progress != channel::Progress::kDone) return Step::kWait;
    to.append(as_text(ByteView(chunk).first(result->bytes)));
    return Step::kBytes;
  }
  const ssize_t count = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (count > 0) {
    to.append(as_text(ByteView(chunk).first(static_cast<std::size_t>(count))));
    return Step::kBytes;
  }
  if (count < 0 && errno == EAGAIN) return Step::kWait;
  ending = count == 0 ? Ending::kInOrder : Ending::kReset;
  return Step::kEnded;
}

Received RawClient::receive(Milliseconds patience, const Enough& enough) {
  const auto start = Clock::now();
  Received received;
  received.bytes = std::move(unread_);
  unread_.clear();
  while (!enough || !enough(received.bytes)) {
    short wanted = POLLIN;
    const Step step = read_some(received.bytes, received.ending, wanted);
    if (step == Step::kEnded) break;
    if (step == Step::kBytes) continue;
    if (!wait_for(stream_ ? stream_->descriptor() : socket_.get(), wanted, start + patience)) break;
  }
  received.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - start);
  return received;
}

HttpAnswer RawClient::next_answer(std::string_view method, Milliseconds patience) {
  HttpAnswer answer;
  net::HttpHead head;
  const net::HttpLimits limits{.max_head = 65'536, .max_headers = 256, .max_target = 4'096};
  std::optional<net::BodyTracker> tracker;
  std::size_t at = 0;  // bytes that are spent
  const auto take = [&](std::string_view bytes) {
    while (!tracker) {
      const auto size = net::parse_response_head(as_bytes(bytes.substr(at)), limits, method, head);
      if (!size) return true;
      if (!*size) return false;
      answer.head = bytes.substr(at, **size);
      answer.status = head.status;
      at += **size;
      if (head.status < 200) continue;
      tracker.emplace(head.framing, head.content_length);
    }
    while (true) {
      const auto piece = tracker->next(as_bytes(bytes.substr(at)));
      if (!piece) return true;
      answer.body.append(as_text(piece->payload));
      at += piece->wire;
      answer.whole = piece->done || tracker->whole();
      if (answer.whole) return true;
      if (piece->wire == 0) return false;
    }
  };
  const Received received = receive(patience, take);
  if (tracker && received.ending == Ending::kInOrder) {
    tracker->transport_ended_in_order();
    answer.whole = tracker->whole();
  }
  unread_ = received.bytes.substr(std::min(at, received.bytes.size()));
  answer.ending = received.ending;
  answer.took = received.took;
  return answer;
}

HttpAnswer RawClient::exchange(std::string_view request, std::string_view method, Milliseconds patience) {
  send(request, patience);  // refused early, it may not all be taken: the answer counts
  return next_answer(method, patience);
}

void RawClient::shut_writing() const { ::shutdown(stream_ ? stream_->descriptor() : socket_.get(), SHUT_WR); }

std::string get(const std::string& path, const std::string& token, const std::string& lines) {
  return "GET " + path + " HTTP/1.1\r\nHost: enclave\r\n" +
         (token.empty() ? std::string() : "Authorization: Bearer " + token + "\r\n") + lines + "\r\n";
}

std::string post(const std::string& path, const std::string& body, const std::string& token, const std::string& lines) {
  return "POST " + path + " HTTP/1.1\r\nHost: enclave\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         (token.empty() ? std::string() : "Authorization: Bearer " + token + "\r\n") + lines + "\r\n" + body;
}

bool port_is_open(const std::string& endpoint) { return RawClient::tcp(endpoint) != nullptr; }

}  // namespace gateway::harness
