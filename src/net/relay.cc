#include "net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "net/address.h"

namespace gateway::net {
namespace {

constexpr std::size_t kMostPerSplice = 1024UZ * 1024;
// After this many transfers in a row other relays get their turn; epoll is level-triggered and calls again.
constexpr int kTransfersPerTurn = 16;
// A transfer this small emptied the socket in all likelihood: asking again would only be told so.
constexpr ssize_t kSmallTransfer = 16Z * 1024;
constexpr std::chrono::milliseconds kPaceStep{10};
constexpr std::uint64_t kLeastPart = 4096;        // of a bounded bandwidth, however many want it
constexpr std::size_t kCopyBuffer = 16UZ * 1024;  // stays in the first cache; larger ones cost twice as much

}  // namespace

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
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

void PipePool::give_back(Pipe pipe) {
  if (pipes_.size() < spare_) pipes_.push_back(std::move(pipe));
}

std::chrono::nanoseconds WayBack::thread_cpu() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void WayBack::only_copy() {
  only_copy_ = true;
  way_ = Way::kCopy;
}

void WayBack::carried(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ < kWindow || only_copy_) return;
  const auto at = cpu_();
  if (windows_ < kTrials) cost_[way_ == Way::kCopy ? 1 : 0] += at - since_;
  bytes_ = 0;
  since_ = at;
  ++windows_;
  if (windows_ < kTrials) {
    way_ = way_ == Way::kCopy ? Way::kSplice : Way::kCopy;
  } else if (windows_ == kTrials) {
    way_ = cost_[0] < cost_[1] ? Way::kSplice : Way::kCopy;
  } else if (windows_ >= kSettled) {
    windows_ = 0;
    cost_ = {};
  }
}

RelayShare::RelayShare(Loop& on, std::size_t spare_pipes, std::size_t pipe_size, const Rate& outward,
                       const Rate& inward)
    : loop_(on),
      pipes_(spare_pipes, pipe_size),
      buffer_(kCopyBuffer),
      outward_(outward, on.now()),
      inward_(inward, on.now()) {
  if (outward.bounded() || inward.bounded()) timer_ = loop_.timer([this] { go_on(); });
}

void RelayShare::wait_for_pace(Relay& relay) {
  if (waiting_.empty()) timer_->arm(kPaceStep);
  if (std::ranges::find(waiting_, &relay) == waiting_.end()) waiting_.push_back(&relay);
}

// Who was first is last the next time.
void RelayShare::go_on() {
  std::vector<Relay*> all = std::exchange(waiting_, {});
  if (!all.empty()) std::ranges::rotate(all, all.begin() + 1);
  for (Relay* relay : all) relay->on_pace();
}

Relay::Relay(RelayShare& share, Descriptor near, Descriptor far, std::function<void()> closed, Bytes first)
    : share_(share),
      closed_(std::move(closed)),
      near_{std::move(near), nullptr, false},
      far_{std::move(far), nullptr, false},
      outward_{.from = near_, .to = far_, .way = Way::kSplice, .rest = std::move(first), .pace = share.outward_},
      inward_{.from = far_, .to = near_, .way = Way::kCopy, .pace = share.inward_} {
  outward_.under_way = outward_.rest.size();
}

Relay::~Relay() { std::erase(share_.waiting_, this); }

void Relay::start() {
  for (Side* side : {&near_, &far_}) {
    side->source = share_.loop_.watch(side->socket.get(), [this, side](bool readable, bool writable, bool hung_up) {
      on_event(*side, readable, writable, hung_up);
    });
  }
  update_interest();
}

void Relay::on_event(Side& side, bool readable, bool writable, bool hung_up) {
  Direction& out_of = &side == &near_ ? outward_ : inward_;
  Direction& into = &side == &near_ ? inward_ : outward_;
  if (hung_up) {
    // Both ways over, or an error. Reported again and again while it lasts: stop watching, and let the other side's
    // readiness drive what is left.
    side.hung_up = true;
    side.source.reset();
  }
  if ((readable || side.hung_up) && !turn(out_of)) return;
  if ((writable || side.hung_up) && !turn(into)) return;
  if (outward_.finished && inward_.finished) return close();
  update_interest();
}

// False when the connection is gone.
bool Relay::turn(Direction& direction) {
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
    share_.pipes_.give_back(*std::move(direction.pipe));
    direction.pipe.reset();
  }
  return true;
}

// What may go now of the bandwidth that all share: a part, while others wait for theirs. None: it goes on when there is
// some again.
std::size_t Relay::allowance(Direction& direction) {
  if (share_.timer_ == nullptr) return kMostPerSplice;
  if (direction.waits_for_pace) return 0;
  const std::uint64_t left = direction.pace.available(kMostPerSplice, share_.loop_.now());
  if (direction.part == 0) {
    direction.part = std::max(left / (share_.waiting_.size() + 1), std::min(left, kLeastPart));
  }
  direction.part = std::min(direction.part, left);
  if (direction.part == 0) wait_for_pace(direction);
  return static_cast<std::size_t>(direction.part);
}

void Relay::use(Direction& direction, std::size_t bytes) {
  if (&direction == &inward_) share_.way_back_.carried(bytes);
  if (share_.timer_ == nullptr) return;
  direction.pace.take(bytes);
  direction.part -= std::min<std::uint64_t>(direction.part, bytes);
  if (direction.part == 0) wait_for_pace(direction);
}

void Relay::wait_for_pace(Direction& direction) {
  direction.waits_for_pace = true;
  share_.wait_for_pace(*this);
}

void Relay::on_pace() {
  for (Direction* direction : {&outward_, &inward_}) {
    if (!std::exchange(direction->waits_for_pace, false)) continue;
    if (!turn(*direction)) return;
  }
  if (outward_.finished && inward_.finished) return close();
  update_interest();
}

Relay::Outcome Relay::transfer(Direction& direction) {
  if (direction.finished) return Outcome::kWaiting;
  if (!direction.rest.empty()) return send(direction, direction.rest, 0);
  if (&direction == &inward_ && direction.under_way == 0) direction.way = share_.way_back_.now();
  if (direction.way == Way::kCopy && !direction.ended) return copy(direction);
  ssize_t taken = 0;
  if (direction.under_way == 0 && !direction.ended) {
    const std::size_t most = allowance(direction);
    if (most == 0) return Outcome::kWaiting;
    if (!direction.pipe) direction.pipe = share_.pipes_.take();
    if (!direction.pipe) return Outcome::kReset;  // out of descriptors: better one client told than all stalled
    taken = ::splice(direction.from.socket.get(), nullptr, direction.pipe->write_end.get(), nullptr, most,
                     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (taken < 0 && errno == EINVAL && &direction == &inward_) {
      share_.way_back_.only_copy();
      return Outcome::kMore;
    }
    if (taken < 0 && connecting(direction.from)) return Outcome::kWaiting;
    if (taken < 0) return errno == EAGAIN ? Outcome::kWaiting : errno == EINTR ? Outcome::kMore : Outcome::kReset;
    direction.ended = taken == 0;
    use(direction, static_cast<std::size_t>(taken));
    direction.under_way = static_cast<std::size_t>(taken);
  }
  if (direction.under_way > 0) return pass_on(direction, taken);
  ::shutdown(direction.to.socket.get(), SHUT_WR);
  direction.finished = true;
  return Outcome::kWaiting;
}

Relay::Outcome Relay::copy(Direction& direction) {
  Bytes& buffer = share_.buffer_;
  const std::size_t most = std::min(buffer.size(), allowance(direction));
  if (most == 0) return Outcome::kWaiting;
  const ssize_t taken = ::recv(direction.from.socket.get(), buffer.data(), most, MSG_DONTWAIT);
  if (taken < 0 && connecting(direction.from)) return Outcome::kWaiting;
  if (taken < 0) return errno == EAGAIN ? Outcome::kWaiting : errno == EINTR ? Outcome::kMore : Outcome::kReset;
  direction.ended = taken == 0;
  use(direction, static_cast<std::size_t>(taken));
  if (direction.ended) return Outcome::kMore;
  return send(direction, ByteView(buffer).first(static_cast<std::size_t>(taken)), taken);
}

// `bytes` lie in the shared buffer or are the rest of what did once. What the receiver does not take is kept.
Relay::Outcome Relay::send(Direction& direction, ByteView bytes, ssize_t taken) {
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
Relay::Outcome Relay::refused(Direction& direction) {
  if (errno != EPIPE) return Outcome::kReset;
  direction.pipe.reset();
  direction.rest = {};
  direction.under_way = 0;
  direction.finished = true;
  return Outcome::kWaiting;
}

// A vsock that is still connecting says ENOTCONN where others say EAGAIN, and so does one that failed to.
bool Relay::connecting(const Side& side) { return errno == ENOTCONN && !side.hung_up; }

bool Relay::is_small(const Direction& direction, ssize_t taken) {
  return taken > 0 && taken < kSmallTransfer && !direction.from.hung_up;
}

Relay::Outcome Relay::pass_on(Direction& direction, ssize_t taken) {
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

void Relay::update_interest() {
  const auto interest = [](Side& side, const Direction& out_of, const Direction& into) {
    if (!side.source) return;
    side.source->want(!out_of.ended && !out_of.finished && out_of.under_way == 0 && !out_of.waits_for_pace,
                      !into.finished && into.under_way > 0);
  };
  interest(near_, outward_, inward_);
  interest(far_, inward_, outward_);
}

void Relay::reset() {
  set_abort_on_close(near_.socket.get());
  close();
}

// The last thing that is called on this object.
void Relay::close() {
  near_.source.reset();
  far_.source.reset();
  closed_();
}

}  // namespace gateway::net
