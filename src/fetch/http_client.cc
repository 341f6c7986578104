#include "fetch/http_client.h"

#include <algorithm>
#include <array>

#include "fetch/stream.h"
#include "net/http.h"

namespace gateway::fetch {
namespace {

constexpr std::size_t kMaxInterimAnswers = 8;  // 1xx
constexpr net::HttpLimits kHeadLimits{.max_head = kMaxHead, .max_headers = 100, .max_target = kMaxUrl};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::unexpected<Error> ended_early() {
  return fail(ErrorCode::kUnavailable, "collateral.fetch.truncated",
              "the service ended its answer before it was complete", "try again later");
}

// Reads one answer: interim heads, the head, the body.
class Reader {
 public:
  Reader(Stream& stream, std::size_t max_body) : stream_(stream), max_body_(max_body) {}

  Status head(std::string_view method, net::HttpHead& head) {
    for (std::size_t interim = 0; interim <= kMaxInterimAnswers;) {
      GATEWAY_ASSIGN(const auto size, net::parse_response_head(rest(), kHeadLimits, method, head));
      if (!size) {
        GATEWAY_ASSIGN(const bool more, fill());
        if (!more) return ended_early();
        continue;
      }
      if (head.status >= 200) {
        head_size_ = *size;
        return {};
      }
      at_ += *size;
      ++interim;
    }
    return fail(ErrorCode::kMalformed, "collateral.fetch.interim", "the service answers without end that it will");
  }

  // After a head: the views in it end here.
  Result<Bytes> body(net::Framing framing, std::uint64_t length) {
    at_ += head_size_;
    if (framing == net::Framing::kLength && length > max_body_) return too_large();
    net::BodyTracker tracker(framing, length);
    Bytes out;
    while (!tracker.whole()) {
      GATEWAY_ASSIGN(const auto piece, tracker.next(rest()));
      if (piece.payload.size() > max_body_ - out.size()) return too_large();
      append(out, piece.payload);
      at_ += piece.wire;
      if (piece.done || piece.wire > 0) continue;
      GATEWAY_ASSIGN(const bool more, fill());
      if (more) continue;
      tracker.transport_ended_in_order();
      if (!tracker.whole()) return ended_early();
    }
    return out;
  }

  bool read_ahead() const { return buffer_.size() > at_ + head_size_; }

 private:
  ByteView rest() const { return ByteView(buffer_).subspan(at_); }

  Result<bool> fill() {
    if (at_ > 0) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
      at_ = 0;
    }
    std::array<std::uint8_t, 16UZ * 1024> block;
    GATEWAY_ASSIGN(const std::size_t got, stream_.read(block));
    append(buffer_, ByteView(block).first(got));
    return got > 0;
  }

  std::unexpected<Error> too_large() const {
    return fail(ErrorCode::kLimitExceeded, "collateral.fetch.size",
                "expected an answer of at most " + std::to_string(max_body_) + " bytes",
                "check the address: no collateral is that large");
  }

  Stream& stream_;
  std::size_t max_body_;
  Bytes buffer_;
  std::size_t at_ = 0;
  std::size_t head_size_ = 0;
};

Result<Stream> open_socket(const net::Address& address, Deadline deadline) {
  const auto left = std::chrono::ceil<Duration>(deadline - std::chrono::steady_clock::now()).count();
  GATEWAY_ASSIGN(auto socket, net::connect_to(address, static_cast<int>(std::clamp<std::int64_t>(left, 1, 3'600'000))));
  return Stream(std::move(socket), deadline);
}

Status tunnel(Stream& stream, const Proxy& proxy, const Url& url) {
  const std::string host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  const std::string target = host + ":" + std::to_string(url.port);
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy.authorization.empty()) request += "Proxy-Authorization: " + proxy.authorization + "\r\n";
  GATEWAY_TRY(stream.write(as_bytes(request + "\r\n")));
  Reader reader(stream, 0);
  net::HttpHead head;
  GATEWAY_TRY(reader.head("CONNECT", head));
  if (head.status / 100 == 2 && !reader.read_ahead()) return {};
  return fail(ErrorCode::kUnavailable, "collateral.fetch.proxy",
              "the proxy does not connect to the service: status " + std::to_string(head.status),
              head.status == 407 ? "give the proxy's user and password in its URL" : "check the proxy");
}

Result<Stream> open(const Url& url, const channel::TlsContext& tls, const std::optional<Proxy>& given,
                    Deadline deadline) {
  const Proxy* const proxy = given && given->serves(url.host) ? &*given : nullptr;
  if (url.scheme == Url::Scheme::kHttp) return open_socket(url.address(), deadline);
  GATEWAY_ASSIGN(Stream stream, open_socket(proxy != nullptr ? proxy->address : url.address(), deadline));
  if (proxy != nullptr) GATEWAY_TRY(tunnel(stream, *proxy, url));
  GATEWAY_TRY(stream.start_tls(tls, url.host));
  return stream;
}

Result<HttpResponse> exchange(Stream& stream, const Url& url, std::size_t max_body) {
  const std::string request = "GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                              "\r\nUser-Agent: gateway\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
                              "Connection: close\r\n\r\n";
  GATEWAY_TRY(stream.write(as_bytes(request)));
  Reader reader(stream, max_body);
  net::HttpHead head;
  GATEWAY_TRY(reader.head("GET", head));
  HttpResponse response{.status = head.status, .headers = {}, .body = {}};
  for (const net::HttpHeader& header : head.headers) {
    response.headers.emplace_back(lower(header.name), std::string(header.value));
  }
  if (const auto encoding = response.header("content-encoding"); encoding && lower(*encoding) != "identity") {
    return fail(ErrorCode::kMalformed, "collateral.fetch.encoding",
                "the service compressed its answer although it was asked not to");
  }
  GATEWAY_ASSIGN(response.body, reader.body(head.framing, head.content_length));
  return response;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::unexpected<Error> bad_redirect(const char* detail) {
  return fail(ErrorCode::kMalformed, "collateral.fetch.redirect", detail, "check the service's address");
}

}  // namespace

std::optional<std::string_view> HttpResponse::header(std::string_view lower_case) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case) return value;
  }
  return std::nullopt;
}

Result<HttpResponse> HttpClient::get(const Url& first) const {
  const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
  Url url = first;
  for (unsigned hops = 0; hops <= options_.max_redirects; ++hops) {
    GATEWAY_ASSIGN(Stream stream, open(url, tls_, options_.proxy, deadline));
    GATEWAY_ASSIGN(HttpResponse response, exchange(stream, url, options_.max_body));
    if (!is_redirect(response.status)) return response;
    const auto location = response.header("location");
    if (!location) return bad_redirect("the service redirects to nowhere");
    const auto next = url.resolve(*location);
    if (!next || next->scheme != url.scheme) {
      return bad_redirect("the service redirects to another scheme, or to what is no address");
    }
    url = *next;
  }
  return bad_redirect("the service redirects again and again");
}

}  // namespace gateway::fetch
