#include "client/relay.h"

#include <errno.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>

#include "client/local_guard.h"

namespace gateway::client {
namespace {

using channel::Progress;

// Bytes that may wait in one direction before the other side's reader is made to wait.
constexpr std::size_t kHighWater = 256UZ * 1024;
// After an answer to a request that was not read to its end: how long the local client may go on sending.
constexpr Duration kLingerTime = std::chrono::seconds(2);

bool is_idempotent(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

Error truncated() {
  return {ErrorCode::kNotAuthentic, "client.truncated", "the enclave's answer ended before it was whole"};
}

Error closed_early() {
  return {ErrorCode::kUnavailable, "client.upstream_closed", "the enclave closed the connection without an answer",
          "send the request again if it may be carried out twice"};
}

int status_of(const Error& error) {
  if (error.id() == "client.local.host") return 421;
  if (error.id() == "client.local.origin") return 403;
  if (error.id() == "http.head_size" || error.id() == "http.header_count") return 431;
  if (error.id() == "http.target_size") return 414;
  return 400;
}

// JSON text of our own words; quotes and backslashes are the only bytes of them that need care.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string refusal_body(const Error& error) {
  std::string body = "{\"error\":{\"id\":" + json_text(error.id()) + ",\"message\":" + json_text(error.detail());
  if (!error.remedy().empty()) body += ",\"remedy\":" + json_text(error.remedy());
  return body + "}}\n";
}

}  // namespace

void Relay::Outgoing::spend(std::size_t count) {
  at_ += count;
  if (at_ == bytes_.size()) clear();
  else if (at_ > kHighWater) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
  }
}

void Relay::Outgoing::clear() {
  bytes_.clear();
  at_ = 0;
  if (bytes_.capacity() > kHighWater / 8) bytes_.shrink_to_fit();  // an idle connection keeps no large buffer
}

Relay::Relay(RelayContext& context, net::Descriptor socket, std::function<void()> over)
    : context_(context), socket_(std::move(socket)), over_(std::move(over)) {
  net::set_no_delay(socket_.get());
  source_ = context_.loop.watch(socket_.get(), [this](bool r, bool w, bool h) { on_local(r, w, h); });
  timer_ = context_.loop.timer([this] { on_timeout(); });
  timer_->arm(context_.limits.head_timeout);
  update_interest();
}

Relay::~Relay() = default;

// --- the local side ---------------------------------------------------------------------------------------------

void Relay::on_local(bool readable, bool writable, bool hung_up) {
  if (writable) flush_local();
  if (readable || hung_up) read_local();
  progress();
}

void Relay::read_local() {
  while (phase_ != Phase::kOver && local_in_.size() < kHighWater) {
    const ssize_t got = ::recv(socket_.get(), context_.scratch.data(), context_.scratch.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      // The client left: what it asked for is cancelled with the connection that carries it.
      drop_upstream();
      return end();
    }
    if (phase_ == Phase::kLinger || phase_ == Phase::kLastBytes) return;  // nobody reads this any more
    if (phase_ == Phase::kHead && local_in_.empty()) timer_->arm(context_.limits.head_timeout);
    append(local_in_, context_.scratch.first(static_cast<std::size_t>(got)));
    if (static_cast<std::size_t>(got) < context_.scratch.size()) return;
  }
}

void Relay::put_local(ByteView bytes) {
  while (local_out_.empty() && !bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) break;  // full, or broken: the read side will say which
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  local_out_.put(bytes);
}

void Relay::flush_local() {
  while (!local_out_.empty()) {
    const ByteView bytes = local_out_.front();
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent < 0) {
      drop_upstream();
      return end();
    }
    local_out_.spend(static_cast<std::size_t>(sent));
    timer_->arm(context_.limits.progress_timeout);
  }
}

// --- one request ------------------------------------------------------------------------------------------------

void Relay::next_request() {
  const auto size = net::parse_request_head(local_in_, context_.limits.http, head_);
  if (!size) return refuse(size.error(), status_of(size.error()));
  if (!*size) return;
  if (const Status allowed = check_local_request(head_, context_.port); !allowed) {
    return refuse(allowed.error(), status_of(allowed.error()));
  }
  accept_head(head_);
  local_in_.erase(local_in_.begin(), local_in_.begin() + static_cast<std::ptrdiff_t>(**size));
  acquire();
}

void Relay::accept_head(const net::HttpHead& head) {
  request_ =
      LocalRequest{.method = std::string(head.method),
                   .minor_version = head.minor_version,
                   .keep_alive = head.keep_alive,
                   .has_body = head.framing != net::Framing::kNone,
                   .complete = head.framing == net::Framing::kNone,
                   .body = net::BodyTracker(head.framing, head.content_length),
                   .head = forward_request_head(head, context_.upstream_host, as_text(context_.authorization.reveal())),
                   .retried = false};
  if (request_.body.whole()) request_.complete = true;
  answer_ = Answer{};
  if (head.expect_continue && !request_.complete) put_local(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
}

void Relay::acquire() {
  if (auto lease = context_.pool.take()) return begin_exchange(std::move(lease));
  phase_ = Phase::kWaiting;
  timer_->arm(context_.limits.wait_timeout);
  waiter_ = context_.pool.wait([this](Result<UpstreamPool::Lease> lease) {
    waiter_.reset();
    if (lease) {
      begin_exchange(std::move(*lease));
    } else {
      context_.on_refusal(lease.error());
      refuse(lease.error(), 502);
    }
    progress();
  });
}

void Relay::begin_exchange(UpstreamPool::Lease lease) {
  phase_ = Phase::kExchange;
  timer_->arm(context_.limits.progress_timeout);
  upstream_ = std::move(lease);
  upstream_source_ =
      context_.loop.watch(upstream_->descriptor(), [this](bool r, bool w, bool h) { on_upstream(r, w, h); });
  upstream_out_.put(as_bytes(request_.head));
  pass_request_body();
  flush_upstream();
}

void Relay::pass_request_body() {
  std::size_t used = 0;
  while (!request_.complete && upstream_out_.size() < kHighWater) {
    const auto piece = request_.body.next(ByteView(local_in_).subspan(used));
    if (!piece) {
      // The framing broke in the middle of a request: neither side can go on.
      local_in_.clear();
      return refuse(piece.error(), 400);
    }
    upstream_out_.put(ByteView(local_in_).subspan(used, piece->wire));
    used += piece->wire;
    request_.complete = piece->done;
    if (piece->wire == 0) break;
  }
  local_in_.erase(local_in_.begin(), local_in_.begin() + static_cast<std::ptrdiff_t>(used));
}

void Relay::flush_upstream() {
  upstream_wants_write_ = false;
  while (upstream_ && !upstream_out_.empty()) {
    const auto result = upstream_->stream().write(upstream_out_.front());
    // A peer that stopped reading may still have answered: what it said is read before the end is judged.
    if (!result) return upstream_out_.clear();
    upstream_out_.spend(result->bytes);
    if (result->bytes > 0) timer_->arm(context_.limits.progress_timeout);
    if (result->progress == Progress::kClosedInOrder) return upstream_out_.clear();
    if (result->progress == Progress::kWantRead) return;
    if (result->progress == Progress::kWantWrite) {
      upstream_wants_write_ = true;
      return;
    }
  }
}

// --- the answer -------------------------------------------------------------------------------------------------

void Relay::on_upstream(bool readable, bool writable, bool hung_up) {
  if (writable) flush_upstream();
  if (readable || hung_up) read_upstream();
  progress();
}

void Relay::read_upstream() {
  while (upstream_ && local_out_.size() < kHighWater) {
    const auto result = upstream_->stream().read(context_.scratch);
    if (!result) return upstream_failed(result.error());
    if (result->bytes > 0) {
      timer_->arm(context_.limits.progress_timeout);
      take_answer(ByteView(context_.scratch).first(result->bytes));
      if (!upstream_ || !upstream_->stream().pending()) return;
      continue;
    }
    if (result->progress == Progress::kClosedInOrder) return upstream_closed_in_order();
    return;
  }
}

void Relay::take_answer(ByteView bytes) {
  if (!answer_.started) {
    const auto rest = take_answer_head(bytes);
    if (!rest) return upstream_failed(rest.error());
    if (!*rest) return;
    bytes = **rest;
  }
  const Status taken = take_answer_body(bytes);
  answer_.head.clear();  // `bytes` may have pointed into it
  if (!taken) return upstream_failed(taken.error());
  if (answer_.whole && !answer_.closes) end_exchange();
}

// What follows the head, once there is one; interim answers are dropped.
Result<std::optional<ByteView>> Relay::take_answer_head(ByteView bytes) {
  append(answer_.head, bytes);
  std::size_t at = 0;
  for (;;) {
    GATEWAY_ASSIGN(const auto size, net::parse_response_head(ByteView(answer_.head).subspan(at), context_.limits.http,
                                                             request_.method, head_));
    if (!size) {
      answer_.head.erase(answer_.head.begin(), answer_.head.begin() + static_cast<std::ptrdiff_t>(at));
      return std::nullopt;
    }
    at += *size;
    if (head_.status == 101) {
      return fail(ErrorCode::kMalformed, "client.upgrade", "the enclave switched to a protocol that nobody asked for");
    }
    if (head_.status >= 200) break;
  }
  answer_.started = true;
  answer_.framing = head_.framing;
  answer_.closes = head_.framing == net::Framing::kUntilClose || !head_.keep_alive;
  answer_.local = local_framing(head_, request_.minor_version);
  answer_.body = net::BodyTracker(head_.framing, head_.content_length);
  answer_.whole = head_.framing != net::Framing::kUntilClose && answer_.body.whole();
  if (answer_.local == LocalFraming::kBare || !request_.complete) request_.keep_alive = false;
  put_local(as_bytes(forward_response_head(head_, answer_.local, request_.keep_alive)));
  return ByteView(answer_.head).subspan(at);
}

Status Relay::take_answer_body(ByteView bytes) {
  while (!answer_.whole) {
    GATEWAY_ASSIGN(const auto piece, answer_.body.next(bytes));
    deliver_piece(piece, bytes.first(piece.wire));
    bytes = bytes.subspan(piece.wire);
    answer_.whole = piece.done;
    if (piece.wire == 0) break;
  }
  answer_.surplus = answer_.surplus || (answer_.whole && !bytes.empty());
  return {};
}

void Relay::deliver_piece(const net::BodyTracker::Piece& piece, ByteView wire) {
  Bytes chunk;
  ByteView out = wire;
  if (answer_.local == LocalFraming::kBare) out = piece.payload;
  if (answer_.local == LocalFraming::kChunked) {
    if (piece.payload.empty()) return;
    std::array<char, 24> size{};
    const int digits = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.payload.size());
    chunk.reserve(piece.payload.size() + 24);
    append(chunk, std::string_view(size.data(), static_cast<std::size_t>(digits)));
    append(chunk, piece.payload);
    append(chunk, std::string_view("\r\n"));
    out = chunk;
  }
  // Where the end of the transport is part of the end of the message, the last piece waits for it.
  if (piece.done && answer_.closes) answer_.held = to_bytes(out);
  else put_local(out);
}

void Relay::upstream_closed_in_order() {
  if (!answer_.started) return upstream_failed(answer_.head.empty() ? closed_early() : truncated());
  if (answer_.framing == net::Framing::kUntilClose) {
    answer_.body.transport_ended_in_order();
    answer_.whole = true;
    if (answer_.local == LocalFraming::kChunked) answer_.held = to_bytes("0\r\n\r\n");
  }
  if (!answer_.whole || answer_.surplus) return upstream_failed(truncated());
  put_local(answer_.held);
  end_exchange();
}

void Relay::upstream_failed(const Error& error) {
  drop_upstream();
  if (answer_.started) return abort();
  const bool nothing_came = answer_.head.empty();
  if (nothing_came && !request_.retried && !request_.has_body && is_idempotent(request_.method)) {
    request_.retried = true;  // the connection had waited too long; a new one may carry the same request
    return acquire();
  }
  const bool transport = error.id().starts_with("tls.");
  refuse(transport ? (nothing_came ? closed_early() : truncated()) : error, 502);
}

void Relay::end_exchange() {
  const bool reusable = !answer_.closes && !answer_.surplus && request_.complete && upstream_out_.empty();
  upstream_source_.reset();
  if (reusable) context_.pool.give_back(std::move(upstream_));
  drop_upstream();
  if (!request_.complete) return linger();
  if (!request_.keep_alive) {
    phase_ = Phase::kLastBytes;
    timer_->arm(context_.limits.head_timeout);
    return;
  }
  phase_ = Phase::kHead;
  request_ = LocalRequest{};
  answer_ = Answer{};
  timer_->arm(local_in_.empty() ? context_.limits.idle_timeout : context_.limits.head_timeout);
}

// --- ends -------------------------------------------------------------------------------------------------------

void Relay::refuse(const Error& error, int status) {
  drop_upstream();
  if (answer_.started) return abort();
  const std::string body = refusal_body(error);
  put_local(as_bytes("HTTP/1.1 " + std::to_string(status) + (status == 502 ? " Bad Gateway" : " Refused") +
                     "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                     "\r\nConnection: close\r\n\r\n"));
  if (request_.method != "HEAD") put_local(as_bytes(body));
  linger();
}

void Relay::drop_upstream() {
  waiter_.reset();
  upstream_source_.reset();
  upstream_.reset();
  upstream_out_.clear();
}

// Sends what is left, then says that nothing follows, and gives the client a moment to read before the socket goes: a
// close with unread bytes would reset the connection and take the answer with it.
void Relay::linger() {
  phase_ = Phase::kLinger;
  local_in_.clear();
  timer_->arm(kLingerTime);
}

void Relay::abort() {
  net::set_abort_on_close(socket_.get());
  end();
}

void Relay::end() {
  if (phase_ == Phase::kOver) return;
  phase_ = Phase::kOver;
  source_.reset();
  timer_->disarm();
  socket_.reset();
  over_();
}

void Relay::on_timeout() {
  switch (phase_) {
    case Phase::kWaiting:
      refuse(Error(ErrorCode::kUnavailable, "client.timeout", "no verified connection became free in time",
                   "try again; `gateway connect` says on its terminal what it waits for"),
             503);
      return progress();
    case Phase::kExchange: drop_upstream(); return answer_.started ? abort() : end();
    case Phase::kHead:
    case Phase::kLastBytes:
    case Phase::kLinger:
    case Phase::kOver: return end();
  }
}

// After every event: what can go on goes on, and the loop learns what is waited for.
void Relay::progress() {
  for (bool again = true; again;) {
    again = false;
    if (phase_ == Phase::kHead && !local_in_.empty()) {
      const std::size_t before = local_in_.size();
      next_request();
      again = local_in_.size() != before && phase_ == Phase::kHead;
    }
    if (phase_ == Phase::kExchange && !request_.complete) {
      pass_request_body();
      flush_upstream();
    }
    if (phase_ == Phase::kExchange && upstream_ && upstream_->stream().pending()) {
      read_upstream();
      again = phase_ == Phase::kHead;
    }
  }
  if (phase_ == Phase::kLastBytes && local_out_.empty()) return end();
  if (phase_ == Phase::kLinger && local_out_.empty()) ::shutdown(socket_.get(), SHUT_WR);
  update_interest();
}

void Relay::update_interest() {
  if (phase_ == Phase::kOver) return;
  source_->want(local_in_.size() < kHighWater, !local_out_.empty());
  if (upstream_source_) {
    upstream_source_->want(local_out_.size() < kHighWater, upstream_wants_write_);
  }
}

}  // namespace gateway::client
