// The shim's end of the control channel: frames to the enclave without blocking, frames from it one by one.
//
// Input:  the enclave's frames are untrusted. A frame that breaks net/control.h, or a kind that only a host may send,
//         ends the link.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/control.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

class ControlLink {
 public:
  struct Events {
    std::function<void(std::string_view json)> event;
    std::function<void()> ready;
    std::function<void(std::uint16_t count)> dial{};  // ways out that the enclave asks for
    std::function<void(std::string_view id, std::string_view detail)> fatal;
    // Nothing more comes: closed by the enclave (no error), or broken by it.
    std::function<void(std::optional<Error> why)> closed;
  };
  ControlLink(net::Loop& loop, net::Descriptor socket, Events events);
  void send(net::ControlType type, ByteView body);

 private:
  void on_event(bool readable, bool writable, bool hung_up);
  void receive();
  Status take(const net::ControlFrame& frame);
  void flush();
  void end(std::optional<Error> why);

  net::Descriptor socket_;
  Events events_;
  net::ControlDecoder decoder_;
  Bytes outgoing_;
  std::unique_ptr<net::Source> source_;
};

}  // namespace gateway::host
