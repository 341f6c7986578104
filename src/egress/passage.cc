#include "egress/passage.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "egress/client_hello.h"
#include "net/address.h"

namespace gateway::egress {
namespace {

constexpr std::size_t kChunk = 16UZ * 1024;
constexpr std::size_t kMaxAttempts = 4;

Error not_allowed() {
  return Error(ErrorCode::kPolicyRejected, "egress.refused", "the image does not allow this destination",
               "add it to [egress] allow in the image's specification and build it again");
}

ProxyRefusal words_for(const Error& why) {
  switch (why.code()) {
    case ErrorCode::kMalformed: return ProxyRefusal::kMalformed;
    case ErrorCode::kLimitExceeded: return ProxyRefusal::kBusy;
    case ErrorCode::kPolicyRejected: return ProxyRefusal::kForbidden;
    default: return why.id() == "egress.timeout" ? ProxyRefusal::kTimedOut : ProxyRefusal::kUnreachable;
  }
}

}  // namespace

Passage::Passage(PassageWorld& world, net::Descriptor workload, std::function<void()> closed)
    : world_(world), workload_(std::move(workload)), closed_(std::move(closed)) {
  net::set_no_delay(workload_.get());
  timer_ = world_.loop.timer([this] {
    refuse(Error(ErrorCode::kUnavailable, "egress.timeout", "the program did not say what it wants in time"));
  });
  source_ =
      world_.loop.watch(workload_.get(), [this](bool readable, bool, bool hung_up) { on_event(readable, hung_up); });
  ++world_.metrics.open;
}

Passage::~Passage() {
  *alive_ = false;
  if (ticket_) world_.outlet.cancel(*ticket_);
  --world_.metrics.open;
}

void Passage::start_proxied() {
  timer_->arm(kPatience);
  source_->want(true, false);
}

void Passage::start_transparent(const net::IpEndpoint& wanted) {
  transparent_ = true;
  wanted_ = {{}, wanted.address, wanted.port};
  addresses_ = {wanted.address};
  if (wanted.address.special()) return refuse(not_allowed());
  std::optional<Carry> carry;
  if (world_.policy.by_address(wanted)) carry = Carry::kAnything;
  for (std::string& name : world_.resolver.names_of(wanted.address)) {
    const auto by_name = world_.policy.by_name(name, wanted.port);
    if (!by_name) continue;
    // Of two names at one address the one that is held to less decides: it opens the address anyway.
    if (!carry || *by_name == Carry::kAnything) carry = by_name;
    names_.push_back(std::move(name));
  }
  if (!carry) return refuse(not_allowed());
  carry_ = *carry;
  if (!names_.empty()) wanted_.name = names_.front();
  if (carry_ != Carry::kTls) return connect();
  stage_ = Stage::kHello;
  timer_->arm(kPatience);
  source_->want(true, false);
}

void Passage::on_event(bool readable, bool hung_up) {
  std::array<std::uint8_t, kChunk> chunk;
  ssize_t got = -1;
  if (readable && (stage_ == Stage::kRequest || stage_ == Stage::kHello)) {
    got = ::recv(workload_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return close(true);
    const ByteView bytes = ByteView(chunk).first(static_cast<std::size_t>(got));
    return stage_ == Stage::kRequest ? on_request(bytes) : on_hello(bytes);
  }
  if (hung_up) close(true);
}

void Passage::on_request(ByteView bytes) {
  auto step = request_.take(bytes);
  if (!step) return refuse(step.error());
  if (!step->reply.empty() && !say(step->reply)) return close(true);
  if (step->wanted) decide(*std::move(step->wanted));
}

void Passage::decide(Wanted wanted) {
  timer_->disarm();
  source_->want(false, false);
  wanted_ = std::move(wanted);
  if (wanted_.address) {
    if (!world_.policy.by_address({*wanted_.address, wanted_.port})) return refuse(not_allowed());
    carry_ = Carry::kAnything;
    addresses_ = {*wanted_.address};
    return connect();
  }
  const auto carry = world_.policy.by_name(wanted_.name, wanted_.port);
  if (!carry) return refuse(not_allowed());
  carry_ = *carry;
  names_ = {wanted_.name};
  stage_ = Stage::kResolving;
  resolve(kDnsA);
}

void Passage::resolve(DnsType type) {
  world_.resolver.resolve(wanted_.name, type, [this, type, alive = alive_](const Result<Resolver::Resolved>& resolved) {
    if (!*alive) return;
    if (!resolved) return refuse(resolved.error());
    addresses_ = resolved->addresses;
    if (!addresses_.empty()) return connect();
    if (type == kDnsA) return resolve(kDnsAaaa);
    refuse(Error(ErrorCode::kUnavailable, "egress.no_address", "the name has no address"));
  });
}

void Passage::connect() {
  stage_ = Stage::kConnecting;
  if (addresses_.size() > kMaxAttempts) addresses_.resize(kMaxAttempts);
  const net::EgressTarget target{wanted_.name, {addresses_.front(), wanted_.port}};
  addresses_.erase(addresses_.begin());
  ticket_ = world_.outlet.ask(net::EgressKind::kConnect, net::encode_target(target),
                              [this](Result<Outlet::Way> way) { on_way(std::move(way)); });
}

void Passage::on_way(Result<Outlet::Way> way) {
  ticket_.reset();
  if (!way && way.error().code() == ErrorCode::kUnavailable && !addresses_.empty()) return connect();
  if (!way) return refuse(way.error());
  way_ = std::move(way->socket);
  if (transparent_) return reached();
  if (!say(proxy_accepts(request_.kind()))) return close(true);
  first_ = request_.take_rest();
  if (carry_ != Carry::kTls) return reached();
  stage_ = Stage::kHello;
  timer_->arm(kPatience);
  source_->want(true, false);
  on_hello({});
}

void Passage::on_hello(ByteView bytes) {
  append(first_, bytes);
  if (first_.empty()) return;
  const auto name = server_name_of(first_);
  if (!name) return refuse(name.error());
  if (!*name) return;
  if (std::ranges::find(names_, **name) == names_.end()) {
    return refuse(Error(ErrorCode::kPolicyRejected, "egress.server_name",
                        "TLS names another server than the one that was asked for",
                        "the destination is in egress.allow, so the connection must be TLS to its name"));
  }
  timer_->disarm();
  wanted_.name = **name;
  if (transparent_ && !way_.valid()) {
    source_->want(false, false);
    return connect();
  }
  reached();
}

void Passage::reached() {
  ++world_.metrics.opened;
  counted_ = true;
  carry();
}

void Passage::carry() {
  stage_ = Stage::kCarrying;
  source_.reset();
  if (carry_ == Carry::kRuntimeTls) {
    auto stream = channel::TlsStream::connect(*world_.tls, std::move(way_), wanted_.name);
    if (!stream) return refuse(stream.error());
    tls_relay_ = std::make_unique<TlsRelay>(
        world_.loop, std::move(workload_), *std::move(stream),
        [this](const Error* why) {
          if (why != nullptr) {
            ++world_.metrics.failed;
            world_.audit(*why, wanted_.to_string());
          }
          closed_();
        },
        std::move(first_));
    return tls_relay_->start();
  }
  relay_ = std::make_unique<net::Relay>(
      world_.share, std::move(workload_), std::move(way_), [this] { closed_(); }, std::move(first_));
  relay_->start();
}

bool Passage::say(ByteView bytes) {
  return ::send(workload_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

void Passage::refuse(const Error& why) {
  const bool policy = why.code() == ErrorCode::kPolicyRejected || why.code() == ErrorCode::kMalformed;
  ++(policy ? world_.metrics.refused : world_.metrics.failed);
  world_.audit(why, wanted_.to_string());
  // Once a proxy has accepted, or where there is none, nothing but the end can be said.
  const bool mute = transparent_ || stage_ == Stage::kHello || stage_ == Stage::kCarrying || !workload_.valid();
  if (!mute) say(proxy_refuses(request_.kind(), words_for(why), std::string(why.id()) + ": " + why.detail()));
  close(mute);
}

void Passage::close(bool abort) {
  if (workload_.valid()) {
    if (abort) net::set_abort_on_close(workload_.get());
    else ::shutdown(workload_.get(), SHUT_WR);
  }
  source_.reset();
  timer_->disarm();
  closed_();
}

}  // namespace gateway::egress
