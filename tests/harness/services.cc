#include "harness/services.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>

#include "egress/dns.h"
#include "net/address.h"

namespace gateway::harness {
namespace {

constexpr int kTickMs = 50;

bool readable(int socket) {
  pollfd one{socket, POLLIN, 0};
  return ::poll(&one, 1, kTickMs) == 1;
}

}  // namespace

std::string own_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  std::string found;
  for (const ifaddrs* each = list; each != nullptr && found.empty(); each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof text);
    if (!net::IpAddress::parse(text)->special()) found = text;
  }
  ::freeifaddrs(list);
  return found;
}

TcpService::TcpService(const std::string& address, Serve serve) : serve_(std::move(serve)) {
  auto listener = net::listen_on({.kind = net::Address::Kind::kTcp, .host = address, .port = 0});
  if (!listener) throw std::runtime_error(listener.error().message());
  listener_ = *std::move(listener);
  port_ = *net::local_port(listener_.get());
  thread_ = std::thread([this] {
    while (!stop_) {
      if (!readable(listener_.get())) continue;
      const net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket.valid()) continue;
      ++connections_;
      serve_(socket.get());
    }
  });
}

TcpService::~TcpService() {
  stop_ = true;
  thread_.join();
}

TcpService::Serve answer_after(std::string end, std::string answer) {
  return [end = std::move(end), answer = std::move(answer)](int socket) {
    std::string got;
    char chunk[4096];
    while (got.find(end) == std::string::npos) {
      pollfd one{socket, POLLIN, 0};
      if (::poll(&one, 1, 3'000) != 1) return;
      const ssize_t size = ::recv(socket, chunk, sizeof chunk, 0);
      if (size <= 0) return;
      got.append(chunk, static_cast<std::size_t>(size));
    }
    ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
  };
}

UdpService::UdpService(const std::string& address, Answer answer)
    : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), answer_(std::move(answer)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &where.sin_addr);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
    throw std::runtime_error("a datagram service could not be bound to " + address);
  }
  port_ = *net::local_port(socket_.get());
  thread_ = std::thread([this] {
    while (!stop_) {
      if (!readable(socket_.get())) continue;
      char chunk[4096];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t got = ::recvfrom(socket_.get(), chunk, sizeof chunk, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) continue;
      ++datagrams_;
      const std::string reply = answer_(std::string(chunk, static_cast<std::size_t>(got)));
      if (!reply.empty()) {
        ::sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
      }
    }
  });
}

UdpService::~UdpService() {
  stop_ = true;
  thread_.join();
}

NameServer::NameServer() : service_("127.0.0.1", [this](const std::string& query) { return answer(query); }) {}

void NameServer::set(const std::string& name, const std::string& address) {
  const std::lock_guard lock(mutex_);
  names_[name] = address;
}

std::vector<std::string> NameServer::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::string NameServer::answer(const std::string& query) {
  const auto question = egress::parse_dns_query(as_bytes(query));
  if (!question) return {};
  const std::lock_guard lock(mutex_);
  asked_.push_back(question->name);
  const auto found = names_.find(question->name);
  if (found == names_.end())
    return std::string(as_text(egress::encode_dns_answer(*question, egress::kDnsNoSuchName, {})));
  const egress::DnsAddress record{*net::IpAddress::parse(found->second), 60};
  const bool fits = question->type == (record.address.v6 ? egress::kDnsAaaa : egress::kDnsA);
  return std::string(
      as_text(egress::encode_dns_answer(*question, egress::kDnsNoError, std::span(&record, fits ? 1 : 0))));
}

}  // namespace gateway::harness
