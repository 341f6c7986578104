// A network for one enclave's IP packets without rights on this host: passt, which speaks TCP and UDP for them with
// sockets of its own. It takes Ethernet frames on a Unix socket; the enclave's packets have no such heads, so the
// bridge puts them on and takes them off.
//
// Input:  packets of the enclave and frames of passt, untrusted: bounded; what is no IP packet is dropped.
// Spec:   passt(1), QEMU's stream framing: u32be length, frame.
// Errors: kUnavailable host.egress.passt
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

// A running passt; ends with this object.
class PacketStack {
 public:
  static constexpr const char* kProgram = "/usr/bin/passt";
  static Result<std::unique_ptr<PacketStack>> start(const char* program = kProgram);
  ~PacketStack();
  PacketStack(const PacketStack&) = delete;
  PacketStack& operator=(const PacketStack&) = delete;
  int descriptor() const { return socket_.get(); }

 private:
  PacketStack(pid_t pid, net::Descriptor socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_;
  net::Descriptor socket_;
};

class PacketBridge {
 public:
  // `link`: u16be length, IP packet, both ways. `closed` is called once, when either side has ended.
  PacketBridge(net::Loop& loop, net::Descriptor link, std::unique_ptr<PacketStack> stack, std::function<void()> closed);
  ~PacketBridge();
  void start();

 private:
  struct Stream {
    int socket = -1;
    std::unique_ptr<net::Source> source;
    Bytes in;
    Bytes out;
  };
  bool receive(Stream& stream);
  bool send(Stream& stream);
  void on_event();
  bool take_packets();
  bool take_frames();
  void on_frame(ByteView frame);

  net::Loop& loop_;
  net::Descriptor link_descriptor_;
  std::unique_ptr<PacketStack> stack_;
  std::function<void()> closed_;
  Stream link_;
  Stream frames_;
};

}  // namespace gateway::host
