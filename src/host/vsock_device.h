// A virtio-vsock device on a vhost-user back end: the host's end of an emulated enclave's vsock. Connections of the
// guest arrive as sockets, connections to it are sockets too, so that nothing else knows that this is no real vsock.
//
// Input:  packets of the guest, hostile: bounded by the credit that was given to it; unknown ones get a reset.
// Bounds: kMaxConnections; kCredit bytes of the guest's wait for each; a guest that takes no packets is read no
// further. Spec:   virtio 1.2, §5.10. Errors: kLimitExceeded host.vsock.connections; kInternal host.vsock.socket
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string_view>

#include "host/vhost_user.h"

namespace gateway::host {

class VsockDevice {
 public:
  static constexpr std::size_t kMaxConnections = 4096;  // unless told otherwise
  static constexpr std::uint32_t kCredit = 256U * 1024;
  struct Events {
    std::function<void(std::string_view why)> closed;  // the machine has left
  };
  // `machine`: a connection to QEMU. `host_cid`: under which cid the guest sees this side.
  VsockDevice(net::Loop& loop, net::Descriptor machine, std::uint32_t guest_cid, std::uint32_t host_cid, Events events,
              std::size_t max_connections = kMaxConnections);
  ~VsockDevice();

  // Connections of the guest to this port of the host.
  void accept(std::uint32_t port, std::function<void(net::Descriptor)> taken) { ports_[port] = std::move(taken); }
  // A socket that is connecting to the guest's port; when the guest refuses, it is closed from there. Non-blocking.
  Result<net::Descriptor> connect(std::uint32_t port);
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Packet;
  struct Connection;
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // the host's port, the guest's

  void on_kick(std::size_t queue);
  void take_packets();
  void take(const Packet& packet, std::span<const std::span<const std::uint8_t>> data);
  void request(const Packet& packet);
  Result<net::Descriptor> open(const Key& key);
  void send(std::uint16_t operation, const Key& key, std::uint32_t flags = 0);
  void flush_control();
  void pump(Connection& connection);   // socket → guest
  bool drain(Connection& connection);  // what the guest sent → socket; false when the connection is gone
  void forget(const Key& key, bool reset);
  void pump_waiting();

  std::uint32_t guest_cid_;
  std::uint32_t host_cid_;
  net::Loop& loop_;
  Events events_;
  std::unique_ptr<VhostUser> device_;
  std::map<std::uint32_t, std::function<void(net::Descriptor)>> ports_;
  std::map<Key, std::unique_ptr<Connection>> connections_;
  std::size_t max_connections_;
  std::deque<Bytes> control_;  // headers that wait for a buffer of the guest's
  std::uint32_t next_port_ = 1U << 30U;
};

}  // namespace gateway::host
