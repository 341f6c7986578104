// The test workload: HTTP/1.1 on a Unix socket (README.md). One thread a connection; a connection that does not speak
// HTTP/1.1 is closed.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "probe.h"
#include "reach.h"

namespace {

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  void serve() {
    while (read_request() && answer()) {
    }
  }

 private:
  bool fill() {
    char chunk[65536];
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(got));
    return true;
  }
  bool take_line(std::string& line) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
  }
  bool take_bytes(std::size_t count, std::string& to) {
    while (buffer_.size() < count) {
      if (!fill()) return false;
    }
    to.append(buffer_, 0, count);
    buffer_.erase(0, count);
    return true;
  }
  std::string header(std::string_view name) const {
    std::size_t at = head_.find("\r\n");
    while (at != std::string::npos && at + 2 < head_.size()) {
      const std::size_t start = at + 2;
      at = head_.find("\r\n", start);
      const std::string line = head_.substr(start, at - start);
      const std::size_t colon = line.find(':');
      if (colon == name.size() && ::strncasecmp(line.c_str(), name.data(), colon) == 0) {
        std::size_t value = colon + 1;
        while (value < line.size() && line[value] == ' ') ++value;
        return line.substr(value);
      }
    }
    return {};
  }
  bool read_request() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (buffer_.size() > 1024 * 1024 || !fill()) return false;
    }
    head_ = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    body_.clear();
    if (!header("transfer-encoding").empty()) return read_chunks();
    const std::string length = header("content-length");
    return length.empty() || take_bytes(std::strtoull(length.c_str(), nullptr, 10), body_);
  }
  bool read_chunks() {
    while (true) {
      std::string line;
      if (!take_line(line)) return false;
      const std::size_t size = std::strtoull(line.c_str(), nullptr, 16);
      if (!take_bytes(size, body_) || !take_line(line)) return false;
      if (size == 0) return true;
    }
  }
  unsigned long long parameter(const std::string& target, const char* name, unsigned long long otherwise) const {
    const std::size_t at = target.find(std::string(name) + "=");
    return at == std::string::npos ? otherwise
                                   : std::strtoull(target.c_str() + at + std::strlen(name) + 1, nullptr, 10);
  }
  static std::string text_parameter(const std::string& target, const std::string& name) {
    const std::size_t at = target.find(name + "=");
    if (at == std::string::npos) return {};
    const std::size_t start = at + name.size() + 1;
    return target.substr(start, target.find('&', start) - start);
  }
  bool reply(std::string_view type, std::string_view body, std::string_view status = "200 OK") {
    return send_all(socket_, "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: " + std::string(type) +
                                 "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
  }
  bool send_chunk(std::string_view text) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return send_all(socket_, size + std::string(text) + "\r\n");
  }
  bool stream(const std::string& target) {
    const auto events = parameter(target, "events", 10);
    const auto pause = parameter(target, "ms", 0);
    if (!send_all(socket_, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"))
      return false;
    for (unsigned long long i = 0; i < events; ++i) {
      if (!send_chunk("data: {\"event\":" + std::to_string(i) + "}\n\n")) return false;
      if (pause > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    }
    return send_chunk("data: [DONE]\n\n") && send_all(socket_, "0\r\n\r\n");
  }
  bool truncate(const std::string& target) {
    const std::string part(parameter(target, "bytes", 100), 'x');
    send_all(socket_, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_chunk(part);
    return false;
  }
  bool answer() {
    const std::size_t first = head_.find(' ');
    const std::size_t second = head_.find(' ', first + 1);
    if (first == std::string::npos || second == std::string::npos) return false;
    const std::string method = head_.substr(0, first);
    const std::string target = head_.substr(first + 1, second - first - 1);
    const std::string path = target.substr(0, target.find('?'));
    std::printf("request %s %s %zu\n", method.c_str(), path.c_str(), body_.size());
    std::fflush(stdout);
    if (path == "/health") return reply("text/plain", "ok\n");
    if (path == "/echo" && method == "POST") return reply("application/octet-stream", body_);
    if (path == "/echo") return reply("text/plain", method + " " + target + "\n");
    if (path == "/headers") return reply("text/plain", head_);
    if (path == "/stream") return stream(target);
    if (path == "/truncate") return truncate(target);
    if (path == "/probe") return reply("application/json", probe_isolation());
    if (path == "/tcp" || path == "/udp") {
      const auto reach = path == "/tcp" ? reach_tcp : reach_udp;
      return reply("application/octet-stream",
                   reach(text_parameter(target, "address"), static_cast<unsigned>(parameter(target, "port", 0)), body_,
                         parameter(target, "idle", 2000)));
    }
    if (path == "/env") {
      const char* const value = std::getenv(text_parameter(target, "name").c_str());
      return reply("text/plain", value == nullptr ? "" : value);
    }
    if (path == "/crash") std::_Exit(1);
    if (path == "/slow") {
      std::this_thread::sleep_for(std::chrono::milliseconds(parameter(target, "ms", 1000)));
      return reply("text/plain", "done\n");
    }
    return reply("text/plain", "no such path\n", "404 Not Found");
  }

  int socket_;
  std::string buffer_;
  std::string head_;  // request line and headers, each line closed
  std::string body_;
};

int listen_on(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) return -1;
  std::strcpy(address.sun_path, path);
  ::unlink(path);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 512) != 0) {
    return -1;
  }
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::strcmp(argv[1], "--socket") != 0) {
    std::fprintf(stderr, "usage: gateway_echo_workload --socket PATH\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { std::_Exit(0); });
  const int listener = listen_on(argv[2]);
  if (listener < 0) {
    std::perror("listen");
    return 1;
  }
  std::printf("listening\n");
  std::fflush(stdout);
  while (true) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) std::thread([socket] { Connection(socket).serve(); }).detach();
  }
}
