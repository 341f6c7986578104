// Bytes between two sockets, both ways, never looked into.
//
// From the near side (TCP) to the far one (a Unix socket or vsock) by splice(2), through pipes that are borrowed only
// while bytes are under way. Back in the same way, or through one buffer that all relays of a loop share, with a rest
// of a relay's own while the near side does not take it: whichever costs this machine less. So an idle relay costs two
// descriptors and no buffer, and a slow reader holds up nobody but itself. Ends travel in order: a half-close is passed
// on after the last byte; a reset is passed on as a reset and drops what was under way, as TCP would. Threads:
// everything on the loop's own.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "net/descriptor.h"
#include "net/loop.h"
#include "net/pace.h"

namespace gateway::net {

// Pipes between transfers; always empty while they lie here.
class PipePool {
 public:
  struct Pipe {
    Descriptor read_end;
    Descriptor write_end;
  };
  PipePool(std::size_t spare, std::size_t size) : spare_(spare), size_(size) {}
  std::optional<Pipe> take();
  void give_back(Pipe pipe);

 private:
  std::vector<Pipe> pipes_;
  std::size_t spare_;
  std::size_t size_;
};

class Relay;

// How bytes go over. From TCP to a Unix socket splice(2) hands pages on and costs a fraction of a copy; the other way
// round it depends on the machine which of the two costs up to twice the other (bench/forwarder).
enum class Way : std::uint8_t { kSplice, kCopy };

// Tries both for some megabytes, by this thread's processor time per byte, goes on with the cheaper one, and asks again
// now and then.
class WayBack {
 public:
  using Cpu = std::chrono::nanoseconds (*)();
  explicit WayBack(Cpu cpu = thread_cpu) : cpu_(cpu), since_(cpu()) {}
  Way now() const { return way_; }
  void carried(std::size_t bytes);
  void only_copy();  // the far side's kind of socket cannot be spliced from
  static std::chrono::nanoseconds thread_cpu();

 private:
  static constexpr std::size_t kWindow = 16UZ * 1024 * 1024;
  static constexpr unsigned kTrials = 4;     // windows, in turn
  static constexpr unsigned kSettled = 256;  // windows until it asks again
  Cpu cpu_;
  Way way_ = Way::kCopy;
  bool only_copy_ = false;
  std::size_t bytes_ = 0;
  unsigned windows_ = 0;
  std::chrono::nanoseconds since_;
  std::array<std::chrono::nanoseconds, 2> cost_{};  // of the trials: splicing, copying
};

// What the relays of one loop share: buffers, and an allocation of bandwidth.
class RelayShare {
 public:
  explicit RelayShare(Loop& on, std::size_t spare_pipes = 64, std::size_t pipe_size = 256UZ * 1024,
                      const Rate& outward = {}, const Rate& inward = {});

 private:
  friend class Relay;
  void wait_for_pace(Relay& relay);
  void go_on();

  Loop& loop_;
  PipePool pipes_;  // of a size that is asked for; the kernel may give less to ordinary users
  Bytes buffer_;    // bytes on their way back
  WayBack way_back_;
  Pace outward_;
  Pace inward_;
  std::vector<Relay*> waiting_;  // for their turn of the bandwidth
  std::unique_ptr<Timer> timer_;
};

class Relay {
 public:
  // `first`: bytes that were read from the near side already, or that the far side must see before all others.
  // `closed` is called once, as the last thing that the relay does on the loop's stack: defer its destruction.
  Relay(RelayShare& share, Descriptor near, Descriptor far, std::function<void()> closed, Bytes first = {});
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  void start();

 private:
  struct Side {
    Descriptor socket;
    std::unique_ptr<Source> source;
    bool hung_up = false;  // no longer watched: reads and writes cannot block any more
  };
  struct Direction {
    Side& from;
    Side& to;
    Way way;
    std::optional<PipePool::Pipe> pipe = std::nullopt;  // kSplice: present exactly while bytes are under way
    Bytes rest = {};                                    // what the receiver has not taken yet, outside a pipe
    Pace& pace;
    std::size_t under_way = 0;
    std::uint64_t part = 0;  // of the bandwidth, that is this relay's now
    bool waits_for_pace = false;
    bool ended = false;     // the sender has finished
    bool finished = false;  // the end was passed on, or the receiver takes no more
  };
  enum class Outcome : std::uint8_t { kWaiting, kMore, kReset };

  friend class RelayShare;
  void on_event(Side& side, bool readable, bool writable, bool hung_up);
  void on_pace();
  bool turn(Direction& direction);
  std::size_t allowance(Direction& direction);
  void use(Direction& direction, std::size_t bytes);
  void wait_for_pace(Direction& direction);
  Outcome transfer(Direction& direction);
  Outcome copy(Direction& direction);
  Outcome send(Direction& direction, ByteView bytes, ssize_t taken);
  Outcome refused(Direction& direction);
  Outcome pass_on(Direction& direction, ssize_t taken);
  static bool connecting(const Side& side);
  static bool is_small(const Direction& direction, ssize_t taken);
  void update_interest();
  void reset();
  void close();

  RelayShare& share_;
  std::function<void()> closed_;
  Side near_;
  Side far_;
  Direction outward_;
  Direction inward_;
};

// Dead peers are noticed within minutes; slow ones may take all the time they want. TCP alone.
void notice_dead_peers(int socket);

}  // namespace gateway::net
