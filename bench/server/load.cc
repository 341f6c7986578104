#include "load.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/address.h"

namespace gateway::bench {
namespace {

using channel::Progress;

// Connections that are opened at once: enough to keep both sides busy, few enough that what a server holds during
// handshakes does not pass for what it holds for idle connections.
constexpr std::size_t kMaxOpening = 16;
constexpr std::string_view kWorkloadAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n"
    "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"text\":\"0123456789abcd\"}";
constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kGet =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gateway-bench\r\nAccept: */*\r\n\r\n";
constexpr std::string_view kLastGet =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gateway-bench\r\nAccept: */*\r\nConnection: close\r\n\r\n";

std::string make_post() {
  return "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gateway-bench\r\nAccept: */*\r\n"
         "Authorization: Bearer gwt_0123456789012345678901234567890123456789012\r\n"
         "Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" +
         std::string(1024, 'p');
}

std::string make_event() { return "400\r\ndata: " + std::string(kEventSize - 8, 'e') + "\n\n\r\n"; }

void send_all(int file_descriptor, std::string_view bytes) {
  // Small against a socket's buffer, and one is out at a time: never refused in part.
  [[maybe_unused]] const ssize_t sent = ::send(file_descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace

struct WorkloadStub::Peer {
  net::Descriptor socket;
  std::unique_ptr<net::Source> source;
  Bytes in;
  net::HttpHead head;
  bool gone = false;
};

WorkloadStub::WorkloadStub(net::Loop& loop, net::Descriptor listener) : loop_(loop), listener_(std::move(listener)) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) {
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) return;
    std::erase_if(peers_, [](const auto& each) { return each->gone; });
    Peer& peer = *peers_.emplace_back(std::make_unique<Peer>());
    peer.socket = std::move(socket);
    peer.source = loop_.watch(peer.socket.get(), [this, &peer](bool, bool, bool) { on_bytes(peer); });
    peer.source->want(true, false);
  });
  source_->want(true, false);
}

WorkloadStub::~WorkloadStub() = default;

void WorkloadStub::on_bytes(Peer& peer) {
  std::array<std::uint8_t, 65536> bytes;
  const ssize_t got = ::recv(peer.socket.get(), bytes.data(), bytes.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    peer.gone = true;
    std::erase_if(streams_, [&peer](const auto& each) { return each.second == &peer; });
    peer.source.reset();
    return;
  }
  append(peer.in, std::span(bytes).first(static_cast<std::size_t>(got)));
  while (true) {
    const auto size = net::parse_request_head(peer.in, {}, peer.head);
    if (!size || !*size || peer.in.size() < **size + peer.head.content_length) return;
    if (peer.head.target.starts_with("/events/")) {
      const std::size_t stream = std::stoul(std::string(peer.head.target.substr(8)));
      streams_[stream] = &peer;
      send_all(peer.socket.get(), kStreamHead);
      send_event(stream);
    } else {
      send_all(peer.socket.get(), kWorkloadAnswer);
    }
    peer.in.erase(peer.in.begin(), peer.in.begin() + static_cast<std::ptrdiff_t>(**size + peer.head.content_length));
  }
}

void WorkloadStub::send_event(std::size_t stream) {
  static const std::string event = make_event();
  const auto found = streams_.find(stream);
  if (found != streams_.end()) send_all(found->second->socket.get(), event);
}

void WorkloadStub::end_stream(std::size_t stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  send_all(found->second->socket.get(), "0\r\n\r\n");
  streams_.erase(found);
}

struct Load::Caller {
  std::size_t index = 0;
  std::optional<channel::TlsStream> tls;
  std::unique_ptr<net::Source> source;
  bool established = false;
  bool busy = false;
  Bytes in;
  net::HttpHead head;
  bool head_done = false;
  net::BodyTracker body;
  std::size_t payload = 0;
};

Load::Load(net::Loop& loop, WorkloadStub& workload) : loop_(loop), workload_(workload) {}
Load::~Load() = default;

void Load::close() { callers_.clear(); }

void Load::connect(Caller& caller) {
  static const channel::TlsContext context = *channel::TlsContext::client();
  caller.source.reset();
  caller.tls.reset();
  caller.established = false;
  auto socket = net::start_connect({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = port_});
  auto tls = socket ? channel::TlsStream::connect(context, std::move(*socket), "localhost")
                    : Result<channel::TlsStream>(std::unexpected(socket.error()));
  if (!tls) {
    broken_ = true;
    return loop_.stop();
  }
  caller.tls = std::move(*tls);
  caller.source = loop_.watch(caller.tls->descriptor(), [this, &caller](bool, bool, bool) { advance(caller); });
  caller.source->want(false, true);
}

bool Load::open(std::uint16_t port, std::size_t connections) {
  port_ = port;
  callers_.clear();
  for (std::size_t i = 0; i < connections; ++i) {
    callers_.push_back(std::make_unique<Caller>());
    callers_.back()->index = i;
  }
  return run(Kind::kIdle, connections);
}

bool Load::run(Kind kind, std::size_t units) {
  kind_ = kind;
  started_ = done_ = 0;
  wanted_ = units;
  for (const auto& caller : callers_) {
    if (kind == Kind::kIdle && started_ == kMaxOpening) break;
    if (kind == Kind::kHandshake || kind == Kind::kIdle) begin_connection(*caller);
    else ask(*caller);
  }
  loop_.run();
  return !broken_ && done_ >= wanted_;
}

void Load::begin_connection(Caller& caller) {
  ++started_;
  connect(caller);
}

void Load::ask(Caller& caller) {
  static const std::string post = make_post();
  if (kind_ != Kind::kHandshake && kind_ != Kind::kIdle) ++started_;
  caller.busy = true;
  caller.head_done = false;
  caller.payload = 0;
  std::string events;
  std::string_view request = kGet;
  if (kind_ == Kind::kPost) request = post;
  if (kind_ == Kind::kHandshake) request = kLastGet;
  if (kind_ == Kind::kEvents) {
    events = "GET /events/" + std::to_string(caller.index) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    request = events;
  }
  const auto sent = caller.tls->write(as_bytes(request));
  if (!sent || sent->bytes != request.size()) {
    broken_ = true;
    loop_.stop();
  }
}

void Load::advance(Caller& caller) {
  if (!caller.established) {
    const auto progress = caller.tls->handshake();
    if (!progress) {
      broken_ = true;
      return loop_.stop();
    }
    if (*progress != Progress::kDone) {
      return caller.source->want(*progress == Progress::kWantRead, *progress == Progress::kWantWrite);
    }
    caller.established = true;
    caller.source->want(true, false);
    return ask(caller);
  }
  std::array<std::uint8_t, 32768> bytes;
  do {
    const auto got = caller.tls->read(bytes);
    if (!got || got->progress == Progress::kClosedInOrder) {
      if (got && kind_ == Kind::kHandshake && !caller.busy) return unit_done(caller);
      broken_ = true;
      return loop_.stop();
    }
    if (got->progress != Progress::kDone) return;
    append(caller.in, std::span(bytes).first(got->bytes));
    if (!take_answer(caller)) continue;
    caller.busy = false;
    if (kind_ != Kind::kHandshake) return unit_done(caller);
  } while (caller.tls->pending() || !caller.busy);
}

// True once the answer is whole.
bool Load::take_answer(Caller& caller) {
  if (!caller.head_done) {
    const auto size = net::parse_response_head(caller.in, {}, "GET", caller.head);
    if (!size || (*size && caller.head.status != 200)) {
      broken_ = true;
      loop_.stop();
      return false;
    }
    if (!*size) return false;
    caller.head_done = true;
    caller.body = net::BodyTracker(caller.head.framing, caller.head.content_length);
    caller.in.erase(caller.in.begin(), caller.in.begin() + static_cast<std::ptrdiff_t>(**size));
  }
  std::size_t used = 0;
  while (!caller.body.whole() && used < caller.in.size()) {
    const auto piece = caller.body.next(ByteView(caller.in).subspan(used));
    if (!piece) break;
    used += piece->wire;
    caller.payload += piece->payload.size();
  }
  caller.in.erase(caller.in.begin(), caller.in.begin() + static_cast<std::ptrdiff_t>(used));
  if (kind_ == Kind::kEvents && caller.payload >= kEventSize) {
    caller.payload -= kEventSize;
    ++done_;
    if (done_ + callers_.size() > wanted_) workload_.end_stream(caller.index);
    else workload_.send_event(caller.index);
  }
  return caller.body.whole();
}

void Load::unit_done(Caller& caller) {
  if (kind_ != Kind::kEvents) ++done_;
  if (kind_ != Kind::kEvents && started_ < wanted_) {
    if (kind_ == Kind::kHandshake) begin_connection(caller);
    else if (kind_ == Kind::kIdle) begin_connection(*callers_[started_]);
    else ask(caller);
  }
  const bool quiet = std::ranges::none_of(callers_, [](const auto& each) { return each->busy; });
  if (done_ >= wanted_ && (kind_ != Kind::kEvents || quiet)) loop_.stop();
}

}  // namespace gateway::bench
