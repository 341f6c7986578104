#include "egress/https_call.h"

#include <array>

#include "net/http.h"

namespace gateway::egress {
namespace {

constexpr std::size_t kChunk = 16UZ * 1024;
constexpr std::size_t kMaxAttempts = 3;

}  // namespace

HttpsCall::HttpsCall(net::Loop& loop, Outlet& outlet, Resolver& resolver, channel::TlsContext tls, Service service,
                     Bytes request, Done done)
    : loop_(loop),
      outlet_(outlet),
      resolver_(resolver),
      context_(std::move(tls)),
      service_(std::move(service)),
      request_(std::move(request)),
      done_(std::move(done)) {}

HttpsCall::~HttpsCall() {
  *alive_ = false;
  if (ticket_) outlet_.cancel(*ticket_);
  wipe(request_);
}

void HttpsCall::start() {
  timer_ = loop_.timer(
      [this] { finish(fail(ErrorCode::kUnavailable, "egress.timeout", "the service did not answer in time")); });
  timer_->arm(kPatience);
  loop_.defer([this, alive = alive_] {
    if (*alive) resolve(kDnsA);
  });
}

void HttpsCall::resolve(DnsType type) {
  resolver_.resolve(
      service_.name, type,
      [this, type, alive = alive_](const Result<Resolver::Resolved>& resolved) {
        if (!*alive || finished_) return;
        if (!resolved) return finish(std::unexpected(resolved.error()));
        addresses_ = resolved->addresses;
        if (!addresses_.empty()) return connect();
        if (type == kDnsA) return resolve(kDnsAaaa);
        finish(fail(ErrorCode::kUnavailable, "egress.no_address", "the service's name has no address"));
      },
      true);
}

void HttpsCall::connect() {
  if (addresses_.size() > kMaxAttempts) addresses_.resize(kMaxAttempts);
  const net::EgressTarget target{service_.name, {addresses_.front(), service_.port}};
  addresses_.erase(addresses_.begin());
  ticket_ = outlet_.ask(net::EgressKind::kConnect, net::encode_target(target),
                        [this](Result<Outlet::Way> way) { on_way(std::move(way)); });
}

void HttpsCall::on_way(Result<Outlet::Way> way) {
  ticket_.reset();
  if (!way && way.error().code() == ErrorCode::kUnavailable && !addresses_.empty()) return connect();
  if (!way) return finish(std::unexpected(way.error()));
  auto stream = channel::TlsStream::connect(context_, std::move(way->socket), service_.name);
  if (!stream) return finish(std::unexpected(stream.error()));
  stream_ = *std::move(stream);
  source_ = loop_.watch(stream_->descriptor(), [this](bool, bool, bool) { on_event(); });
  on_event();
}

void HttpsCall::on_event() {
  if (const Status ok = exchange(); !ok) return finish(std::unexpected(ok.error()));
  if (answer_) finish(*std::move(answer_));
}

Status HttpsCall::exchange() {
  using channel::Progress;
  if (!established_) {
    GATEWAY_ASSIGN(const Progress progress, stream_->handshake());
    if (progress != Progress::kDone) {
      source_->want(true, progress == Progress::kWantWrite);
      return {};
    }
    established_ = true;
  }
  while (sent_ < request_.size()) {
    GATEWAY_ASSIGN(const auto sent, stream_->write(ByteView(request_).subspan(sent_)));
    sent_ += sent.bytes;
    if (sent.progress == Progress::kDone) continue;
    source_->want(true, sent.progress == Progress::kWantWrite);
    return {};
  }
  while (!answer_) {
    std::array<std::uint8_t, kChunk> chunk;
    GATEWAY_ASSIGN(const auto got, stream_->read(chunk));
    append(received_, ByteView(chunk).first(got.bytes));
    if (received_.size() > kMaxAnswer) {
      return fail(ErrorCode::kLimitExceeded, "egress.answer_size", "the service's answer is too long");
    }
    GATEWAY_ASSIGN(const bool whole, read_answer());
    if (whole) break;
    if (got.progress == Progress::kClosedInOrder) {
      return fail(ErrorCode::kMalformed, "egress.answer", "the service's answer ends too early");
    }
    if (got.bytes == 0) {
      source_->want(true, got.progress == Progress::kWantWrite);
      break;
    }
  }
  return {};
}

// The head is parsed anew each time: answers are small and come in a piece or two.
Result<bool> HttpsCall::read_answer() {
  net::HttpHead head;
  GATEWAY_ASSIGN(const auto size, net::parse_response_head(received_, {.max_head = 32UZ * 1024}, "POST", head));
  if (!size) return false;
  net::BodyTracker tracker(head.framing, head.content_length);
  HttpsAnswer answer{.status = head.status, .body = {}};
  for (ByteView rest = ByteView(received_).subspan(*size); !tracker.whole();) {
    GATEWAY_ASSIGN(const auto piece, tracker.next(rest));
    append(answer.body, piece.payload);
    rest = rest.subspan(piece.wire);
    if (piece.done) break;
    if (piece.wire == 0) return false;
  }
  // An answer that only the end of the stream ends would be one that can be cut short.
  if (head.framing == net::Framing::kUntilClose) {
    return fail(ErrorCode::kMalformed, "egress.answer", "the service's answer says not how long it is");
  }
  answer_ = std::move(answer);
  return true;
}

void HttpsCall::finish(Result<HttpsAnswer> result) {
  if (finished_) return;
  finished_ = true;
  timer_->disarm();
  source_.reset();
  done_(std::move(result));
}

}  // namespace gateway::egress
