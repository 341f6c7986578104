#include "runtime/sandbox_link.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

namespace gateway::runtime {
namespace {

union ControlBuffer {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

net::Descriptor take_descriptor(msghdr& message) {
  net::Descriptor passed;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    int value = -1;
    std::memcpy(&value, CMSG_DATA(part), sizeof value);
    passed = net::Descriptor(value);
  }
  return passed;
}

}  // namespace

bool send_report(int socket, const SandboxReport& report, int passed_descriptor) {
  auto bytes = encode_report(report);
  iovec content{bytes.data(), bytes.size()};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  if (passed_descriptor >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &passed_descriptor, sizeof passed_descriptor);
  }
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(bytes.size());
}

std::optional<ReceivedReport> receive_report(int socket) {
  ByteArray<kSandboxReportSize + 1> bytes{};  // one more, so that a longer datagram shows
  iovec content{bytes.data(), bytes.size()};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return std::nullopt;
  net::Descriptor passed = take_descriptor(message);
  const auto report = parse_report(ByteView(bytes).first(static_cast<std::size_t>(got)));
  errno = EPROTO;
  if (!report) return std::nullopt;
  return ReceivedReport{*report, std::move(passed)};
}

void answer_connect(int socket, std::uint32_t port) {
  const net::Descriptor connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool started = connection.valid() &&
                       (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                        errno == EINPROGRESS);
  if (started) {
    send_report(socket, {SandboxMessage::kConnected, port, 0}, connection.get());
  } else {
    send_report(socket, {SandboxMessage::kRefused, port, static_cast<std::uint32_t>(errno)});
  }
}

int raise_loopback() {
  const net::Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any.valid()) return errno;
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  if (::ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return errno;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ::ioctl(any.get(), SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

}  // namespace gateway::runtime
