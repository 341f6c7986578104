#include "server/upstream.h"

#include <sys/socket.h>

#include <algorithm>

namespace gateway::server {
namespace {

constexpr std::size_t kMaxIdle = 64;
// Shorter than any server's keep-alive (llama.cpp's is five seconds), so that its closing rarely races a request.
constexpr std::chrono::milliseconds kIdleLife{2'000};

// Whether an idle connection can still be used: neither closed nor holding bytes that nobody asked for.
bool usable(int file_descriptor) {
  char byte = 0;
  return ::recv(file_descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

}  // namespace

Dial dial(net::Address address) {
  return [address = std::move(address)] { return net::start_connect(address); };
}

Upstream::Upstream(net::Loop& loop, net::Descriptor socket)
    : socket_(std::move(socket)), source_(loop.watch(socket_.get(), [this](bool readable, bool writable, bool hung_up) {
        owner_->on_upstream(readable, writable, hung_up);
      })) {}

UpstreamPool::UpstreamPool(net::Loop& loop, Dial dial)
    : loop_(loop), dial_(std::move(dial)), timer_(loop.timer([this] { expire(); })) {}

Result<std::unique_ptr<Upstream>> UpstreamPool::take(Upstream::Owner& owner) {
  while (!idle_.empty()) {
    std::unique_ptr<Upstream> upstream = std::move(idle_.back());
    idle_.pop_back();
    if (!usable(upstream->descriptor())) continue;
    upstream->give_to(owner);
    return upstream;
  }
  return take_new(owner);
}

Result<std::unique_ptr<Upstream>> UpstreamPool::take_new(Upstream::Owner& owner) {
  GATEWAY_ASSIGN(net::Descriptor socket, dial_());
  auto upstream = std::make_unique<Upstream>(loop_, std::move(socket));
  upstream->give_to(owner);
  return upstream;
}

void UpstreamPool::give_back(std::unique_ptr<Upstream> upstream) {
  if (idle_.size() >= kMaxIdle) return;
  upstream->give_to(*this);
  upstream->reused_ = true;
  upstream->idle_since_ = loop_.now();
  upstream->want(true, false);
  if (idle_.empty()) timer_->arm(kIdleLife);
  idle_.push_back(std::move(upstream));
}

// The workload closed an idle connection, or spoke unasked. Which one does not matter enough to remember: there are
// few.
void UpstreamPool::on_upstream(bool, bool, bool) {
  std::erase_if(idle_, [](const auto& each) { return !usable(each->descriptor()); });
}

void UpstreamPool::expire() {
  const auto oldest = loop_.now() - kIdleLife;
  std::erase_if(idle_, [oldest](const auto& each) { return each->idle_since_ <= oldest; });
  if (!idle_.empty()) timer_->arm(kIdleLife / 2);
}

}  // namespace gateway::server
