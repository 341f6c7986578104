#include "client/testing/fake_enclave.h"

#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>

#include "net/address.h"
#include "net/http.h"

namespace gateway::client::testing {
namespace {

using attestation::AttestationResponse;
using channel::Progress;
using channel::TlsStream;

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "fake enclave: %s\n", result.error().message().c_str());
    std::abort();
  }
  return std::move(*result);
}

class MemoryDevice final : public attester::NsmDevice {
 public:
  explicit MemoryDevice(attester::VirtualNsm& nsm) : nsm_(nsm) {}
  Result<Bytes> transact(ByteView request) override { return nsm_.answer(request); }

 private:
  attester::VirtualNsm& nsm_;
};

std::array<ByteArray<48>, 3> registers(std::uint8_t fill) {
  std::array<ByteArray<48>, 3> out;
  for (auto& pcr : out) pcr.fill(fill++);
  return out;
}

bool ready(int fd, Progress wanted, const std::atomic<bool>& stopping) {
  while (!stopping) {
    pollfd p{.fd = fd, .events = static_cast<short>(wanted == Progress::kWantWrite ? POLLOUT : POLLIN), .revents = 0};
    if (::poll(&p, 1, 20) > 0) return true;
  }
  return false;
}

const std::atomic<bool> kNever{false};

}  // namespace

Moment ManualClock::now() const {
  const std::lock_guard lock(mutex_);
  return moment_;
}
void ManualClock::advance(std::chrono::milliseconds by) {
  const std::lock_guard lock(mutex_);
  moment_.wall += by;
  moment_.running += by;
}
void ManualClock::set_wall_back(std::chrono::milliseconds by) {
  const std::lock_guard lock(mutex_);
  moment_.wall -= by;
}
void ManualClock::restore_snapshot(std::chrono::milliseconds later) {
  const std::lock_guard lock(mutex_);
  moment_.wall += later;
}

bool ServerSide::wait(Progress wanted) { return ready(stream_.descriptor(), wanted, stopping_); }

bool ServerSide::handshake() {
  for (;;) {
    const auto progress = stream_.handshake();
    if (!progress) return false;
    if (*progress == Progress::kDone) return true;
    if (!wait(*progress)) return false;
  }
}

bool ServerSide::write(std::string_view text) { return write(as_bytes(text)); }

bool ServerSide::write(ByteView bytes) {
  while (!bytes.empty()) {
    const auto result = stream_.write(bytes);
    if (!result || result->progress == Progress::kClosedInOrder) return false;
    bytes = bytes.subspan(result->bytes);
    if (result->progress != Progress::kDone && !wait(result->progress)) return false;
  }
  return true;
}

bool ServerSide::fill() {
  std::array<std::uint8_t, 16384> part;
  for (;;) {
    const auto result = stream_.read(part);
    if (!result || result->progress == Progress::kClosedInOrder) return false;
    if (result->bytes > 0) {
      buffer_.append(as_text(ByteView(part).first(result->bytes)));
      return true;
    }
    if (!wait(result->progress)) return false;
  }
}

std::string ServerSide::Seen::target() const {
  const std::size_t from = head.find(' ') + 1;
  return head.substr(from, head.find(' ', from) - from);
}

std::optional<ServerSide::Seen> ServerSide::read_request() {
  net::HttpHead head;
  std::optional<std::size_t> size;
  for (;;) {
    auto parsed = net::parse_request_head(as_bytes(buffer_), {.max_head = 64UZ * 1024}, head);
    if (!parsed) return std::nullopt;
    size = *parsed;
    if (size) break;
    if (!fill()) return std::nullopt;
  }
  Seen seen{.head = buffer_.substr(0, *size), .body = {}};
  net::BodyTracker body(head.framing, head.content_length);
  buffer_.erase(0, *size);
  while (!body.whole()) {
    const auto piece = body.next(as_bytes(buffer_));
    if (!piece) return std::nullopt;
    seen.body.append(as_text(piece->payload));
    buffer_.erase(0, piece->wire);
    if (piece->done) break;
    if (piece->wire == 0 && !fill()) return std::nullopt;
  }
  return seen;
}

bool ServerSide::peer_left() {
  while (fill()) {
  }
  return !stopping_;
}

void ServerSide::close_in_order() {
  (void)stream_.shut_down();
  ::shutdown(stream_.descriptor(), SHUT_WR);
}

void ServerSide::cut() { ::shutdown(stream_.descriptor(), SHUT_WR); }

std::unique_ptr<UncheckedClient> UncheckedClient::connect(const std::string& endpoint) {
  auto socket = must(net::connect_to(must(net::Address::parse_host_port(endpoint)), 5000));
  static const channel::TlsContext context = must(channel::TlsContext::client());
  std::unique_ptr<UncheckedClient> client(
      new UncheckedClient(must(TlsStream::connect(context, std::move(socket), {}))));
  for (;;) {
    const Progress progress = must(client->stream_.handshake());
    if (progress == Progress::kDone) return client;
    ready(client->stream_.descriptor(), progress, kNever);
  }
}

Bytes UncheckedClient::get(const std::string& target) {
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
  (void)must(stream_.write(as_bytes(request)));
  Bytes buffer;
  net::HttpHead head;
  for (;;) {
    std::array<std::uint8_t, 16384> part;
    const auto result = must(stream_.read(part));
    append(buffer, ByteView(part).first(result.bytes));
    if (const auto size = must(net::parse_response_head(buffer, {}, "GET", head));
        size && buffer.size() == *size + head.content_length) {
      return Bytes(buffer.begin() + static_cast<std::ptrdiff_t>(*size), buffer.end());
    }
    if (result.bytes == 0) ready(stream_.descriptor(), result.progress, kNever);
  }
}

const attester::LocalRoot& FakeEnclave::shared_root() {
  static const attester::LocalRoot root = must(attester::LocalRoot::create(SystemClock().now()));
  return root;
}

FakeEnclave::FakeEnclave(Knobs given)
    : knobs_(std::move(given)),
      clock_(knobs_.clock),
      nsm_(std::make_unique<attester::VirtualNsm>(knobs_.root ? *knobs_.root : shared_root(), "local-test",
                                                  registers(knobs_.pcr_fill), clock_, knobs_.mode)),
      device_(
          std::make_unique<attester::NsmClient>(std::make_unique<MemoryDevice>(*nsm_), attestation::Platform::kLocal)),
      identity_(must(crypto::PrivateKey::generate(crypto::KeyType::kP256))),
      tls_(must(channel::make_server_identity(must(crypto::PrivateKey::generate(crypto::KeyType::kP256)), clock_.now(),
                                              std::nullopt))),
      context_(must(channel::TlsContext::server(tls_.certificate, tls_.key))),
      listener_(must(net::listen_on(must(net::Address::parse_host_port("127.0.0.1:0"))))),
      port_(must(net::local_port(listener_.get()))) {
  k_ = attestation::encode_keys({.platform = knobs_.platform_in_k,
                                 .ik_spki = identity_.public_key().spki(),
                                 .hpke_config = {},
                                 .config_digest = crypto::sha384(as_bytes(knobs_.config)),
                                 .manifest_digest = {}});
  acceptor_ = std::thread([this] { accept_loop(); });
}

FakeEnclave::~FakeEnclave() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

FakeEnclave::Knobs FakeEnclave::knobs() const {
  const std::lock_guard lock(mutex_);
  return knobs_;
}

void FakeEnclave::set_knobs(const std::function<void(Knobs&)>& change) {
  const std::lock_guard lock(mutex_);
  change(knobs_);
}

attestation::Policy FakeEnclave::policy(Duration max_age) const {
  const Knobs now = knobs();
  attestation::PolicyEntry entry;
  entry.platform = attestation::Platform::kLocal;
  entry.root_sha256 = crypto::sha256((now.root ? *now.root : shared_root()).certificate.der());
  const auto pcrs = registers(now.pcr_fill);
  for (unsigned i = 0; i < pcrs.size(); ++i) entry.measurements[i] = to_bytes(ByteView(pcrs[i]));
  entry.config = crypto::sha384(as_bytes(now.config));
  entry.max_age = max_age;
  return {.accept = {entry}};
}

void FakeEnclave::accept_loop() {
  while (ready(listener_.get(), Progress::kWantRead, stopping_)) {
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    net::set_no_delay(socket.get());
    ++connections_;
    threads_.emplace_back([this, fd = socket.release()] { serve(net::Descriptor(fd)); });
  }
}

void FakeEnclave::serve(net::Descriptor socket) {
  auto stream = TlsStream::accept(context_, std::move(socket));
  if (!stream) return;
  ServerSide side(std::move(*stream), stopping_);
  if (!side.handshake()) return;
  while (auto seen = side.read_request()) {
    if (seen->target().starts_with(attestation::kAttestationPath)) {
      ++attestations_;
      if (!answer_attestation(side, seen->target())) return;
      continue;
    }
    ++requests_;
    if (const auto workload = knobs().serve) {
      if (!workload(side, *seen)) return;
    } else if (!side.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(seen->body.size()) + "\r\n\r\n" +
                           seen->body)) {
      return;
    }
  }
}

bool FakeEnclave::answer_attestation(ServerSide& side, const std::string& target) {
  const Knobs now = knobs();
  if (target.find("fresh=1") != std::string::npos) ++fresh_;
  if (now.attestation_answer) {
    if (!side.write(now.attestation_answer(target))) return false;
    if (now.close_after_answer) side.close_in_order();
    return !now.close_after_answer;
  }
  Bytes body;
  if (now.attestation_body) {
    body = now.attestation_body(target);
  } else {
    AttestationResponse response = attest(target, side.stream());
    if (now.tamper) now.tamper(response);
    body = attestation::encode_response(response);
  }
  return side.write("HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n") &&
         side.write(body);
}

AttestationResponse FakeEnclave::attest(const std::string& target, const TlsStream& stream) {
  const Knobs now = knobs();
  attestation::Nonce nonce{};
  const auto bytes = from_hex(target.substr(target.find("nonce=") + 6, 64));
  std::copy(bytes->begin(), bytes->end(), nonce.begin());
  const std::lock_guard lock(mutex_);
  const bool fresh = target.find("fresh=1") != std::string::npos;
  if (evidence_.empty() || (fresh && !now.reuse_evidence)) {
    q_ = attestation::encode_quote(k_, std::span(&nonce, 1));
    evidence_ = must(device_->attest(attestation::report_data_of(q_), ByteView(nonce)));
  }
  const Bytes s = attestation::encode_session({.role = attestation::SessionRole::kServer,
                                               .keys_digest = crypto::sha384(k_),
                                               .nonce = nonce,
                                               .exporter = must(stream.exporter(nonce)),
                                               .server_spki = tls_.spki_sha256});
  return {.q = q_,
          .evidence = evidence_,
          .s = s,
          .signature = must(identity_.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, s)),
          .collateral = {}};
}

}  // namespace gateway::client::testing
