#include "client/proxy.h"

#include <errno.h>
#include <sys/socket.h>

namespace gateway::client {
namespace {

constexpr std::size_t kScratch = 64UZ * 1024;
constexpr std::chrono::milliseconds kRetryAfter{200};

bool is_loopback(const net::Address& address) {
  return address.kind == net::Address::Kind::kTcp &&
         (address.host == "localhost" || address.host == "::1" || address.host.starts_with("127."));
}

}  // namespace

Status Proxy::check_listen(const net::Address& listen) {
  if (!is_loopback(listen)) {
    return fail(ErrorCode::kInvalidArgument, "client.listen.not_loopback",
                "the local port speaks plain HTTP and adds no check of who calls, so it opens on this machine alone",
                "listen on 127.0.0.1, [::1] or localhost");
  }
  GATEWAY_TRY(net::listen_on(listen));  // and closed again: nothing may connect before the verdict
  return {};
}

Result<std::unique_ptr<Proxy>> Proxy::open(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context,
                                           Verifier& verifier, std::unique_ptr<AttestedConnection> verified,
                                           ProxyOptions options) {
  GATEWAY_TRY(check_listen(options.listen));
  GATEWAY_ASSIGN(auto listener, net::listen_on(options.listen));
  GATEWAY_ASSIGN(const std::uint16_t port, net::local_port(listener.get()));
  std::unique_ptr<Proxy> proxy(
      new Proxy(loop, std::move(endpoint), context, verifier, std::move(options), std::move(listener), port));
  proxy->pool_.adopt(std::move(verified));
  return proxy;
}

Proxy::Proxy(net::Loop& loop, Endpoint endpoint, const channel::TlsContext& context, Verifier& verifier,
             ProxyOptions options, net::Descriptor listener, std::uint16_t port)
    : loop_(loop),
      options_(std::move(options)),
      host_(endpoint.host),
      port_(port),
      listen_address_((options_.listen.host.find(':') == std::string::npos ? options_.listen.host
                                                                           : "[" + options_.listen.host + "]") +
                      ":" + std::to_string(port)),
      pool_(loop, std::move(endpoint), context, verifier, options_.pool),
      scratch_(kScratch),
      context_{.loop = loop,
               .pool = pool_,
               .limits = options_.limits,
               .port = port,
               .upstream_host = host_,
               .authorization = options_.authorization,
               .scratch = scratch_,
               .on_refusal = options_.on_refusal},
      listener_(std::move(listener)),
      source_(loop.watch(listener_.get(), [this](bool, bool, bool) { accept(); })),
      retry_(loop.timer([this] { accept(); })),
      self_(std::make_shared<Proxy*>(this)) {
  source_->want(true, false);
}

Proxy::~Proxy() = default;

void Proxy::accept() {
  while (relays_.size() < options_.max_clients) {
    net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      source_->want(false, false);
      return retry_->arm(kRetryAfter);
    }
    relays_.emplace_back();
    const auto entry = std::prev(relays_.end());
    *entry = std::make_unique<Relay>(context_, std::move(socket), [this, entry] { remove(entry); });
  }
  source_->want(relays_.size() < options_.max_clients, false);
}

// Called by the relay itself, so it is destroyed after the events at hand.
void Proxy::remove(std::list<std::unique_ptr<Relay>>::iterator relay) {
  if (ended_.empty()) {
    loop_.defer([self = std::weak_ptr(self_)] {
      if (const auto proxy = self.lock()) (*proxy)->ended_.clear();
    });
  }
  ended_.splice(ended_.end(), relays_, relay);
  source_->want(true, false);
}

}  // namespace gateway::client
