#include "host/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace gateway::host {
namespace {

// VHOST_USER_* requests (vhost-user.rst).
enum class Request : std::uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
};

constexpr std::uint64_t kFeatures = (1ULL << 32U) | (1ULL << 30U);                 // VERSION_1, PROTOCOL_FEATURES
constexpr std::uint64_t kProtocolFeatures = (1U << 0U) | (1U << 3U) | (1U << 9U);  // MQ, REPLY_ACK, CONFIG
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kReplyFlag = 1U << 2U;
constexpr std::uint32_t kNeedReply = 1U << 3U;
constexpr std::size_t kHeader = 12;
constexpr std::size_t kMaxPayload = 1024;
constexpr std::size_t kMaxRegions = 8;
constexpr std::size_t kMaxQueueSize = 1024;
constexpr std::size_t kDescriptorSize = 16;
constexpr int kMessagesPerTurn = 64;
constexpr std::uint64_t kNoDescriptor = 1U << 8U;

constexpr std::uint16_t kNext = 1;
constexpr std::uint16_t kWrite = 2;
constexpr std::uint16_t kNoInterrupt = 1;

// Integers of the rings and of the messages are little-endian; so is every machine that QEMU runs this on.
template <class T>
T load(const std::uint8_t* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
// The indices: what was written before them is seen by whoever sees them, and what is asked after them is asked later.
std::uint16_t load_index(std::uint8_t* at) {
  return std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(at)).load();
}
void store_index(std::uint8_t* at, std::uint16_t value) {
  std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(at)).store(value);
}

bool is_event(int descriptor) {
  std::array<char, 64> link{};
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(path.c_str(), link.data(), link.size());
  return size > 0 && std::string_view(link.data(), static_cast<std::size_t>(size)) == "anon_inode:[eventfd]";
}

template <class T>
Bytes bytes_of(T value) {
  Bytes out(sizeof value);
  store(out.data(), value);
  return out;
}

}  // namespace

void GuestMemory::clear() {
  for (const Region& region : regions_) ::munmap(region.map, region.map_size);
  regions_.clear();
}

bool GuestMemory::add(Region region, int file_descriptor, std::uint64_t offset) {
  struct stat file{};
  // Beyond the file's end an access would be a SIGBUS: it must be long enough, and stay so.
  const int seals = ::fcntl(file_descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(file_descriptor, &file) != 0 || file.st_size < 0 ||
      region.size == 0 || offset > static_cast<std::uint64_t>(file.st_size) ||
      region.size > static_cast<std::uint64_t>(file.st_size) - offset || region.guest + region.size < region.guest ||
      region.user + region.size < region.user) {
    return false;
  }
  region.map_size = static_cast<std::size_t>(offset + region.size);  // mmap wants offsets of whole (huge) pages
  region.map = ::mmap(nullptr, region.map_size, PROT_READ | PROT_WRITE, MAP_SHARED, file_descriptor, 0);
  if (region.map == MAP_FAILED) return false;
  region.start = static_cast<std::uint8_t*>(region.map) + offset;
  regions_.push_back(region);
  return true;
}

std::uint8_t* GuestMemory::at(std::uint64_t Region::* base, std::uint64_t address, std::uint64_t size) const {
  for (const Region& region : regions_) {
    if (address < region.*base || address - region.*base >= region.size) continue;
    const std::uint64_t inside = address - region.*base;
    return size <= region.size - inside ? region.start + inside : nullptr;
  }
  return nullptr;
}

std::uint8_t* GuestMemory::at_guest(std::uint64_t address, std::uint64_t size) const {
  return at(&Region::guest, address, size);
}

std::uint8_t* GuestMemory::at_user(std::uint64_t address, std::uint64_t size) const {
  return at(&Region::user, address, size);
}

std::optional<Chain> Virtqueue::take() {
  if (!ready()) return std::nullopt;
  const std::uint16_t offered = load_index(available_ + 2);
  if (offered == next_available_) return std::nullopt;
  if (static_cast<std::uint16_t>(offered - next_available_) > size_) {
    broken_ = true;
    return std::nullopt;
  }
  Chain chain;
  chain.head = load<std::uint16_t>(available_ + 4 + 2UZ * (next_available_ % size_));
  std::uint16_t index = chain.head;
  for (std::size_t links = 0;; ++links) {
    if (index >= size_ || links == size_) {
      broken_ = true;
      return std::nullopt;
    }
    // Copied once: the guest may change it while it is read.
    std::array<std::uint8_t, kDescriptorSize> descriptor;
    std::memcpy(descriptor.data(), desc_ + kDescriptorSize * index, descriptor.size());
    const auto address = load<std::uint64_t>(descriptor.data());
    const auto size = load<std::uint32_t>(descriptor.data() + 8);
    const auto flags = load<std::uint16_t>(descriptor.data() + 12);
    std::uint8_t* const start = memory_.at_guest(address, size);
    if (start == nullptr || (flags & ~(kNext | kWrite)) != 0) {
      broken_ = true;
      return std::nullopt;
    }
    if ((flags & kWrite) != 0) chain.writable.emplace_back(start, size);
    else chain.readable.emplace_back(start, size);
    if ((flags & kNext) == 0) break;
    index = load<std::uint16_t>(descriptor.data() + 14);
  }
  ++next_available_;
  return chain;
}

void Virtqueue::give(std::uint16_t head, std::uint32_t written) {
  if (!ready()) return;
  std::uint8_t* const element = used_ + 4 + 8UZ * (next_used_ % size_);
  store<std::uint32_t>(element, head);
  store<std::uint32_t>(element + 4, written);
  store_index(used_ + 2, ++next_used_);
}

void Virtqueue::notify() const {
  if (!ready() || !call.valid()) return;
  if ((load_index(available_) & kNoInterrupt) != 0) return;  // its flags
  [[maybe_unused]] const int told = ::eventfd_write(call.get(), 1);
}

// Where the rings lie now; the memory may be handed over anew under them.
bool Virtqueue::resolve() {
  const std::uint64_t size = size_;
  const auto odd = [](const std::uint8_t* at) { return (reinterpret_cast<std::uintptr_t>(at) & 1U) != 0; };
  desc_ = available_ = used_ = nullptr;
  if (addresses_ == std::array<std::uint64_t, 3>{}) return true;
  std::uint8_t* const desc = memory_.at_user(addresses_[0], kDescriptorSize * size);
  std::uint8_t* const used = memory_.at_user(addresses_[1], 6 + 8 * size);
  std::uint8_t* const available = memory_.at_user(addresses_[2], 6 + 2 * size);
  if (desc == nullptr || used == nullptr || available == nullptr || odd(used) || odd(available)) return false;
  desc_ = desc;
  used_ = used;
  available_ = available;
  return true;
}

void Virtqueue::stop() {
  desc_ = available_ = used_ = nullptr;
  addresses_ = {};
  kick.reset();
  broken_ = false;
}

struct VhostUser::Message {
  Request request{};
  std::uint32_t flags = 0;
  Bytes payload;
  std::vector<net::Descriptor> descriptors;

  std::uint32_t u32(std::size_t at) const { return at + 4 <= payload.size() ? load<std::uint32_t>(&payload[at]) : 0; }
  std::uint64_t u64(std::size_t at) const { return at + 8 <= payload.size() ? load<std::uint64_t>(&payload[at]) : 0; }
};

VhostUser::VhostUser(net::Loop& loop, net::Descriptor connection, Bytes config, Events events)
    : loop_(loop), connection_(std::move(connection)), config_(std::move(config)), events_(std::move(events)) {
  ::fcntl(connection_.get(), F_SETFL, O_NONBLOCK);
  source_ = loop_.watch(connection_.get(), [this](bool, bool, bool) { on_messages(); });
  source_->want(true, false);
}

VhostUser::~VhostUser() = default;

void VhostUser::close(std::string_view why) {
  if (!source_) return;
  source_.reset();
  for (std::size_t i = 0; i < kQueues; ++i) {
    kicks_[i].reset();
    queues_[i].stop();
  }
  connection_.reset();
  events_.closed(why);
}

// A header and its payload; the other side writes both at once, so a part of one is a fault.
std::optional<VhostUser::Message> VhostUser::receive() {
  std::array<std::uint8_t, kHeader> header{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxRegions * sizeof(int))> control{};
  iovec part{header.data(), header.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(connection_.get(), &message, MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  Message out;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t i = 0; i < (each->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      out.descriptors.emplace_back(load<int>(CMSG_DATA(each) + i * sizeof(int)));
    }
  }
  if (got != static_cast<ssize_t>(header.size()) || (message.msg_flags & MSG_CTRUNC) != 0) {
    close(got == 0 ? "QEMU has left" : "a message without a whole header");
    return std::nullopt;
  }
  out.request = static_cast<Request>(load<std::uint32_t>(header.data()));
  out.flags = load<std::uint32_t>(header.data() + 4);
  const auto size = load<std::uint32_t>(header.data() + 8);
  if ((out.flags & 3U) != kVersion || size > kMaxPayload) {
    close("a message of another version, or larger than any");
    return std::nullopt;
  }
  out.payload.resize(size);
  if (size > 0 && ::recv(connection_.get(), out.payload.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) {
    close("a message without its payload");
    return std::nullopt;
  }
  return out;
}

void VhostUser::on_messages() {
  for (int i = 0; i < kMessagesPerTurn && source_ && connection_.valid(); ++i) {
    auto message = receive();
    if (!message) return;
    if (!handle(*message)) return close("a message that means nothing here");
  }
}

bool VhostUser::reply(const Message& to, ByteView payload) {
  Bytes out(kHeader);
  store(out.data(), static_cast<std::uint32_t>(to.request));
  store<std::uint32_t>(out.data() + 4, kVersion | kReplyFlag);
  store(out.data() + 8, static_cast<std::uint32_t>(payload.size()));
  append(out, payload);
  return ::send(connection_.get(), out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
}

bool VhostUser::handle(Message& message) {
  const std::uint32_t index = message.u32(0);
  switch (message.request) {
    case Request::kGetFeatures: return reply(message, bytes_of(kFeatures));
    case Request::kGetProtocolFeatures: return reply(message, bytes_of(kProtocolFeatures));
    case Request::kGetQueueNum: return reply(message, bytes_of<std::uint64_t>(kQueues));
    case Request::kGetConfig: {
      // offset, size, flags, then that much; what the device has not is zero.
      if (message.payload.size() < 12 || message.u32(4) > message.payload.size() - 12) return false;
      const std::size_t offset = message.u32(0);
      for (std::size_t i = 12; i < message.payload.size(); ++i) {
        message.payload[i] = offset + i - 12 < config_.size() ? config_[offset + i - 12] : 0;
      }
      return reply(message, message.payload);
    }
    case Request::kGetVringBase: {
      if (index >= kQueues) return false;
      const std::uint32_t base = queues_[index].next_available_;
      kicks_[index].reset();
      queues_[index].stop();
      Bytes state = bytes_of(index);
      append(state, bytes_of(base));
      return reply(message, state);
    }
    case Request::kSetMemTable:
      if (!set_memory(message)) return false;
      break;
    case Request::kSetVringNum:
      if (index >= kQueues || message.u32(4) > kMaxQueueSize || !std::has_single_bit(message.u32(4))) return false;
      queues_[index].size_ = static_cast<std::uint16_t>(message.u32(4));
      if (!queues_[index].resolve()) return false;  // rings that were named before have another size now
      break;
    case Request::kSetVringBase:
      if (index >= kQueues) return false;
      queues_[index].next_available_ = queues_[index].next_used_ = static_cast<std::uint16_t>(message.u32(4));
      break;
    case Request::kSetVringAddr:
      if (!set_addresses(message)) return false;
      break;
    case Request::kSetVringKick:
    case Request::kSetVringCall:
      if (!set_descriptor(message)) return false;
      break;
    case Request::kSetFeatures:
    case Request::kSetProtocolFeatures:
    case Request::kSetOwner:
    case Request::kSetVringErr:
    case Request::kSetVringEnable: break;
    default: return false;
  }
  return (message.flags & kNeedReply) == 0 || reply(message, bytes_of<std::uint64_t>(0));
}

bool VhostUser::set_memory(Message& message) {
  constexpr std::size_t kRegionSize = 32;
  const std::uint32_t count = message.u32(0);
  if (count > kMaxRegions || message.descriptors.size() != count ||
      message.payload.size() < 8 + kRegionSize * static_cast<std::size_t>(count)) {
    return false;
  }
  memory_.clear();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = 8 + kRegionSize * i;
    const GuestMemory::Region region{
        .guest = message.u64(at), .user = message.u64(at + 16), .size = message.u64(at + 8)};
    if (!memory_.add(region, message.descriptors[i].get(), message.u64(at + 24))) return false;
  }
  return std::ranges::all_of(queues_, [](Virtqueue& queue) { return queue.size_ == 0 || queue.resolve(); });
}

bool VhostUser::set_addresses(const Message& message) {
  const std::uint32_t index = message.u32(0);
  if (message.payload.size() < 40 || index >= kQueues || queues_[index].size_ == 0) return false;
  Virtqueue& queue = queues_[index];
  queue.addresses_ = {message.u64(8), message.u64(16), message.u64(24)};
  return queue.resolve();
}

bool VhostUser::set_descriptor(Message& message) {
  const std::uint64_t value = message.u64(0);
  const std::size_t index = value & 0xffU;
  if (message.payload.size() != 8 || index >= kQueues) return false;
  if ((value & kNoDescriptor) == 0 && message.descriptors.size() != 1) return false;
  net::Descriptor given;
  if ((value & kNoDescriptor) == 0) {
    given = std::move(message.descriptors.front());
    if (!is_event(given.get())) return false;  // anything else could block, or could not be waited for
    ::fcntl(given.get(), F_SETFL, ::fcntl(given.get(), F_GETFL) | O_NONBLOCK);
  }
  if (message.request == Request::kSetVringCall) {
    queues_[index].call = std::move(given);
    return true;
  }
  kicks_[index].reset();
  queues_[index].kick = std::move(given);
  if (queues_[index].kick.valid()) watch_kick(index);
  return true;
}

void VhostUser::watch_kick(std::size_t index) {
  const int kick = queues_[index].kick.get();
  kicks_[index] = loop_.watch(kick, [this, index, kick](bool, bool, bool) {
    eventfd_t count = 0;
    if (::eventfd_read(kick, &count) == 0) events_.kicked(index);
    else if (errno != EAGAIN && errno != EINTR) close("a queue's event cannot be read");
  });
  kicks_[index]->want(true, false);
  ::eventfd_write(kick, 1);  // what was there before anybody watched
}

}  // namespace gateway::host
