#include "server/exchange.h"

#include <errno.h>
#include <sys/socket.h>

#include "server/scratch.h"

namespace gateway::server {
namespace {

using Ending = ForwardObserver::Ending;

// The workload's heads are its author's own; only a bound is needed.
constexpr net::HttpLimits kWorkloadLimits{.max_head = 64UZ * 1024, .max_headers = 256, .max_target = 0};
constexpr std::string_view kRetryAfter = "Retry-After: 1\r\n";
constexpr std::string_view kCloseField = "Connection: close\r\n";

LocalResponse unavailable() {
  return refuse(503, "server.workload_unavailable", "the workload does not accept requests at the moment", kRetryAfter);
}

LocalResponse bad_answer() { return refuse(502, "server.workload_answer", "the workload gave no usable answer"); }

bool is_safe(std::string_view method) { return method == "GET" || method == "HEAD"; }

}  // namespace

Exchange::Exchange(Caller& caller, Environment environment, const net::HttpHead& head, ForwardDecision decision,
                   CallerProtocol protocol, std::string_view claim)
    : caller_(caller),
      environment_(environment),
      observer_(std::move(decision.observer)),
      rewrite_body_(std::move(decision.rewrite_body)),
      collect_limit_(decision.collect_body),
      protocol_(protocol),
      request_(head.framing, head.content_length),
      method_(head.method),
      begun_(environment.loop.now()),
      wants_payload_(decision.wants_payload && observer_ != nullptr),
      streams_body_(head.framing != net::Framing::kNone && !collect_limit_),
      rechunk_request_(head.framing == net::Framing::kChunked && !collect_limit_) {
  ++environment_.metrics.forwarded;
  ++environment_.metrics.in_flight_now;
  begin_request_head(collect_limit_ ? request_head_ : request_out_, head, decision.target, claim);
}

Exchange::~Exchange() { caller_left(); }

void Exchange::start(const net::HttpHead& head) {
  update_deadline();
  if (collect_limit_) return;
  BodyAnnouncement body{.length = std::nullopt, .chunked = rechunk_request_};
  if (head.framing == net::Framing::kLength || (!rechunk_request_ && head.header("content-length"))) {
    body.length = head.content_length;
  }
  if (streams_body_) append(request_out_, kCloseField);
  end_request_head(request_out_, body);
  if (head.framing == net::Framing::kNone && is_safe(method_)) request_head_ = request_out_;
  connect(Origin::kPool);
}

void Exchange::connect(Origin origin) {
  auto upstream = origin == Origin::kPool ? environment_.pool.take(*this) : environment_.pool.take_new(*this);
  if (!upstream) return workload_failed(unavailable());
  upstream_ = std::move(*upstream);
  update_interest();
}

void Exchange::caller_left() {
  if (!over_) end(Ending::kCallerLeft, status_);
}

std::size_t Exchange::take_request(ByteView bytes) {
  std::size_t used = 0;
  while (!over_ && !request_.whole() && used < bytes.size()) {
    auto piece = request_.next(bytes.subspan(used));
    if (!piece) {
      caller_failed(refuse(400, piece.error().error_id(), piece.error().detail()));
      return bytes.size();
    }
    used += piece->wire;
    if (auto status = append_payload(piece->payload); !status) {
      caller_failed(status.error().code() == ErrorCode::kUnavailable
                        ? refuse(503, "server.body_memory", "too many bodies are being read at once", kRetryAfter)
                        : refuse(413, "server.body_size", "the body is larger than is accepted here"));
      return bytes.size();
    }
  }
  if (over_) return used;
  if (request_.whole() && !request_ended_) end_request();
  if (!over_) flush_request();
  if (!over_) update_deadline();
  return used;
}

Status Exchange::append_payload(ByteView payload) {
  body_size_ += payload.size();
  if (body_size_ > collect_limit_.value_or(environment_.limits.max_body) || body_size_ > environment_.limits.max_body) {
    return fail(ErrorCode::kLimitExceeded, "server.body_size");
  }
  if (collect_limit_) {
    return keep_payload(payload);
  } else if (send_failed_ || payload.empty()) {
    return {};
  } else if (rechunk_request_) {
    ChunkWriter chunk(request_out_, payload.size());
    append(request_out_, payload);
    chunk.close();
  } else {
    append(request_out_, payload);
  }
  return {};
}

Status Exchange::keep_payload(ByteView payload) {
  if (environment_.collected_now + payload.size() > environment_.limits.max_collected) {
    return fail(ErrorCode::kUnavailable, "server.body_memory");
  }
  environment_.collected_now += payload.size();
  append(collected_, payload);
  return {};
}

void Exchange::drop_collected() {
  environment_.collected_now -= collected_.size();
  collected_ = {};
}

void Exchange::end_request() {
  request_ended_ = true;
  if (rechunk_request_) append(request_out_, kLastChunk);
  if (!collect_limit_) return;
  auto rewritten = rewrite_body_(collected_);
  drop_collected();
  if (auto* response = std::get_if<LocalResponse>(&rewritten)) {
    end(Ending::kComplete, response->status);
    return caller_.answer_instead(std::move(*response));
  }
  const Bytes& body = std::get<Bytes>(rewritten);
  request_out_ = std::exchange(request_head_, {});
  end_request_head(request_out_, {.length = body.size(), .chunked = false});
  append(request_out_, body);
  connect(Origin::kPool);
}

void Exchange::flush_request() {
  if (!upstream_) return;
  std::size_t sent = 0;
  while (sent < request_out_.size()) {
    const ssize_t n =
        ::send(upstream_->descriptor(), request_out_.data() + sent, request_out_.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return on_send_failed();
    sent += static_cast<std::size_t>(n);
    sent_any_ = true;
  }
  request_out_.erase(request_out_.begin(), request_out_.begin() + static_cast<std::ptrdiff_t>(sent));
  update_interest();
}

void Exchange::on_send_failed() {
  if (sent_any_) {
    // It may have answered before it closed; what it said decides.
    send_failed_ = true;
    request_out_.clear();
    return update_interest();
  }
  // Nothing left this side, so a second try is safe whatever the method.
  if (!upstream_->reused()) return workload_failed(unavailable());
  connect(Origin::kFresh);
  if (!over_) flush_request();
}

void Exchange::on_upstream(bool readable, bool writable, bool hung_up) {
  if (writable && !request_out_.empty()) {
    flush_request();
    if (!over_ && request_out_.empty()) {
      update_deadline();
      caller_.body_accepted();
    }
    if (over_) return;
  }
  if ((readable || hung_up) && !caller_.blocked()) read_response();
}

void Exchange::read_response() {
  Scratch& scratch = environment_.scratch;
  const ssize_t got = ::recv(upstream_->descriptor(), scratch.input.data(), scratch.input.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return on_upstream_ended(got == 0);
  const ByteView bytes(scratch.input.data(), static_cast<std::size_t>(got));
  if (status_ != 0) return relay_response_body(bytes, scratch.fresh_output());
  if (response_part_.empty()) {
    if (const auto rest = take_response_head(bytes)) relay_response_body(*rest, scratch.output);
    return;
  }
  Bytes whole = std::exchange(response_part_, {});
  append(whole, bytes);
  if (const auto rest = take_response_head(whole)) relay_response_body(*rest, scratch.output);
}

// What follows the final head, once that is there; interim answers are stepped over (the server says 100 itself).
std::optional<ByteView> Exchange::take_response_head(ByteView bytes) {
  net::HttpHead& head = environment_.scratch.head;
  while (true) {
    const auto size = net::parse_response_head(bytes, kWorkloadLimits, method_, head);
    if (!size || (*size && head.status == 101)) {
      workload_failed(bad_answer());
      return std::nullopt;
    }
    if (!*size) {
      response_part_.assign(bytes.begin(), bytes.end());
      return std::nullopt;
    }
    bytes = bytes.subspan(**size);
    if (head.status >= 200) break;
  }
  begin_response(head, environment_.scratch.fresh_output());
  return bytes;
}

void Exchange::begin_response(const net::HttpHead& head, Bytes& out) {
  status_ = head.status;
  response_ = net::BodyTracker(head.framing, head.content_length);
  response_keep_alive_ = head.keep_alive;
  // The rest of a request that was answered early is not worth waiting for.
  if (!request_.whole()) protocol_.persistence = Persistence::kClose;
  BodyAnnouncement body;
  switch (head.framing) {
    case net::Framing::kLength: body.length = head.content_length; break;
    case net::Framing::kNone:
      if (head.status != 204 && head.header("content-length")) body.length = head.content_length;
      break;
    case net::Framing::kChunked:
    case net::Framing::kUntilClose:
      rechunk_response_ = body.chunked = protocol_.minor_version >= 1;
      if (!body.chunked) protocol_.persistence = Persistence::kClose;
      break;
  }
  append_response_head(out, head, body, protocol_);
}

void Exchange::relay_response_body(ByteView bytes, Bytes& out) {
  std::size_t used = 0;
  bool done = response_.whole();
  ByteView direct;  // a run of payload that needs no framing and no head before it
  std::optional<ChunkWriter> chunk;
  if (rechunk_response_ && !bytes.empty()) chunk.emplace(out, bytes.size());
  while (!done && used < bytes.size()) {
    const auto piece = response_.next(bytes.subspan(used));
    if (!piece) return workload_failed(bad_answer());
    used += piece->wire;
    done = piece->done;
    if (piece->payload.empty()) continue;
    if (wants_payload_) observer_->on_response_payload(piece->payload);
    if (!chunk && out.empty() && direct.empty()) {
      direct = piece->payload;
      continue;
    }
    append(out, std::exchange(direct, {}));
    append(out, piece->payload);
  }
  if (chunk) chunk->close();
  if (done && rechunk_response_) append(out, kLastChunk);
  answer_begun_ = true;
  caller_.send(direct.empty() ? ByteView(out) : direct);
  if (over_) return;
  if (done) return complete(used == bytes.size());
  update_interest();
  update_deadline();
}

void Exchange::on_upstream_ended(bool in_order) {
  if (status_ == 0) {
    if (try_again()) return;
    return workload_failed(sent_any_ ? bad_answer() : unavailable());
  }
  if (in_order) response_.transport_ended_in_order();
  if (!response_.whole()) return workload_failed(bad_answer());
  if (rechunk_response_) caller_.send(as_bytes(kLastChunk));
  if (!over_) complete(false);
}

// An idle connection that the workload closed while a request was on its way: harmless to repeat when the method is.
bool Exchange::try_again() {
  if (!upstream_->reused() || request_head_.empty() || !response_part_.empty()) return false;
  request_out_ = std::exchange(request_head_, {});
  sent_any_ = send_failed_ = false;
  connect(Origin::kFresh);
  if (!over_) flush_request();
  return true;
}

void Exchange::on_caller_unblocked() {
  update_interest();
  update_deadline();
}

void Exchange::on_timeout() {
  if (caller_.blocked() || (wants_request() && answer_begun_)) {
    end(Ending::kCallerLeft, status_);
    return caller_.break_off();
  }
  if (wants_request()) {
    return caller_failed(refuse(408, "server.body_timeout", "the body did not arrive in time"));
  }
  workload_failed(refuse(504, "server.workload_timeout", "the workload did not answer in time", kRetryAfter));
}

void Exchange::complete(bool reusable) {
  if (reusable && response_keep_alive_ && !streams_body_ && request_.whole() && request_out_.empty() && !send_failed_) {
    environment_.pool.give_back(std::move(upstream_));
  }
  end(Ending::kComplete, status_);
  caller_.answered(protocol_.persistence);
}

void Exchange::workload_failed(LocalResponse instead) {
  end(Ending::kWorkloadFailed, answer_begun_ ? status_ : instead.status);
  stop_with(std::move(instead));
}

void Exchange::caller_failed(LocalResponse instead) {
  instead.close = true;
  end(Ending::kCallerLeft, answer_begun_ ? status_ : instead.status);
  ++environment_.metrics.refused_by_server;
  stop_with(std::move(instead));
}

void Exchange::stop_with(LocalResponse instead) {
  if (answer_begun_) caller_.break_off();
  else caller_.answer_instead(std::move(instead));
}

void Exchange::end(Ending ending, int status) {
  over_ = true;
  ServerMetrics& metrics = environment_.metrics;
  --metrics.in_flight_now;
  switch (ending) {
    case Ending::kComplete: ++metrics.completed; break;
    case Ending::kCallerLeft: ++metrics.callers_left; break;
    case Ending::kWorkloadFailed: ++metrics.workload_failed; break;
  }
  upstream_.reset();
  drop_collected();
  if (observer_) observer_->on_end(ending, status);
  observer_.reset();
}

void Exchange::update_interest() {
  if (upstream_) upstream_->want(!caller_.blocked(), !request_out_.empty());
}

void Exchange::update_deadline() {
  const ServerLimits& limits = environment_.limits;
  if (caller_.blocked()) return caller_.wait_at_most(limits.body_timeout);
  if (!wants_request()) return caller_.wait_at_most(limits.response_timeout);
  caller_.wait_at_most(limits.patience(environment_.loop.now() - begun_, body_size_));
}

}  // namespace gateway::server
