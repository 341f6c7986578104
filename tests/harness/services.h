// Services that enclaves reach, or must not: on an address of this machine's own that is no loopback, each on a thread
// that ends with its object.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/descriptor.h"
#include "net/ip.h"

namespace gateway::harness {

// An IPv4 address of one of this machine's interfaces that names may lead to; empty: there is none.
std::string own_address();

// TCP: `serve` has each connection for itself, one after another.
class TcpService {
 public:
  using Serve = std::function<void(int socket)>;
  TcpService(const std::string& address, Serve serve);
  ~TcpService();
  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return connections_; }

 private:
  net::Descriptor listener_;
  std::uint16_t port_ = 0;
  Serve serve_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> connections_ = 0;
  std::thread thread_;
};
// Reads until `end` has come or the other side has ended, and answers.
TcpService::Serve answer_after(std::string end, std::string answer);

// UDP: each datagram has one answer, or none (empty).
class UdpService {
 public:
  using Answer = std::function<std::string(const std::string& datagram)>;
  UdpService(const std::string& address, Answer answer);
  ~UdpService();
  std::uint16_t port() const { return port_; }
  std::size_t datagrams() const { return datagrams_; }

 private:
  net::Descriptor socket_;
  std::uint16_t port_ = 0;
  Answer answer_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> datagrams_ = 0;
  std::thread thread_;
};

// A name server that knows these names, and may be told to lie.
class NameServer {
 public:
  NameServer();
  void set(const std::string& name, const std::string& address);
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(service_.port()); }
  std::vector<std::string> asked() const;

 private:
  std::string answer(const std::string& query);
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;
  std::vector<std::string> asked_;
  UdpService service_;
};

}  // namespace gateway::harness
