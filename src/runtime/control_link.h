// The control channel while the enclave runs: what the host asks, and the runtime's own events.
//
// Events are the lines of base/log.h: main points the log at a pipe whose other end is read here, so whatever the
// runtime says about itself goes one way only. Nothing of callers or of the workload is in them (but with the image's
// insecure_logs_to_host).
// Input:  frames from the host, hostile; bounded by net/control.h. Unknown or misplaced frames are ignored and counted
//         as control.unexpected; a broken frame or a closed channel ends the link.
// Bounds: kMaxQueued bytes wait for a host that does not read; then events are dropped.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "net/control.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::runtime {

inline constexpr std::size_t kMaxQueuedControl = 256UZ * 1024;

// The two ends of the pipe that carries log lines. Writing never blocks: lines that find it full are lost.
struct EventPipe {
  net::Descriptor reading;
  net::Descriptor writing;
  static Result<EventPipe> open();  // Errors: kInternal runtime.events
};

class ControlLink {
 public:
  struct Handlers {
    std::function<void(ByteView)> tokens;
    std::function<void(Duration grace)> stop;
    std::function<void()> closed;
  };
  ControlLink(net::Loop& loop, net::Descriptor channel, net::Descriptor events, Handlers handlers);

  void send(net::ControlType type, ByteView body);
  // The link's last act: what the log holds and what is queued goes out, waiting at most a second. Whoever else holds
  // the channel may write whole frames to it afterwards.
  void finish();

 private:
  void on_channel(bool readable, bool writable, bool hung_up);
  void read_frames();
  void take(const net::ControlFrame& frame);
  void on_events();
  void flush();
  void close();

  net::Loop& loop_;
  net::Descriptor channel_;
  net::Descriptor events_;
  Handlers handlers_;
  std::unique_ptr<net::Source> channel_source_;
  std::unique_ptr<net::Source> events_source_;
  net::ControlDecoder decoder_;
  std::string line_;  // a part of an event
  Bytes out_;
};

// Without a loop: passes on what the log holds, then says why the enclave ends.
void report_fatal(int channel, int events, const Error& error);

}  // namespace gateway::runtime
