#include "runtime/kms_service.h"

#include <errno.h>
#include <sys/socket.h>

#include <array>

#include "base/log.h"
#include "codec/cbor.h"
#include "image/egress.h"
#include "net/http.h"

namespace gateway::runtime {
namespace {

constexpr std::size_t kMaxRequest = 16UZ * 1024 + keys::kMaxKmsRequest;
constexpr std::chrono::seconds kDocumentLife{60};
constexpr std::chrono::minutes kCredentialsLife{5};
constexpr std::chrono::seconds kRequestTime{30};
constexpr std::string_view kLocalPrefix = "/v1/kms/";

// SHA-512(["gateway/kms/v1", SHA-384(RSA SPKI), SHA-384(K)]).
Bytes user_data_of(ByteView spki, const crypto::Sha384& keys_digest) {
  codec::CborWriter writer;
  writer.array(3).text("gateway/kms/v1").bytes(crypto::sha384(spki)).bytes(keys_digest);
  const auto digest = crypto::sha512(std::move(writer).take());
  return {digest.begin(), digest.end()};
}

// An SDK decides by these whether to try again.
struct AwsWords {
  int status;
  std::string_view type;
};
AwsWords aws_words(const Error& why) {
  switch (why.code()) {
    case ErrorCode::kPolicyRejected: return {400, "AccessDeniedException"};
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kMalformed: return {400, "ValidationException"};
    case ErrorCode::kLimitExceeded: return {503, "ThrottlingException"};
    case ErrorCode::kNotAuthentic: return {400, "InvalidCiphertextException"};
    default:
      return {why.id() == "kms.refused" ? 400 : 503,
              why.id() == "kms.refused" ? "AccessDeniedException" : "DependencyTimeoutException"};
  }
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c < 0x20 || c > 0x7e ? '?' : c);
  }
  return out + "\"";
}

}  // namespace

// One connection of the workload: one request, one answer.
class KmsService::Caller {
 public:
  Caller(KmsService& owner, net::Descriptor socket) : owner_(owner), socket_(std::move(socket)) {}
  ~Caller() { *alive_ = false; }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void start(Callers::iterator self) {
    self_ = self;
    timer_ = owner_.parts_.loop.timer([this] { end(); });
    timer_->arm(kRequestTime);
    source_ = owner_.parts_.loop.watch(socket_.get(), [this](bool readable, bool writable, bool hung_up) {
      if (answer_.size() > sent_) return writable || hung_up ? send() : void();
      if (readable) return receive();
      if (hung_up) end();
    });
    source_->want(true, false);
  }

 private:
  void receive() {
    std::array<std::uint8_t, 16UZ * 1024> chunk;
    const ssize_t got = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end();
    append(received_, ByteView(chunk).first(static_cast<std::size_t>(got)));
    const auto whole = take_request();
    if (!whole) return refuse(whole.error());
    if (!*whole) return;
    source_->want(false, false);
    timer_->disarm();
    if (!call_) return refuse(call_.error());
    ++owner_.metrics_.calls;
    owner_.prepare([this, alive = alive_](const Error* why) {
      if (!*alive) return;
      if (why != nullptr) return refuse(*why);
      ask();
    });
  }

  // Whether the request is whole; then call_ says what it asks for, or why not.
  Result<bool> take_request() {
    if (received_.size() > kMaxRequest) {
      return fail(ErrorCode::kInvalidArgument, "kms.request", "the request is too long");
    }
    net::HttpHead head;
    GATEWAY_ASSIGN(const auto size, net::parse_request_head(received_, {}, head));
    if (!size) return false;
    local_ = head.target.starts_with(kLocalPrefix);
    if (head.expect_continue && received_.size() == *size) {
      constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
      ::send(socket_.get(), kGoOn.data(), kGoOn.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    net::BodyTracker tracker(head.framing, head.content_length);
    Bytes body;
    for (ByteView rest = ByteView(received_).subspan(*size); !tracker.whole();) {
      GATEWAY_ASSIGN(const auto piece, tracker.next(rest));
      append(body, piece.payload);
      rest = rest.subspan(piece.wire);
      if (piece.done) break;
      if (piece.wire == 0) return false;
    }
    if (body.size() > keys::kMaxKmsRequest) {
      return fail(ErrorCode::kInvalidArgument, "kms.request", "the request's body is too long");
    }
    if (head.method != "POST") {
      call_ = fail(ErrorCode::kInvalidArgument, "kms.request", "only POST is answered here");
    } else if (local_) {
      call_ = keys::judge_local_call(head.target.substr(kLocalPrefix.size()), as_text(body), owner_.parts_.kms);
    } else if (head.target != "/") {
      call_ = fail(ErrorCode::kInvalidArgument, "kms.request", "there is nothing here but / and /v1/kms/");
    } else {
      call_ = keys::judge_kms_call(head.header("x-amz-target").value_or(""), as_text(body), owner_.parts_.kms);
    }
    return true;
  }

  void ask() {
    const auto& parts = owner_.parts_;
    Bytes request =
        keys::encode_kms_request(*call_, owner_.document_, parts.kms, *owner_.credentials_, parts.clock.now());
    https_ = std::make_unique<egress::HttpsCall>(
        parts.loop, parts.outlet, parts.resolver, parts.tls, owner_.service_, std::move(request),
        [this](Result<egress::HttpsAnswer> answer) { on_answer(std::move(answer)); });
    https_->start();
  }

  void on_answer(Result<egress::HttpsAnswer> answer) {
    if (!answer) return refuse(answer.error());
    auto read = keys::read_kms_answer(*call_, answer->status, answer->body, owner_.key_);
    if (!read) return refuse(read.error());
    const Secret body = local_ ? keys::encode_local_answer(*call_, *read) : keys::encode_aws_answer(*call_, *read);
    reply(200, {}, body.reveal());
  }

  void refuse(const Error& why) {
    const bool ours = why.code() == ErrorCode::kPolicyRejected || why.code() == ErrorCode::kInvalidArgument;
    ++(ours ? owner_.metrics_.refused : owner_.metrics_.failed);
    log::warning("kms.call_failed",
                 {{"why", why.id()}});  // nothing of the workload's or KMS's words: the host reads it
    const AwsWords words = aws_words(why);
    std::string text = std::string(why.id()) + ": " + why.detail();
    if (!why.remedy().empty()) text += "; " + why.remedy();
    const std::string body =
        local_ ? "{\"error\":{\"id\":" + json_text(why.id()) + ",\"message\":" + json_text(text) + "}}\n"
               : "{\"__type\":" + json_text(words.type) + ",\"message\":" + json_text(text) + "}";
    reply(words.status, words.type, as_bytes(body));
  }

  void reply(int status, std::string_view type, ByteView body) {
    std::string head = "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Refused") +
                       "\r\nContent-Type: " + (local_ ? "application/json" : "application/x-amz-json-1.1") +
                       "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n";
    if (!type.empty()) head += "X-Amzn-ErrorType: " + std::string(type) + "\r\n";
    Bytes whole = to_bytes(head + "\r\n");
    whole.reserve(whole.size() + body.size());
    append(whole, body);
    answer_ = Secret::take(std::move(whole));
    timer_->arm(kRequestTime);
    send();
  }

  void send() {
    const ssize_t sent =
        ::send(socket_.get(), answer_.reveal().data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return end();
    sent_ += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    if (sent_ < answer_.size()) return source_->want(false, true);
    ::shutdown(socket_.get(), SHUT_WR);
    end();
  }

  void end() {
    source_.reset();
    timer_->disarm();
    owner_.closed(self_);
  }

  KmsService& owner_;
  net::Descriptor socket_;
  std::unique_ptr<net::Source> source_;
  std::unique_ptr<net::Timer> timer_;
  Bytes received_;
  bool local_ = false;
  Result<keys::KmsCall> call_ = fail(ErrorCode::kInvalidArgument, "kms.request", "no request");
  std::unique_ptr<egress::HttpsCall> https_;
  Secret answer_;
  std::size_t sent_ = 0;
  Callers::iterator self_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

KmsService::KmsService(Parts parts, crypto::EnvelopeKey key) : parts_(std::move(parts)), key_(std::move(key)) {
  user_data_ = user_data_of(key_.spki(), parts_.keys_digest);
}

Result<std::unique_ptr<KmsService>> KmsService::start(Parts parts) {
  GATEWAY_ASSIGN(crypto::EnvelopeKey key, crypto::EnvelopeKey::generate());
  GATEWAY_ASSIGN(const image::EgressEntry endpoint, image::parse_egress_entry(parts.kms.endpoint));
  std::unique_ptr<KmsService> service(new KmsService(std::move(parts), std::move(key)));
  service->service_ = {endpoint.name, endpoint.port};
  service->parts_.resolver.trust(endpoint.name);
  return service;
}

KmsService::~KmsService() {
  close();
  life_.reset();
  if (credentials_ticket_) parts_.outlet.cancel(*credentials_ticket_);
  if (worker_.joinable()) worker_.join();
}

void KmsService::open(net::Descriptor listener) {
  close();
  listener_ = std::move(listener);
  if (!listener_.valid()) return;
  source_ = parts_.loop.watch(listener_.get(), [this](bool, bool, bool) { on_caller(); });
  source_->want(true, false);
}

void KmsService::close() {
  source_.reset();
  listener_.reset();
  callers_.clear();
  gone_.clear();
}

// Those beyond the bound wait in the listener's backlog.
void KmsService::on_caller() {
  while (callers_.size() < kMaxCallers) {
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    callers_.push_front(std::make_unique<Caller>(*this, std::move(socket)));
    callers_.front()->start(callers_.begin());
  }
  source_->want(false, false);
}

void KmsService::closed(Callers::iterator caller) {
  gone_.splice(gone_.begin(), callers_, caller);  // it is on the stack of its own callback
  parts_.loop.defer([this, life = std::weak_ptr(life_)] {
    if (!life.expired()) gone_.clear();
  });
  if (source_) source_->want(true, false);
}

void KmsService::prepare(Waiting ready) {
  const auto now = std::chrono::steady_clock::now();
  const bool stale_document = now >= document_until_;
  const bool stale_credentials = now >= credentials_until_;
  if (!stale_document && !stale_credentials) return ready(nullptr);
  waiting_.push_back(std::move(ready));
  if (stale_document && !renewing_document_) renew_document();
  if (stale_credentials && !credentials_ticket_) renew_credentials();
}

// The device may take its time: never on the loop.
void KmsService::renew_document() {
  renewing_document_ = true;
  if (worker_.joinable()) worker_.join();  // it has posted already
  worker_ = std::thread([this, loop = &parts_.loop, life = std::weak_ptr(life_)] {
    auto document = std::make_shared<Result<Bytes>>(parts_.attester.attest_key(user_data_, key_.spki()));
    loop->post([this, life, document] {
      if (life.expired()) return;
      renewing_document_ = false;
      if (*document) {
        document_ = *std::move(*document);
        document_until_ = std::chrono::steady_clock::now() + kDocumentLife;
        return settle();
      }
      log::warning("kms.no_document", {{"why", document->error().id()}});
      const auto waiting = std::move(waiting_);
      waiting_.clear();
      for (const Waiting& each : waiting) each(&document->error());
    });
  });
}

void KmsService::renew_credentials() {
  credentials_ticket_ = parts_.outlet.ask(net::EgressKind::kCredentials, {}, [this](Result<egress::Outlet::Way> way) {
    credentials_ticket_.reset();
    auto read = way ? keys::parse_credentials(way->answer) : std::unexpected(way.error());
    if (way) wipe(way->answer);
    if (read) {
      credentials_ = *std::move(read);
      credentials_until_ = std::chrono::steady_clock::now() + kCredentialsLife;
      return settle();
    }
    const Error why(ErrorCode::kUnavailable, "kms.credentials",
                    "the host passes on no credentials of AWS: " + read.error().detail(),
                    "set aws_credentials in gatewayd's [egress], and give the instance a role");
    const auto waiting = std::move(waiting_);
    waiting_.clear();
    for (const Waiting& each : waiting) each(&why);
  });
}

void KmsService::settle() {
  const auto now = std::chrono::steady_clock::now();
  if (now >= document_until_ || now >= credentials_until_) return;
  const auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const Waiting& each : waiting) each(nullptr);
}

}  // namespace gateway::runtime
