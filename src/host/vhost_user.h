// The back end of a vhost-user device: QEMU hands over the guest's memory and the rings; whoever owns the back end
// reads and fills them. Split virtqueues, no indirect descriptors, no event index.
//
// Input:  QEMU's messages and what the guest writes into the rings, both hostile: every address is looked up in the
//         memory that was handed over, every chain is bounded by its ring's size. A broken message ends the back end, a
//         broken ring that ring.
// Spec:   QEMU docs/interop/vhost-user.rst; virtio 1.2, §2.7.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/descriptor.h"
#include "net/loop.h"

namespace gateway::host {

// The guest's memory, mapped.
class GuestMemory {
 public:
  struct Region {
    std::uint64_t guest = 0;  // guest-physical address
    std::uint64_t user = 0;   // as QEMU's process names it
    std::uint64_t size = 0;
    void* map = nullptr;
    std::size_t map_size = 0;
    std::uint8_t* start = nullptr;
  };
  GuestMemory() = default;
  ~GuestMemory() { clear(); }
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  void clear();
  bool add(Region region, int file_descriptor, std::uint64_t offset);
  // `size` bytes from there, all inside one region; nullptr otherwise.
  std::uint8_t* at_guest(std::uint64_t address, std::uint64_t size) const;
  std::uint8_t* at_user(std::uint64_t address, std::uint64_t size) const;

 private:
  std::uint8_t* at(std::uint64_t Region::* base, std::uint64_t address, std::uint64_t size) const;
  std::vector<Region> regions_;
};

// A chain of descriptors: what the guest lets read, and what it lets write.
struct Chain {
  std::uint16_t head = 0;
  std::vector<std::span<const std::uint8_t>> readable;
  std::vector<std::span<std::uint8_t>> writable;
};

class Virtqueue {
 public:
  explicit Virtqueue(const GuestMemory& memory) : memory_(memory) {}
  bool ready() const { return desc_ != nullptr && kick.valid() && !broken_; }
  std::optional<Chain> take();                           // nullopt: none there, or the ring is broken
  void put_back() { --next_available_; }                 // the chain that was taken last
  void give(std::uint16_t head, std::uint32_t written);  // done with it
  void notify() const;                                   // tells the guest, if it wants to be told
  void stop();

  net::Descriptor kick;
  net::Descriptor call;

 private:
  friend class VhostUser;
  bool resolve();
  const GuestMemory& memory_;
  std::array<std::uint64_t, 3> addresses_{};  // descriptors, used, available, as QEMU names them
  std::uint16_t size_ = 0;
  std::uint16_t next_available_ = 0;
  std::uint16_t next_used_ = 0;
  std::uint8_t* desc_ = nullptr;
  std::uint8_t* available_ = nullptr;
  std::uint8_t* used_ = nullptr;
  bool broken_ = false;
};

class VhostUser {
 public:
  static constexpr std::size_t kQueues = 2;
  struct Events {
    std::function<void(std::size_t queue)> kicked;
    std::function<void(std::string_view why)> closed;  // QEMU left, or broke the protocol
  };
  // `connection`: to QEMU. `config` is the device's configuration space.
  VhostUser(net::Loop& loop, net::Descriptor connection, Bytes config, Events events);
  ~VhostUser();
  Virtqueue& queue(std::size_t index) { return queues_[index]; }

 private:
  struct Message;
  void on_messages();
  std::optional<Message> receive();
  bool handle(Message& message);
  bool set_memory(Message& message);
  bool set_addresses(const Message& message);
  bool set_descriptor(Message& message);
  bool reply(const Message& to, ByteView payload);
  void watch_kick(std::size_t index);
  void close(std::string_view why);

  net::Loop& loop_;
  net::Descriptor connection_;
  Bytes config_;
  Events events_;
  GuestMemory memory_;
  std::array<Virtqueue, kQueues> queues_{Virtqueue(memory_), Virtqueue(memory_)};
  std::array<std::unique_ptr<net::Source>, kQueues> kicks_;
  std::unique_ptr<net::Source> source_;
};

}  // namespace gateway::host
