#include "client/upstream_pool.h"

#include <netdb.h>
#include <sys/socket.h>

#include <array>

namespace gateway::client {
namespace {

using channel::Progress;

constexpr std::chrono::milliseconds kSweepEvery{5'000};

// The numeric address at the other end, for TCP.
std::optional<net::Address> peer_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(socket, address, &size) != 0) return std::nullopt;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return std::nullopt;
  }
  return net::Address{.kind = net::Address::Kind::kTcp,
                      .host = host.data(),
                      .cid = 0,
                      .port = static_cast<std::uint32_t>(std::strtoul(port.data(), nullptr, 10))};
}

}  // namespace

void UpstreamPool::Return::operator()(AttestedConnection* connection) const {
  delete connection;  // NOLINT(cppcoreguidelines-owning-memory): the deleter of Lease
  --pool->lent_;
  if (pool->waiting() > 0) pool->defer(&UpstreamPool::start_enough);
}

UpstreamPool::UpstreamPool(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context, Verifier& verifier,
                           PoolOptions options)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      address_(endpoint_.address),
      context_(context),
      verifier_(verifier),
      options_(options),
      self_(std::make_shared<UpstreamPool*>(this)),
      sweeper_(loop.timer([this] { sweep(); })) {}

UpstreamPool::~UpstreamPool() = default;

void UpstreamPool::defer(void (UpstreamPool::*task)()) {
  loop_.defer([self = std::weak_ptr(self_), task] {
    if (const auto pool = self.lock()) ((*pool)->*task)();
  });
}

UpstreamPool::Lease UpstreamPool::lend(std::unique_ptr<AttestedConnection> connection) {
  ++lent_;
  return {connection.release(), Return{this}};
}

UpstreamPool::Lease UpstreamPool::take() {
  for (auto entry = idle_.begin(); entry != idle_.end(); ++entry) {
    if (!entry->connection->trusted()) continue;
    auto connection = std::move(entry->connection);
    idle_.erase(entry);
    Lease lease = lend(std::move(connection));
    start_enough();
    return lease;
  }
  return {nullptr, Return{this}};
}

std::shared_ptr<UpstreamPool::Waiter> UpstreamPool::wait(std::function<void(Result<Lease>)> ready) {
  auto waiter = std::make_shared<Waiter>(Waiter{std::move(ready)});
  waiters_.push_back(waiter);
  start_enough();
  return waiter;
}

void UpstreamPool::give_back(Lease lease) {
  std::unique_ptr<AttestedConnection> connection(lease.release());
  --lent_;
  if (connection->trusted()) {
    if (hand_over(connection)) return;
    keep(std::move(connection));
  } else if (waiting() > opening_.size()) {
    start_renewal(std::move(connection));
  } else {
    keep(std::move(connection));
  }
}

void UpstreamPool::adopt(std::unique_ptr<AttestedConnection> connection) {
  if (auto peer = peer_of(connection->descriptor()); peer && address_.kind == net::Address::Kind::kTcp)
    address_ = *peer;
  if (!hand_over(connection)) keep(std::move(connection));
}

// Idle connections are watched: one that becomes readable was closed, or says what nobody asked.
void UpstreamPool::keep(std::unique_ptr<AttestedConnection> connection) {
  if (connection->stream().pending()) return;
  idle_.push_front({.connection = std::move(connection), .source = nullptr, .since = loop_.now()});
  const auto entry = idle_.begin();
  entry->source = loop_.watch(entry->connection->descriptor(), [this, entry](bool, bool, bool) { idle_.erase(entry); });
  entry->source->want(true, false);
  if (idle_.size() == 1) sweeper_->arm(kSweepEvery);
}

void UpstreamPool::sweep() {
  while (!idle_.empty() && loop_.now() - idle_.back().since > options_.idle_timeout) idle_.pop_back();
  if (!idle_.empty()) sweeper_->arm(kSweepEvery);
}

std::size_t UpstreamPool::waiting() {
  std::erase_if(waiters_, [](const auto& waiter) { return waiter.expired(); });
  return waiters_.size();
}

// True when a waiter took it.
bool UpstreamPool::hand_over(std::unique_ptr<AttestedConnection>& connection) {
  if (waiting() == 0) return false;
  later(waiters_.front(), std::move(connection));
  waiters_.pop_front();
  return true;
}

void UpstreamPool::refuse_one(const Error& error) {
  if (waiting() == 0) return;
  later(waiters_.front(), std::unexpected(error));
  waiters_.pop_front();
}

// Waiters run from the loop, not from inside whoever called.
void UpstreamPool::later(std::weak_ptr<Waiter> waiter, Result<std::unique_ptr<AttestedConnection>> outcome) {
  ready_.push_back({std::move(waiter), std::move(outcome)});
  if (ready_.size() == 1) defer(&UpstreamPool::deliver);
}

void UpstreamPool::deliver() {
  for (std::size_t left = ready_.size(); left > 0; --left) {
    Ready next = std::move(ready_.front());
    ready_.pop_front();
    const auto waiter = next.waiter.lock();
    if (waiter && next.outcome) waiter->ready(lend(std::move(*next.outcome)));
    else if (waiter) waiter->ready(std::unexpected(next.outcome.error()));
    else if (next.outcome && !hand_over(*next.outcome)) keep(std::move(*next.outcome));
  }
  if (!ready_.empty()) defer(&UpstreamPool::deliver);
}

// Opens or renews until everyone who waits has a connection under way, and a spare one where that is wanted.
void UpstreamPool::start_enough() {
  while (opening_.size() < waiting() && !idle_.empty()) {
    auto connection = std::move(idle_.front().connection);
    idle_.pop_front();
    if (connection->trusted()) hand_over(connection);
    else start_renewal(std::move(connection));
  }
  const std::size_t spare = idle_.empty() && lent_ > 0 ? options_.spare : 0;
  while (opening_.size() < waiting() + spare && total() < options_.max_connections) {
    const Status started = start_new();
    if (started) continue;
    if (waiting() == 0) return;
    refuse_one(started.error());
  }
}

Status UpstreamPool::start_new() {
  auto socket = net::start_connect(address_);
  if (!socket) {
    address_ = endpoint_.address;  // the numeric address may be an old one
    return std::unexpected(socket.error());
  }
  GATEWAY_ASSIGN(auto connection, AttestedConnection::start(context_, std::move(*socket), verifier_, endpoint_.host));
  opening_.push_back({.connection = std::move(connection), .source = nullptr, .timer = nullptr});
  watch(std::prev(opening_.end()));
  std::prev(opening_.end())->source->want(false, true);
  return {};
}

void UpstreamPool::start_renewal(std::unique_ptr<AttestedConnection> connection) {
  connection->renew();
  opening_.push_back(
      {.connection = std::move(connection), .source = nullptr, .timer = nullptr, .renewal = true, .connecting = false});
  watch(std::prev(opening_.end()));
  std::prev(opening_.end())->source->want(false, true);
}

void UpstreamPool::watch(Openings::iterator opening) {
  opening->source = loop_.watch(opening->connection->descriptor(), [this, opening](bool, bool writable, bool hung_up) {
    advance(opening, writable || hung_up);
  });
  opening->timer = loop_.timer([this, opening] {
    failed(opening, Error(ErrorCode::kUnavailable, "client.timeout", "the enclave did not answer in time",
                          "check that it runs (`gateway ps` on its host)"));
  });
  opening->timer->arm(options_.verify_timeout);
}

void UpstreamPool::advance(Openings::iterator opening, bool writable) {
  if (opening->connecting && !writable) return;
  opening->connecting = false;
  const auto progress = opening->connection->advance();
  if (!progress) return failed(opening, progress.error());
  if (*progress != Progress::kDone) {
    opening->source->want(*progress == Progress::kWantRead, *progress == Progress::kWantWrite);
    return;
  }
  auto connection = std::move(opening->connection);
  opening_.erase(opening);
  if (!hand_over(connection)) keep(std::move(connection));
}

void UpstreamPool::failed(Openings::iterator opening, const Error& error) {
  const bool renewal = opening->renewal;
  const bool unreachable = !opening->connection->verification() || renewal;
  opening_.erase(opening);
  if (unreachable) address_ = endpoint_.address;
  // A warm connection that the enclave closed in the meantime says nothing about the enclave: try a new one.
  if (renewal && exit_status(error.code()) != 1) return start_enough();
  if (waiting() > opening_.size()) refuse_one(error);
}

}  // namespace gateway::client
