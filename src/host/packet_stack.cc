#include "host/packet_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace gateway::host {
namespace {

constexpr int kStackSocket = 3;
constexpr std::size_t kMaxPacket = 9000;
constexpr std::size_t kEthernetHead = 14;
constexpr std::size_t kMaxFrame = 65'535 + kEthernetHead;
constexpr std::size_t kMaxQueued = 1024UZ * 1024;
constexpr std::size_t kChunk = 64UZ * 1024;
constexpr std::uint16_t kV4 = 0x0800;
constexpr std::uint16_t kV6 = 0x86dd;
// The stack takes what comes from its one peer, whatever link address it is for; it answers to the one it saw last.
constexpr ByteArray<12> kLinkAddresses{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x02};

// Between fork and exec nothing allocates.
[[noreturn]] void become_stack(const char* program, int socket, pid_t parent) {
  // As the enclave's device is set up (src/egress/egress.h). No DHCP and its like: what is not asked for is not there;
  // and the gateway's address does not stand for this host.
  static constexpr std::array<const char*, 19> kArguments{
      "passt",      "--foreground", "--quiet",     "--fd",          "3",          "--ipv4-only", "--address",
      "10.111.0.2", "--netmask",    "24",          "--gateway",     "10.111.0.1", "--mtu",       "1500",
      "--no-dhcp",  "--no-icmp",    "--no-map-gw", "--no-dhcp-dns", nullptr};
  const int wanted = ::fcntl(socket, F_DUPFD, kStackSocket + 1);
  const int null = ::open("/dev/null", O_RDWR);
  const bool ready = ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 && ::dup2(null, 2) == 2 &&
                     ::dup2(wanted, kStackSocket) == kStackSocket &&
                     ::syscall(SYS_close_range, kStackSocket + 1, ~0U, 0) == 0 &&
                     ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
  sigset_t no_signals;
  ::sigemptyset(&no_signals);
  ::sigprocmask(SIG_SETMASK, &no_signals, nullptr);
  std::array<char*, 1> environment{nullptr};
  if (ready) ::execve(program, const_cast<char* const*>(kArguments.data()), environment.data());
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<PacketStack>> PacketStack::start(const char* program) {
  const auto failed = [](const std::string& what) {
    return fail(ErrorCode::kUnavailable, "host.egress.passt", what, "type: sudo apt install passt");
  };
  if (::access(program, X_OK) != 0) return failed("passt is not installed");
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed("no sockets to be had");
  net::Descriptor ours(ends[0]);
  const net::Descriptor theirs(ends[1]);
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("no process to be had");
  if (pid == 0) become_stack(program, theirs.get(), parent);
  return std::unique_ptr<PacketStack>(new PacketStack(pid, std::move(ours)));
}

PacketStack::~PacketStack() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

PacketBridge::PacketBridge(net::Loop& loop, net::Descriptor link, std::unique_ptr<PacketStack> stack,
                           std::function<void()> closed)
    : loop_(loop), link_descriptor_(std::move(link)), stack_(std::move(stack)), closed_(std::move(closed)) {
  link_.socket = link_descriptor_.get();
  frames_.socket = stack_->descriptor();
}

PacketBridge::~PacketBridge() = default;

void PacketBridge::start() {
  for (Stream* stream : {&link_, &frames_}) {
    stream->source = loop_.watch(stream->socket, [this](bool, bool, bool) { on_event(); });
    stream->source->want(true, false);
  }
}

void PacketBridge::on_event() {
  const bool goes_on =
      receive(link_) && receive(frames_) && take_packets() && take_frames() && send(link_) && send(frames_);
  if (goes_on) {
    link_.source->want(true, !link_.out.empty());
    return frames_.source->want(true, !frames_.out.empty());
  }
  link_.source.reset();
  frames_.source.reset();
  closed_();
}

bool PacketBridge::receive(Stream& stream) {
  const std::size_t have = stream.in.size();
  stream.in.resize(have + kChunk);
  const ssize_t got = ::recv(stream.socket, stream.in.data() + have, kChunk, MSG_DONTWAIT);
  stream.in.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool PacketBridge::send(Stream& stream) {
  while (!stream.out.empty()) {
    const ssize_t sent = ::send(stream.socket, stream.out.data(), stream.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (sent <= 0) return false;
    stream.out.erase(stream.out.begin(), stream.out.begin() + sent);
  }
  return true;
}

// From the enclave. A packet that finds the queue full is lost, as on any wire.
bool PacketBridge::take_packets() {
  ByteView rest(link_.in);
  while (rest.size() >= 2) {
    const std::size_t length = std::size_t{rest[0]} << 8U | rest[1];
    if (length > kMaxPacket) return false;
    if (rest.size() < 2 + length) break;
    const ByteView packet = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    const unsigned version = packet.empty() ? 0 : packet[0] >> 4U;
    if ((version != 4 && version != 6) || frames_.out.size() > kMaxQueued) continue;
    ByteWriter frame;
    frame.u32be(static_cast<std::uint32_t>(kEthernetHead + length));
    frame.put(kLinkAddresses);
    frame.u16be(version == 4 ? kV4 : kV6);
    frame.put(packet);
    append(frames_.out, frame.bytes());
  }
  link_.in.erase(link_.in.begin(), link_.in.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return true;
}

bool PacketBridge::take_frames() {
  ByteView rest(frames_.in);
  while (rest.size() >= 4) {
    const std::size_t length =
        std::size_t{rest[0]} << 24U | std::size_t{rest[1]} << 16U | std::size_t{rest[2]} << 8U | rest[3];
    if (length > kMaxFrame) return false;
    if (rest.size() < 4 + length) break;
    on_frame(rest.subspan(4, length));
    rest = rest.subspan(4 + length);
  }
  frames_.in.erase(frames_.in.begin(), frames_.in.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return true;
}

void PacketBridge::on_frame(ByteView frame) {
  if (frame.size() < kEthernetHead || frame.size() > kEthernetHead + kMaxPacket || link_.out.size() > kMaxQueued)
    return;
  const auto type = static_cast<std::uint16_t>(frame[12] << 8U | frame[13]);
  if (type != kV4 && type != kV6) return;
  const ByteView packet = frame.subspan(kEthernetHead);
  ByteWriter out;
  out.u16be(static_cast<std::uint16_t>(packet.size()));
  out.put(packet);
  append(link_.out, out.bytes());
}

}  // namespace gateway::host
