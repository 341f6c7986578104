#include "runtime/evidence.h"

#include <algorithm>

#include "base/log.h"
#include "runtime/admission.h"

namespace gateway::runtime {

using attestation::Nonce;

// The worker sleeps until a job is there; `service` is cleared when the service goes, so that a quote which ends
// later is dropped.
struct EvidenceService::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<std::vector<Nonce>> job;
  bool stop = false;
  EvidenceService* service = nullptr;  // on the loop's thread alone
};

namespace {

enum class Freshness : std::uint8_t { kCurrent, kFresh };
struct EvidenceQuery {
  Nonce nonce{};
  Freshness freshness = Freshness::kCurrent;
};

// nonce=<64 hex digits>[&fresh=1], in either order, each at most once, nothing else.
std::optional<EvidenceQuery> parse_query(std::string_view query) {
  std::optional<Nonce> nonce;
  bool fresh = false;
  while (true) {
    const std::size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    if (part.starts_with("nonce=") && !nonce) {
      const auto bytes = from_hex(part.substr(6));
      if (!bytes || bytes->size() != 32) return std::nullopt;
      nonce.emplace();
      std::ranges::copy(*bytes, nonce->begin());
    } else if (part == "fresh=1" && !fresh) {
      fresh = true;
    } else {
      return std::nullopt;
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  if (!nonce) return std::nullopt;
  return EvidenceQuery{*nonce, fresh ? Freshness::kFresh : Freshness::kCurrent};
}

server::LocalResponse busy() {
  return server::refuse(503, "evidence.busy", "too many callers wait for evidence", retry_after(1));
}
server::LocalResponse unavailable() {
  return server::refuse(503, "evidence.unavailable", "the attestation device does not answer", retry_after(5));
}

}  // namespace

Result<EvidenceService::Quote> EvidenceService::make_quote(attester::Attester& attester, ByteView k,
                                                           const std::vector<Nonce>& nonces) {
  Quote quote{.q = attestation::encode_quote(k, nonces), .evidence = {}};
  std::optional<ByteView> first;  // for foreign verifiers only; ours look into Q
  if (!nonces.empty()) first = nonces.front();
  GATEWAY_ASSIGN(quote.evidence, attester.attest(attestation::report_data_of(quote.q), first));
  return quote;
}

EvidenceService::EvidenceService(net::Loop& loop, attester::Attester& attester, const Identity& identity)
    : loop_(loop), attester_(attester), identity_(identity), shared_(std::make_shared<Shared>()) {
  shared_->service = this;
}

Result<std::unique_ptr<EvidenceService>> EvidenceService::start(net::Loop& loop, attester::Attester& attester,
                                                                const Identity& identity) {
  std::unique_ptr<EvidenceService> service(new EvidenceService(loop, attester, identity));
  GATEWAY_ASSIGN(service->current_, make_quote(attester, identity.k, {}));
  service->quoted_at_ = std::chrono::steady_clock::now();
  service->metrics_.quotes = 1;
  service->worker_ = std::thread([raw = service.get()] { raw->work(); });
  return service;
}

EvidenceService::~EvidenceService() {
  shared_->service = nullptr;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
  }
  shared_->changed.notify_one();
  if (worker_.joinable()) worker_.join();
}

// The worker's thread: reads attester_ and identity_.k, which do not change, and nothing else of this object.
void EvidenceService::work() {
  while (true) {
    std::vector<Nonce> nonces;
    {
      std::unique_lock lock(shared_->mutex);
      shared_->changed.wait(lock, [this] { return shared_->stop || shared_->job; });
      if (shared_->stop) return;
      nonces = std::move(*shared_->job);
      shared_->job.reset();
    }
    auto quote = std::make_shared<Result<Quote>>(make_quote(attester_, identity_.k, nonces));
    loop_.post([shared = shared_, quote] {
      if (shared->service != nullptr) shared->service->finish_quote(std::move(*quote));
    });
  }
}

server::Decision EvidenceService::answer(std::string_view query, const server::SessionContext& session) {
  const auto asked = parse_query(query);
  if (!asked) {
    return server::refuse(400, "evidence.query",
                          "expected nonce=<64 hexadecimal digits> and optionally fresh=1, nothing else");
  }
  ++metrics_.requests;
  const auto exporter = session.exporter(asked->nonce);
  if (!exporter) return server::refuse(500, "evidence.session", "this session has no exporter");
  const bool aged = loop_.now() - quoted_at_ > kMaxQuoteAge;
  if (asked->freshness == Freshness::kCurrent && !aged) return respond_with(current_, asked->nonce, *exporter);
  if (waiting_.size() + in_flight_.size() >= kMaxWaitingForQuote) return busy();
  return server::DeferredResponse{.start = [this, nonce = asked->nonce, x = *exporter](server::Respond respond) {
    waiting_.push_back({nonce, x, std::move(respond)});
    if (!quoting_) start_quote();
  }};
}

void EvidenceService::start_quote() {
  const std::size_t count = std::min(waiting_.size(), attestation::kMaxNoncesPerQuote);
  std::vector<Nonce> nonces;
  for (std::size_t i = 0; i < count; ++i) {
    in_flight_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    if (std::ranges::find(nonces, in_flight_.back().nonce) == nonces.end()) nonces.push_back(in_flight_.back().nonce);
  }
  quoting_ = true;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->job = std::move(nonces);
  }
  shared_->changed.notify_one();
}

void EvidenceService::finish_quote(Result<Quote> quote) {
  quoting_ = false;
  std::vector<Waiting> answered;
  answered.swap(in_flight_);
  if (quote) {
    ++metrics_.quotes;
    current_ = std::move(*quote);
    quoted_at_ = loop_.now();
  } else {
    ++metrics_.failures;
    log::error(quote.error());
  }
  if (!waiting_.empty()) start_quote();  // the device works while the answers below are signed
  for (Waiting& one : answered) {
    one.respond(quote ? respond_with(current_, one.nonce, one.exporter) : unavailable());
  }
}

server::LocalResponse EvidenceService::respond_with(const Quote& quote, const Nonce& nonce,
                                                    const ByteArray<32>& exporter) const {
  attestation::AttestationResponse response{.q = quote.q,
                                            .evidence = quote.evidence,
                                            .s = {},
                                            .signature = {},
                                            .collateral = {}};  // a Nitro document brings its whole chain
  response.s = attestation::encode_session({.role = attestation::SessionRole::kServer,
                                            .keys_digest = identity_.k_digest,
                                            .nonce = nonce,
                                            .exporter = exporter,
                                            .server_spki = identity_.tls.spki_sha256});
  auto signature =
      identity_.identity_key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, response.s);
  if (!signature) return server::refuse(500, "evidence.session", "the session statement could not be signed");
  response.signature = std::move(*signature);
  return server::LocalResponse{.status = 200,
                               .media_type = attestation::kAttestationMediaType,
                               .body = attestation::encode_response(response),
                               .extra_headers = "Cache-Control: no-store\r\n"};
}

}  // namespace gateway::runtime
