#include "host/vsock_device.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace gateway::host {
namespace {

constexpr std::size_t kRx = 0;  // to the guest
constexpr std::size_t kTx = 1;
constexpr std::size_t kHeader = 44;
constexpr std::size_t kMaxControl = 4 * VsockDevice::kMaxConnections;
constexpr std::uint16_t kStream = 1;
constexpr int kChainsPerTurn = 256;

// VIRTIO_VSOCK_OP_*
constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kResponse = 2;
constexpr std::uint16_t kReset = 3;
constexpr std::uint16_t kShutdown = 4;
constexpr std::uint16_t kData = 5;
constexpr std::uint16_t kCreditUpdate = 6;
constexpr std::uint16_t kCreditRequest = 7;
// Of kShutdown: what the sender will not do any more.
constexpr std::uint32_t kNoReceive = 1;
constexpr std::uint32_t kNoSend = 2;

}  // namespace

struct VsockDevice::Packet {
  std::uint64_t source_cid = 0;
  std::uint64_t target_cid = 0;
  std::uint32_t source_port = 0;
  std::uint32_t target_port = 0;
  std::uint32_t size = 0;
  std::uint16_t type = 0;
  std::uint16_t operation = 0;
  std::uint32_t flags = 0;
  std::uint32_t credit = 0;     // buf_alloc
  std::uint32_t forwarded = 0;  // fwd_cnt

  static Packet read(ByteView header) {
    const auto number = [header](std::size_t at, std::size_t width) {
      std::uint64_t value = 0;
      for (std::size_t i = width; i-- > 0;) value = (value << 8U) | header[at + i];
      return value;
    };
    const auto u32 = [&](std::size_t at) { return static_cast<std::uint32_t>(number(at, 4)); };
    return {.source_cid = number(0, 8),
            .target_cid = number(8, 8),
            .source_port = u32(16),
            .target_port = u32(20),
            .size = u32(24),
            .type = static_cast<std::uint16_t>(number(28, 2)),
            .operation = static_cast<std::uint16_t>(number(30, 2)),
            .flags = u32(32),
            .credit = u32(36),
            .forwarded = u32(40)};
  }

  Bytes write() const {
    Bytes out;
    out.reserve(kHeader);
    const auto put = [&out](std::uint64_t value, std::size_t width) {
      for (std::size_t i = 0; i < width; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    put(source_cid, 8);
    put(target_cid, 8);
    put(source_port, 4);
    put(target_port, 4);
    put(size, 4);
    put(type, 2);
    put(operation, 2);
    put(flags, 4);
    put(credit, 4);
    put(forwarded, 4);
    return out;
  }
};

struct VsockDevice::Connection {
  Key key;
  net::Descriptor socket;
  std::unique_ptr<net::Source> source;
  Bytes pending;                // of the guest's, not yet in the socket
  std::uint32_t sent = 0;       // to the guest; counts wrap, as the specification's do
  std::uint32_t forwarded = 0;  // of the guest's, passed on
  std::uint32_t told = 0;       // what of `forwarded` the guest knows
  std::uint32_t peer_credit = 0;
  std::uint32_t peer_forwarded = 0;
  bool open = false;  // both sides agreed
  bool peer_sends_no_more = false;
  bool peer_takes_no_more = false;
  bool reset = false;  // the guest's side is gone
  bool ended = false;  // our side has said that it sends no more

  std::uint32_t room() const { return peer_credit - (sent - peer_forwarded); }
};

VsockDevice::VsockDevice(net::Loop& loop, net::Descriptor machine, std::uint32_t guest_cid, std::uint32_t host_cid,
                         Events events, std::size_t max_connections)
    : guest_cid_(guest_cid),
      host_cid_(host_cid),
      loop_(loop),
      events_(std::move(events)),
      max_connections_(max_connections) {
  Bytes config(8);  // le64 guest_cid
  for (std::size_t i = 0; i < 4; ++i) config[i] = static_cast<std::uint8_t>(guest_cid >> (8 * i));
  device_ = std::make_unique<VhostUser>(loop, std::move(machine), std::move(config),
                                        VhostUser::Events{.kicked = [this](std::size_t queue) { on_kick(queue); },
                                                          .closed =
                                                              [this](std::string_view why) {
                                                                connections_.clear();
                                                                events_.closed(why);
                                                              }});
}

VsockDevice::~VsockDevice() = default;

void VsockDevice::on_kick(std::size_t queue) {
  if (queue == kTx) return take_packets();
  flush_control();
  pump_waiting();
  take_packets();  // it may have waited for its answers to go
}

void VsockDevice::take_packets() {
  Virtqueue& queue = device_->queue(kTx);
  bool any = false;
  for (int taken = 0; control_.size() < kMaxControl; ++taken) {
    if (taken == kChainsPerTurn) {
      ::eventfd_write(queue.kick.get(), 1);  // the rest when others had their turn
      break;
    }
    const auto chain = queue.take();
    if (!chain) break;
    any = true;
    // The header may share a buffer with the data, or have one of its own.
    Bytes header;
    std::vector<std::span<const std::uint8_t>> data;
    for (std::span<const std::uint8_t> part : chain->readable) {
      const std::size_t of_header = std::min(kHeader - header.size(), part.size());
      append(header, part.first(of_header));
      if (part.size() > of_header) data.push_back(part.subspan(of_header));
    }
    if (header.size() == kHeader) take(Packet::read(header), data);
    queue.give(chain->head, 0);
  }
  if (any) queue.notify();
  flush_control();
}

void VsockDevice::take(const Packet& packet, std::span<const std::span<const std::uint8_t>> data) {
  if (packet.source_cid != guest_cid_ || packet.target_cid != host_cid_) return;  // nobody lives elsewhere
  const Key key{packet.target_port, packet.source_port};
  if (packet.type != kStream) return send(kReset, key);
  if (packet.operation == kRequest) return request(packet);
  const auto found = connections_.find(key);
  if (found == connections_.end()) {
    if (packet.operation != kReset) send(kReset, key);
    return;
  }
  Connection& connection = *found->second;
  connection.peer_credit = packet.credit;
  connection.peer_forwarded = packet.forwarded;
  switch (packet.operation) {
    case kResponse: connection.open = true; break;
    case kReset:
      // What it had said before is still its peer's.
      connection.peer_sends_no_more = connection.peer_takes_no_more = connection.reset = connection.ended = true;
      if (!drain(connection)) return;
      break;
    case kShutdown:
      connection.peer_sends_no_more = connection.peer_sends_no_more || (packet.flags & kNoSend) != 0;
      connection.peer_takes_no_more = connection.peer_takes_no_more || (packet.flags & kNoReceive) != 0;
      if (!drain(connection)) return;
      break;
    case kData: {
      std::size_t left = packet.size;
      if (left > kCredit - connection.pending.size()) return forget(key, true);
      for (const std::span<const std::uint8_t> part : data) {
        const std::size_t size = std::min(left, part.size());
        append(connection.pending, part.first(size));
        left -= size;
      }
      if (left > 0) return forget(key, true);
      if (!drain(connection)) return;
      break;
    }
    case kCreditUpdate: break;
    case kCreditRequest: send(kCreditUpdate, key); break;
    default: return forget(key, true);
  }
  pump(connection);
}

void VsockDevice::request(const Packet& packet) {
  const Key key{packet.target_port, packet.source_port};
  const auto port = ports_.find(packet.target_port);
  if (port == ports_.end() || connections_.contains(key)) return send(kReset, key);
  auto theirs = open(key);
  if (!theirs) return send(kReset, key);
  Connection& connection = *connections_.at(key);
  connection.peer_credit = packet.credit;
  connection.peer_forwarded = packet.forwarded;
  connection.open = true;
  send(kResponse, key);
  port->second(*std::move(theirs));
  pump(connection);
}

// This side's end is watched; the other is whoever's the connection is.
Result<net::Descriptor> VsockDevice::open(const Key& key) {
  if (connections_.size() >= max_connections_) {
    return fail(ErrorCode::kLimitExceeded, "host.vsock.connections",
                "more than " + std::to_string(max_connections_) + " connections to the enclave");
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(ErrorCode::kInternal, "host.vsock.socket", std::strerror(errno));
  }
  auto connection = std::make_unique<Connection>();
  connection->key = key;
  connection->socket = net::Descriptor(ends[0]);
  Connection& one = *connection;
  connection->source = loop_.watch(ends[0], [this, &one](bool, bool writable, bool hung_up) {
    if (hung_up && !one.open) forget(Key(one.key), true);
    else if (!writable || drain(one)) pump(one);
    flush_control();
  });
  one.source->want(true, false);
  connections_[key] = std::move(connection);
  return net::Descriptor(ends[1]);
}

Result<net::Descriptor> VsockDevice::connect(std::uint32_t port) {
  do {
    next_port_ = next_port_ == UINT32_MAX - 1 ? 1U << 30U : next_port_ + 1;
  } while (connections_.contains({next_port_, port}));
  const Key key{next_port_, port};
  GATEWAY_ASSIGN(net::Descriptor theirs, open(key));
  send(kRequest, key);
  flush_control();
  return theirs;
}

void VsockDevice::send(std::uint16_t operation, const Key& key, std::uint32_t flags) {
  const auto found = connections_.find(key);
  Packet packet{.source_cid = host_cid_,
                .target_cid = guest_cid_,
                .source_port = key.first,
                .target_port = key.second,
                .type = kStream,
                .operation = operation,
                .flags = flags};
  if (found != connections_.end()) {
    packet.credit = kCredit;
    packet.forwarded = found->second->told = found->second->forwarded;
  }
  control_.push_back(packet.write());
}

void VsockDevice::flush_control() {
  Virtqueue& queue = device_->queue(kRx);
  bool any = false;
  while (!control_.empty()) {
    const auto chain = queue.take();
    if (!chain) break;
    any = true;
    ByteView rest = control_.front();
    for (const std::span<std::uint8_t> part : chain->writable) {
      const std::size_t size = std::min(part.size(), rest.size());
      std::memcpy(part.data(), rest.data(), size);
      rest = rest.subspan(size);
    }
    queue.give(chain->head, static_cast<std::uint32_t>(control_.front().size() - rest.size()));
    control_.pop_front();
  }
  if (any) queue.notify();
}

// Straight from the socket into the guest's buffers.
void VsockDevice::pump(Connection& connection) {
  flush_control();  // in its order; what does not go now has the next buffer
  Virtqueue& queue = device_->queue(kRx);
  const Key key = connection.key;
  bool any = false;
  bool wants_more = false;
  while (connection.open && !connection.ended && control_.empty()) {
    if (connection.room() == 0 || connection.room() > (1U << 31U)) break;  // until the guest says that there is room
    const auto chain = queue.take();
    if (!chain) break;  // until it gives buffers
    std::vector<iovec> parts;
    std::size_t skip = kHeader;
    std::size_t left = connection.room();
    for (const std::span<std::uint8_t> part : chain->writable) {
      const std::size_t header = std::min(skip, part.size());
      skip -= header;
      const std::size_t size = std::min(left, part.size() - header);
      left -= size;
      if (size > 0) parts.push_back({part.data() + header, size});
    }
    if (parts.empty()) {  // no room for anything but a header
      queue.give(chain->head, 0);
      any = true;
      continue;
    }
    const ssize_t got = ::readv(connection.socket.get(), parts.data(), static_cast<int>(parts.size()));
    if (got <= 0) {
      queue.put_back();
      wants_more = got < 0;
      const bool ended = got == 0 || (errno != EAGAIN && errno != EINTR);
      if (ended) {
        connection.ended = true;
        // A Unix socket that is closed says no more and takes no more; one that is shut half-way still takes.
        const bool gone = connection.pending.empty() &&
                          (connection.peer_sends_no_more || ::send(connection.socket.get(), "", 0, MSG_NOSIGNAL) != 0);
        send(kShutdown, key, gone ? kNoReceive | kNoSend : kNoSend);
      }
      break;
    }
    any = true;
    const Packet packet{.source_cid = host_cid_,
                        .target_cid = guest_cid_,
                        .source_port = key.first,
                        .target_port = key.second,
                        .size = static_cast<std::uint32_t>(got),
                        .type = kStream,
                        .operation = kData,
                        .flags = 0,
                        .credit = kCredit,
                        .forwarded = connection.forwarded};
    connection.told = connection.forwarded;
    const Bytes header = packet.write();
    ByteView rest = header;
    for (const std::span<std::uint8_t> part : chain->writable) {
      const std::size_t size = std::min(part.size(), rest.size());
      std::memcpy(part.data(), rest.data(), size);
      rest = rest.subspan(size);
    }
    queue.give(chain->head, static_cast<std::uint32_t>(kHeader) + static_cast<std::uint32_t>(got));
    connection.sent += static_cast<std::uint32_t>(got);
  }
  if (any) queue.notify();
  connection.source->want(wants_more, !connection.pending.empty());
}

bool VsockDevice::drain(Connection& connection) {
  const Key key = connection.key;
  std::size_t done = 0;
  while (done < connection.pending.size()) {
    const ssize_t put = ::send(connection.socket.get(), connection.pending.data() + done,
                               connection.pending.size() - done, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put <= 0) {
      forget(key, true);
      return false;
    }
    done += static_cast<std::size_t>(put);
  }
  connection.pending.erase(connection.pending.begin(), connection.pending.begin() + static_cast<std::ptrdiff_t>(done));
  connection.forwarded += static_cast<std::uint32_t>(done);
  if (connection.forwarded - connection.told > kCredit / 2) send(kCreditUpdate, key);
  if (connection.pending.empty() && connection.peer_sends_no_more) {
    if (connection.peer_takes_no_more) {
      forget(key, !connection.reset);
      return false;
    }
    ::shutdown(connection.socket.get(), SHUT_WR);
  }
  return true;
}

void VsockDevice::forget(const Key& key, bool reset) {
  connections_.erase(key);
  if (reset) send(kReset, key);
}

// The guest gave buffers: whoever waited for them has its turn.
void VsockDevice::pump_waiting() {
  std::vector<Key> keys;
  for (const auto& [key, connection] : connections_) keys.push_back(key);
  for (const Key& key : keys) {
    if (const auto found = connections_.find(key); found != connections_.end()) pump(*found->second);
  }
}

}  // namespace gateway::host
