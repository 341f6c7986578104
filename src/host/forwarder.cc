#include "host/forwarder.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "net/address.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMostPerSplice = 1024UZ * 1024;
// After this many transfers in a row other connections get their turn; epoll is level-triggered and calls again.
constexpr int kTransfersPerTurn = 16;
// A transfer this small emptied the socket in all likelihood: asking again would only be told so.
constexpr ssize_t kSmallTransfer = 16Z * 1024;
constexpr std::size_t kCopyBuffer = 16UZ * 1024;  // stays in the first cache; larger ones cost twice as much
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kBacklogRetry{2};
constexpr std::chrono::milliseconds kOutOfDescriptorsRetry{100};

// Dead peers are noticed within minutes; slow ones may take all the time they want.
void notice_dead_peers(int socket) {
  const int on = 1;
  const int idle_seconds = 60;
  const int interval_seconds = 15;
  const int probes = 4;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

}  // namespace

std::optional<PipePool::Pipe> PipePool::take() {
  if (!pipes_.empty()) {
    Pipe pipe = std::move(pipes_.back());
    pipes_.pop_back();
    return pipe;
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
  // Refused to ordinary users beyond their share of pipe pages; the default size works as well, only with more calls.
  ::fcntl(ends[0], F_SETPIPE_SZ, static_cast<int>(size_));
  return Pipe{net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

void PipePool::give_back(Pipe pipe) {
  if (pipes_.size() < spare_) pipes_.push_back(std::move(pipe));
}

// One client, one connection to the enclave, and a direction each way.
class ForwardedConnection {
 public:
  using Handle = std::list<std::unique_ptr<ForwardedConnection>>::iterator;
  ForwardedConnection(Forwarder& owner, net::Descriptor client, net::Descriptor enclave)
      : owner_(owner), client_{std::move(client), nullptr, false}, enclave_{std::move(enclave), nullptr, false} {}

  void start(Handle self) {
    self_ = self;
    for (Side* side : {&client_, &enclave_}) {
      side->source = owner_.loop_.watch(side->socket.get(), [this, side](bool readable, bool writable, bool hung_up) {
        on_event(*side, readable, writable, hung_up);
      });
    }
    update_interest();
  }

 private:
  struct Side {
    net::Descriptor socket;
    std::unique_ptr<net::Source> source;
    bool hung_up = false;  // no longer watched: reads and writes cannot block any more
  };
  // How bytes go over. From TCP to a Unix socket splice(2) hands pages on and costs a fraction of a copy; the other way
  // round it costs half as much again, because TCP then sends page by page (bench/forwarder).
  enum class Way : std::uint8_t { kSplice, kCopy };
  struct Direction {
    Side& from;
    Side& to;
    Way way;
    std::optional<PipePool::Pipe> pipe = std::nullopt;  // kSplice: present exactly while bytes are under way
    Bytes rest = {};                                    // kCopy: what the receiver has not taken yet
    std::size_t under_way = 0;
    bool ended = false;     // the sender has finished
    bool finished = false;  // the end was passed on, or the receiver takes no more
  };
  enum class Outcome : std::uint8_t { kWaiting, kMore, kReset };

  void on_event(Side& side, bool readable, bool writable, bool hung_up) {
    Direction& out_of = &side == &client_ ? to_enclave_ : to_client_;
    Direction& into = &side == &client_ ? to_client_ : to_enclave_;
    if (hung_up) {
      // Both ways over, or an error. Reported again and again while it lasts: stop watching, and let the other side's
      // readiness drive what is left.
      side.hung_up = true;
      side.source.reset();
    }
    if ((readable || side.hung_up) && !turn(out_of)) return;
    if ((writable || side.hung_up) && !turn(into)) return;
    if (to_enclave_.finished && to_client_.finished) return close();
    update_interest();
  }

  // False when the connection is gone.
  bool turn(Direction& direction) {
    Outcome outcome = Outcome::kMore;
    for (int i = 0; outcome == Outcome::kMore; ++i) {
      // A side that is no longer watched gives no further call, so its direction runs until it waits for the other.
      if (i >= kTransfersPerTurn && !direction.from.hung_up) break;
      outcome = transfer(direction);
    }
    if (outcome == Outcome::kReset) {
      reset();
      return false;
    }
    if (direction.under_way == 0 && direction.pipe) {
      owner_.pool_.give_back(*std::move(direction.pipe));
      direction.pipe.reset();
    }
    return true;
  }

  Outcome transfer(Direction& direction) {
    if (direction.finished) return Outcome::kWaiting;
    if (direction.way == Way::kCopy && !direction.ended) return copy(direction);
    if (direction.way == Way::kCopy && direction.under_way > 0) return send(direction, direction.rest, 0);
    ssize_t taken = 0;
    if (direction.under_way == 0 && !direction.ended) {
      if (!direction.pipe) direction.pipe = owner_.pool_.take();
      if (!direction.pipe) return Outcome::kReset;  // out of descriptors: better one client told than all stalled
      taken = ::splice(direction.from.socket.get(), nullptr, direction.pipe->write_end.get(), nullptr, kMostPerSplice,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (taken < 0) return errno == EAGAIN ? Outcome::kWaiting : errno == EINTR ? Outcome::kMore : Outcome::kReset;
      direction.ended = taken == 0;
      direction.under_way = static_cast<std::size_t>(taken);
    }
    if (direction.under_way > 0) return pass_on(direction, taken);
    ::shutdown(direction.to.socket.get(), SHUT_WR);
    direction.finished = true;
    return Outcome::kWaiting;
  }

  Outcome copy(Direction& direction) {
    if (direction.under_way > 0) return send(direction, direction.rest, 0);
    Bytes& buffer = owner_.buffer_;
    const ssize_t taken = ::recv(direction.from.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (taken < 0 && connecting(direction.from)) return Outcome::kWaiting;
    if (taken < 0) return errno == EAGAIN ? Outcome::kWaiting : errno == EINTR ? Outcome::kMore : Outcome::kReset;
    direction.ended = taken == 0;
    if (direction.ended) return Outcome::kMore;
    return send(direction, ByteView(buffer).first(static_cast<std::size_t>(taken)), taken);
  }

  // `bytes` lie in the shared buffer or are the rest of what did once. What the receiver does not take is kept.
  Outcome send(Direction& direction, ByteView bytes, ssize_t taken) {
    const ssize_t given = ::send(direction.to.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (given < 0 && errno != EAGAIN && errno != EINTR) return refused(direction);
    const ByteView left = bytes.subspan(given < 0 ? 0 : static_cast<std::size_t>(given));
    Bytes rest(left.begin(), left.end());
    direction.rest = std::move(rest);
    direction.under_way = direction.rest.size();
    if (given < 0 && errno == EINTR) return Outcome::kMore;
    return direction.under_way > 0 || is_small(direction, taken) ? Outcome::kWaiting : Outcome::kMore;
  }

  // The receiver closed its reading side: nothing more goes this way, the other way may still have its last words.
  Outcome refused(Direction& direction) {
    if (errno != EPIPE) return Outcome::kReset;
    direction.pipe.reset();
    direction.rest = {};
    direction.under_way = 0;
    direction.finished = true;
    return Outcome::kWaiting;
  }

  // A vsock that is still connecting says ENOTCONN where others say EAGAIN, and so does one that failed to.
  static bool connecting(const Side& side) { return errno == ENOTCONN && !side.hung_up; }

  static bool is_small(const Direction& direction, ssize_t taken) {
    return taken > 0 && taken < kSmallTransfer && !direction.from.hung_up;
  }

  Outcome pass_on(Direction& direction, ssize_t taken) {
    const ssize_t given = ::splice(direction.pipe->read_end.get(), nullptr, direction.to.socket.get(), nullptr,
                                   direction.under_way, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (given < 0) {
      if (errno == EAGAIN || connecting(direction.to)) return Outcome::kWaiting;
      return errno == EINTR ? Outcome::kMore : refused(direction);
    }
    direction.under_way -= static_cast<std::size_t>(given);
    if (direction.under_way > 0) return Outcome::kMore;
    return is_small(direction, taken) ? Outcome::kWaiting : Outcome::kMore;
  }

  void update_interest() {
    const auto interest = [](Side& side, const Direction& out_of, const Direction& into) {
      if (!side.source) return;
      side.source->want(!out_of.ended && !out_of.finished && out_of.under_way == 0,
                        !into.finished && into.under_way > 0);
    };
    interest(client_, to_enclave_, to_client_);
    interest(enclave_, to_client_, to_enclave_);
  }

  void reset() {
    net::set_abort_on_close(client_.socket.get());
    close();
  }

  // The last thing that is called on this object.
  void close() {
    client_.source.reset();
    enclave_.source.reset();
    owner_.closed(self_);
  }

  Forwarder& owner_;
  Side client_;
  Side enclave_;
  Direction to_enclave_{.from = client_, .to = enclave_, .way = Way::kSplice};
  Direction to_client_{.from = enclave_, .to = client_, .way = Way::kCopy};
  Handle self_;
};

Forwarder::Forwarder(net::Loop& loop, net::Descriptor listener, Connect connect, const ForwarderLimits& limits)
    : loop_(loop),
      listener_(std::move(listener)),
      connect_(std::move(connect)),
      limits_(limits),
      pool_(limits.spare_pipes, limits.pipe_size),
      buffer_(kCopyBuffer) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) { on_acceptable(); });
  resume_ = loop_.timer([this] {
    paused_ = false;
    if (waiting_client_.valid() && !forward(std::move(waiting_client_))) return;
    if (source_) source_->want(true, false);
  });
  source_->want(true, false);
}

Forwarder::~Forwarder() = default;

void Forwarder::stop_accepting() {
  source_.reset();
  resume_->disarm();
  listener_.reset();
  waiting_client_.reset();
}

void Forwarder::pause_accepting(std::chrono::milliseconds duration) {
  paused_ = true;
  if (source_) source_->want(false, false);
  resume_->arm(duration);
}

void Forwarder::on_acceptable() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (count_ >= limits_.max_connections) {
      source_->want(false, false);  // closed() asks again
      return;
    }
    net::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        return pause_accepting(kOutOfDescriptorsRetry);
      }
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return;
    }
    net::set_no_delay(client.get());
    notice_dead_peers(client.get());
    if (!forward(std::move(client))) return;
  }
}

// False when accepting has to wait because the enclave is behind with its own.
bool Forwarder::forward(net::Descriptor client) {
  auto enclave = connect_();
  if (!enclave) {
    if (enclave.error().code() == ErrorCode::kLimitExceeded) {
      waiting_client_ = std::move(client);
      pause_accepting(kBacklogRetry);
      return false;
    }
    net::set_abort_on_close(client.get());  // nobody is there: the client learns it at once
    return true;
  }
  ++accepted_;
  ++count_;
  connections_.push_front(std::make_unique<ForwardedConnection>(*this, std::move(client), *std::move(enclave)));
  connections_.front()->start(connections_.begin());
  return true;
}

void Forwarder::closed(std::list<std::unique_ptr<ForwardedConnection>>::iterator connection) {
  --count_;
  // It is on the stack of its own callback; it goes when that has returned.
  loop_.defer([gone = std::shared_ptr<ForwardedConnection>(std::move(*connection))] {});
  connections_.erase(connection);
  if (source_ && !paused_) source_->want(true, false);
}

}  // namespace gateway::host
