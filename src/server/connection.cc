#include "server/connection.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/proxy_protocol.h"
#include "server/core.h"

namespace gateway::server {
namespace {

using channel::Progress;

// What a caller may send ahead of its turn; beyond that it waits in the socket.
constexpr std::size_t kMaxReadAhead = 16UZ * 1024;
// Records that one connection may have taken before others get their turn.
constexpr int kReadBatch = 16;
// A refused body up to this size is stepped over and the connection lives on; a handshake costs more.
constexpr std::uint64_t kMaxDiscard = 256UZ * 1024;
// How long a caller may go on sending after the last answer, so that no reset destroys that answer on its way.
constexpr std::chrono::milliseconds kLingerTime{2'000};
constexpr std::chrono::milliseconds kClaimPause{20};
// Answers up to this size are copied behind their head: one record, one system call.
constexpr std::size_t kOneRecord = 15UZ * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

int status_for(const Error& error) {
  const std::string_view id = error.id();
  if (id == "http.head_size" || id == "http.header_count") return 431;
  if (id == "http.target_size") return 414;
  if (id == "http.version") return 505;
  return 400;
}

}  // namespace

Connection::Connection(ServerCore& server, channel::TlsStream tls)
    : server_(server),
      tls_(std::move(tls)),
      source_(server.loop.watch(tls_.descriptor(), [this](bool readable, bool writable,
                                                          bool hung_up) { on_event(readable, writable, hung_up); })),
      timer_(server.loop.timer([this] { on_timeout(); })) {}

Connection::~Connection() {
  if (self_) *self_ = nullptr;
}

void Connection::start() {
  timer_->arm(server_.limits.handshake_timeout);
  source_->want(true, false);
}

void Connection::drain() {
  draining_ = true;
  if (state_ == State::kHandshake) lose();
  else if (state_ == State::kHead && !head_begun_) close_in_order(Unread::kNothing);
}

std::optional<std::chrono::steady_clock::time_point> Connection::idle_since() const {
  if (state_ != State::kHead || head_begun_ || !in_.empty() || !out_.empty()) return std::nullopt;
  return head_awaited_since_;
}

void Connection::on_event(bool readable, bool writable, bool hung_up) {
  if (state_ == State::kHandshake) return on_handshake();
  if (writable) on_writable();
  if (state_ == State::kClosed) return;
  if (readable || hung_up) {
    if (wants_read()) on_readable();
    else if (hung_up) return lose();
  }
  if (state_ != State::kClosed) update_interest();
}

// A forwarder may say whose connection it carries, before anything of TLS. False while that is not whole, or when the
// connection is gone.
bool Connection::take_claim() {
  ByteArray<net::kMaxProxyHeader> first{};
  const ssize_t got = ::recv(tls_.descriptor(), first.data(), first.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  const ByteView bytes = ByteView(first).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  // The handshake finds out what else is wrong with it.
  claim_taken_ = bytes.empty() || !net::may_be_proxy_header(bytes);
  if (claim_taken_) return true;
  const auto header = net::parse_proxy_header(bytes);
  if (!header) {
    ++server_.metrics.handshakes_failed;
    lose();
    return false;
  }
  // A part of it stays readable: without a pause the loop would ask again and again. Whole headers come in one piece.
  if (!*header) {
    source_->want(false, false);
    claim_pause_ = server_.loop.timer([this] { source_->want(true, false); });
    claim_pause_->arm(kClaimPause);
    return false;
  }
  ::recv(tls_.descriptor(), first.data(), (*header)->size, MSG_DONTWAIT);
  if (server_.limits.pass_client_claims && (*header)->from) claim_ = (*header)->from->to_string();
  claim_taken_ = true;
  return true;
}

void Connection::on_handshake() {
  if (!claim_taken_ && !take_claim()) return;
  const auto progress = tls_.handshake();
  if (!progress) {
    ++server_.metrics.handshakes_failed;
    return lose();
  }
  if (*progress != Progress::kDone)
    return source_->want(*progress == Progress::kWantRead, *progress == Progress::kWantWrite);
  await_head();
  if (state_ != State::kHead) return;
  if (tls_.pending()) on_readable();
  if (state_ != State::kClosed) update_interest();
}

bool Connection::wants_read() const {
  switch (state_) {
    case State::kHead: return out_.empty();
    case State::kExchange:
      // With the whole request here, reading goes on to notice that the caller leaves.
      return exchange_ &&
             (exchange_->wants_request() || (exchange_->request_body().whole() && in_.size() < kMaxReadAhead));
    case State::kDeferred: return in_.size() < kMaxReadAhead;
    case State::kDiscard:
    case State::kLinger: return true;
    case State::kHandshake:
    case State::kFlush:
    case State::kClosed: return false;
  }
  return false;
}

void Connection::on_readable() {
  reading_ = true;
  read_all();
  reading_ = false;
}

void Connection::read_all() {
  Scratch& scratch = server_.scratch;
  for (int i = 0; i < kReadBatch; ++i) {
    const auto got = tls_.read(scratch.input);
    if (!got) return lose();
    if (got->progress == Progress::kClosedInOrder) return on_caller_closed();
    if (got->progress != Progress::kDone) {
      read_wants_write_ = got->progress == Progress::kWantWrite;
      return;
    }
    take_input(ByteView(scratch.input).first(got->bytes));
    if (state_ == State::kClosed || !wants_read() || !tls_.pending()) return;
  }
  server_.loop.defer([self = self()] {
    if (*self != nullptr) (*self)->resume();
  });
}

void Connection::take_input(ByteView bytes) {
  server_.metrics.bytes_from_callers += bytes.size();
  if (in_.empty()) {
    const std::size_t used = feed(bytes);
    if (state_ != State::kClosed) keep_rest(bytes.subspan(used));
  } else {
    append(in_, bytes);
    resume();
  }
}

void Connection::on_writable() {
  if (read_wants_write_) {
    read_wants_write_ = false;
    on_readable();
    if (state_ == State::kClosed) return;
  }
  if (!out_.empty()) {
    const std::size_t before = out_sent_;
    if (!flush()) return;
    if (!out_.empty()) {
      if (out_sent_ != before) timer_->arm(server_.limits.patience(server_.loop.now() - out_since_, out_sent_));
      return;
    }
    if (exchange_) exchange_->on_caller_unblocked();
    else if (state_ == State::kHead) await_head();
  }
  if (state_ == State::kFlush) return finish_close();
  resume();
}

// Works through what is at hand, request after request, until something is missing; says how much it took.
std::size_t Connection::feed(ByteView input) {
  feeding_ = true;
  std::size_t used = 0;
  while (true) {
    const ByteView rest = input.subspan(used);
    const State before = state_;
    std::size_t taken = 0;
    switch (state_) {
      case State::kHead:
        if (out_.empty() && !rest.empty()) taken = take_head(rest);
        break;
      case State::kExchange:
        // The first call sends the head, together with what came along with it.
        if (std::exchange(exchange_fresh_, false) || (exchange_->wants_request() && !rest.empty())) {
          taken = exchange_->take_request(rest);
        }
        break;
      case State::kDiscard: taken = discard(rest); break;
      case State::kFlush:
      case State::kLinger: taken = rest.size(); break;
      case State::kDeferred:
      case State::kHandshake:
      case State::kClosed: break;
    }
    used += taken;
    if (taken == 0 && state_ == before) break;
  }
  feeding_ = false;
  return used;
}

void Connection::keep_rest(ByteView rest) {
  if (!rest.empty()) in_.assign(rest.begin(), rest.end());
}

// After anything that may let kept or buffered input go on.
void Connection::resume() {
  if (feeding_ || state_ == State::kClosed) return;
  if (!in_.empty()) {
    Bytes input = std::exchange(in_, {});
    const std::size_t used = feed(input);
    if (state_ == State::kClosed) return;
    if (used == 0) in_ = std::move(input);
    else keep_rest(ByteView(input).subspan(used));
  }
  if (!reading_ && wants_read() && tls_.pending()) on_readable();
  update_interest();
}

std::size_t Connection::take_head(ByteView input) {
  net::HttpHead& head = server_.scratch.head;
  const auto size = net::parse_request_head(input, server_.limits.http, head);
  if (!size) {
    refuse_head(size.error());
    return input.size();
  }
  if (!*size) {
    if (!head_begun_) timer_->arm(server_.limits.head_timeout);
    head_begun_ = true;
    return 0;
  }
  head_begun_ = false;
  on_head(head);
  return **size;
}

std::size_t Connection::discard(ByteView input) {
  std::size_t used = 0;
  while (!body_.whole() && used < input.size()) {
    const auto piece = body_.next(input.subspan(used));
    if (!piece) {
      close_in_order(Unread::kSomething);
      return input.size();
    }
    used += piece->wire;
  }
  discarded_ += used;
  if (body_.whole()) {
    await_head();
  } else if (discarded_ > kMaxDiscard) {
    close_in_order(Unread::kSomething);
  }
  return used;
}

void Connection::on_head(const net::HttpHead& head) {
  ++request_number_;
  minor_version_ = head.minor_version;
  is_head_method_ = head.method == "HEAD";
  persistence_ = head.keep_alive && !draining_ ? Persistence::kKeepAlive : Persistence::kClose;
  expects_continue_ = head.expect_continue && head.minor_version == 1 && head.framing != net::Framing::kNone;
  body_ = net::BodyTracker(head.framing, head.content_length);
  body_is_large_ = head.framing == net::Framing::kLength && head.content_length > kMaxDiscard;
  discarded_ = 0;
  if (head.framing == net::Framing::kLength && head.content_length > server_.limits.max_body) {
    ++server_.metrics.refused_by_server;
    return respond(refuse(413, "server.body_size", "the body is larger than is accepted here"));
  }
  if (!head.expect_continue && head.header("expect")) {
    ++server_.metrics.refused_by_server;
    return respond(refuse(417, "server.expectation", "the only expectation that is met here is 100-continue"));
  }
  ++server_.metrics.requests;
  Decision decision = server_.gate.on_request(head, session());
  if (auto* local = std::get_if<LocalResponse>(&decision)) {
    ++server_.metrics.answered_here;
    respond(std::move(*local));
  } else if (auto* deferred = std::get_if<DeferredResponse>(&decision)) {
    ++server_.metrics.answered_here;
    defer(std::move(*deferred));
  } else {
    forward(head, std::get<ForwardDecision>(std::move(decision)));
  }
}

void Connection::forward(const net::HttpHead& head, ForwardDecision decision) {
  if (server_.metrics.in_flight_now >= server_.limits.max_in_flight) {
    ++server_.metrics.refused_by_server;
    return respond(refuse(503, "server.in_flight", "too many requests are with the workload", "Retry-After: 1\r\n"));
  }
  if (expects_continue_) {
    expects_continue_ = false;
    send(as_bytes(kContinue));
    if (state_ == State::kClosed) return;
  }
  state_ = State::kExchange;
  Caller& caller = *this;
  exchange_ = std::make_unique<Exchange>(caller, server_.environment(), head, std::move(decision), protocol(), claim_);
  exchange_fresh_ = true;
  exchange_->start(head);
}

void Connection::defer(DeferredResponse decision) {
  state_ = State::kDeferred;
  timer_->arm(server_.limits.response_timeout);
  decision.start([self = self(), number = request_number_](LocalResponse response) {
    Connection* connection = *self;
    if (connection == nullptr || connection->state_ != State::kDeferred || connection->request_number_ != number)
      return;
    connection->respond(std::move(response));
    connection->resume();
  });
}

// Made once: what it captures stays valid however long the gate keeps it.
const SessionContext& Connection::session() {
  if (!session_) {
    session_.emplace(SessionContext{[self = self()](const attestation::Nonce& nonce) -> Result<ByteArray<32>> {
      if (*self == nullptr) return fail(ErrorCode::kUnavailable, "server.caller_left", "the caller has left");
      return (*self)->tls_.exporter(nonce);
    }});
  }
  return *session_;
}

const std::shared_ptr<Connection*>& Connection::self() {
  if (!self_) self_ = std::make_shared<Connection*>(this);
  return self_;
}

void Connection::refuse_head(const Error& error) {
  ++server_.metrics.refused_by_server;
  minor_version_ = 1;
  is_head_method_ = false;
  body_ = {};
  persistence_ = Persistence::kClose;
  unread_ = Unread::kSomething;
  respond(refuse(status_for(error), error.error_id(), error.detail()));
}

void Connection::respond(LocalResponse response) {
  // A body that is not wanted is stepped over when that is cheap; a caller that waits for 100 Continue sends none.
  const bool unwanted = !body_.whole() && (expects_continue_ || body_is_large_);
  const bool close = response.close || draining_ || unwanted;
  if (close) persistence_ = Persistence::kClose;
  Bytes& out = server_.scratch.fresh_output();
  append_local_head(out, response, protocol());
  const bool with_body = !is_head_method_ && response.status != 204 && response.status != 304;
  const bool at_once = with_body && response.body.size() <= kOneRecord;
  if (at_once) append(out, response.body);
  send(out);
  if (with_body && !at_once && state_ != State::kClosed) send(response.body);
  if (state_ != State::kClosed) after_answer(persistence_);
}

void Connection::after_answer(Persistence persistence) {
  if (persistence == Persistence::kClose) return close_in_order(body_.whole() ? unread_ : Unread::kSomething);
  if (body_.whole()) return await_head();
  state_ = State::kDiscard;
  timer_->arm(server_.limits.body_timeout);
}

void Connection::await_head() {
  state_ = State::kHead;
  head_begun_ = false;
  head_awaited_since_ = server_.loop.now();
  if (draining_ && in_.empty()) return close_in_order(Unread::kNothing);
  timer_->arm(out_.empty() ? server_.limits.idle_timeout : server_.limits.body_timeout);
}

void Connection::on_caller_closed() {
  // An orderly end between requests is answered in kind; anywhere else the caller has given up.
  if (state_ == State::kHead && in_.empty() && out_.empty()) return close_in_order(Unread::kNothing);
  lose();
}

void Connection::on_timeout() {
  switch (state_) {
    case State::kHandshake: ++server_.metrics.handshakes_failed; return lose();
    case State::kHead:
      if (!out_.empty()) return break_off();
      if (!head_begun_) return close_in_order(Unread::kNothing);
      ++server_.metrics.refused_by_server;
      persistence_ = Persistence::kClose;
      body_ = {};
      is_head_method_ = false;
      minor_version_ = 1;
      in_ = {};
      unread_ = Unread::kSomething;
      respond(refuse(408, "server.head_timeout", "the request's head did not arrive in time"));
      break;
    case State::kExchange: exchange_->on_timeout(); break;
    case State::kDeferred:
      ++server_.metrics.refused_by_server;
      respond(refuse(504, "server.workload_timeout", "the answer was not ready in time", "Retry-After: 1\r\n"));
      break;
    case State::kDiscard:
    case State::kLinger: return lose();
    case State::kFlush: return break_off();
    case State::kClosed: return;
  }
  resume();
}

void Connection::send(ByteView bytes) {
  if (!out_.empty()) {
    append(out_, bytes);
    return;
  }
  const auto sent = write(bytes);
  if (!sent || *sent == bytes.size()) return;
  out_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(*sent), bytes.end());
  out_since_ = server_.loop.now();
  update_interest();
}

// How much the socket took; nothing when the caller is gone.
std::optional<std::size_t> Connection::write(ByteView bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto sent = tls_.write(bytes.subspan(done));
    if (!sent || sent->progress == Progress::kClosedInOrder) {
      lose();
      return std::nullopt;
    }
    if (sent->progress != Progress::kDone) break;
    done += sent->bytes;
  }
  server_.metrics.bytes_to_callers += done;
  return done;
}

// Sends what was kept; false when the caller is gone.
bool Connection::flush() {
  const auto sent = write(ByteView(out_).subspan(out_sent_));
  if (!sent) return false;
  out_sent_ += *sent;
  if (out_sent_ == out_.size()) {
    out_ = {};
    out_sent_ = 0;
  }
  return true;
}

void Connection::answered(Persistence persistence) {
  body_ = exchange_->request_body();
  bury_exchange();
  after_answer(draining_ ? Persistence::kClose : persistence);
  resume();
}

void Connection::answer_instead(LocalResponse response) {
  body_ = exchange_->request_body();
  bury_exchange();
  respond(std::move(response));
  resume();
}

void Connection::break_off() {
  net::set_abort_on_close(tls_.descriptor());
  lose();
}

// What is still sent belongs to no exchange: a caller that does not read must not be looked for in one.
void Connection::bury_exchange() {
  server_.bury(std::move(exchange_));
  if (state_ == State::kExchange) state_ = State::kDiscard;
}

void Connection::close_in_order(Unread unread) {
  state_ = State::kFlush;
  unread_ = unread;
  if (out_.empty()) finish_close();
  else timer_->arm(server_.limits.body_timeout);
}

void Connection::finish_close() {
  const auto progress = tls_.shut_down();
  if (!progress) return lose();
  if (*progress == Progress::kWantWrite) return source_->want(false, true);
  if (unread_ == Unread::kNothing) return lose();
  ::shutdown(tls_.descriptor(), SHUT_WR);
  state_ = State::kLinger;
  in_ = {};
  timer_->arm(kLingerTime);
}

void Connection::lose() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (self_) *self_ = nullptr;
  if (exchange_) {
    exchange_->caller_left();
    bury_exchange();
  }
  source_.reset();
  timer_.reset();
  server_.remove(*this);
}

void Connection::update_interest() {
  if (state_ == State::kClosed || state_ == State::kHandshake) return;
  const bool closing = state_ == State::kFlush;
  source_->want(wants_read(), !out_.empty() || read_wants_write_ || closing);
}

}  // namespace gateway::server
