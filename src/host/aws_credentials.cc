// AWS's credentials for an enclave: of the instance's role by its metadata service (IMDSv2), or of a file.
#include <boost/json.hpp>

#include "codec/json.h"
#include "host/egress.h"
#include "host/files.h"
#include "net/address.h"
#include "net/http.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>

namespace gateway::host {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxAnswer = 16UZ * 1024;
constexpr int kPatienceMs = 3'000;

std::unexpected<Error> no_credentials(const std::string& why) {
  return fail(ErrorCode::kUnavailable, "host.egress.credentials", why,
              "give the instance a role, or name a file of credentials: gatewayd's [egress] aws_credentials");
}

// One small request of HTTP/1.1 without TLS: the metadata service speaks nothing else.
Result<std::string> ask(const net::Address& service, const std::string& head) {
  GATEWAY_ASSIGN(const net::Descriptor socket, net::connect_to(service, kPatienceMs));
  const std::string request = head + "Host: " + service.host + "\r\nConnection: close\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return no_credentials("the metadata service takes no request");
  }
  Bytes answer;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  for (net::HttpHead parsed;;) {
    const auto size = net::parse_response_head(answer, {}, "GET", parsed);
    if (!size) return no_credentials("the metadata service answers with no HTTP: " + size.error().message());
    const bool sized = parsed.framing == net::Framing::kLength || parsed.framing == net::Framing::kNone;
    if (*size && sized && answer.size() >= **size + parsed.content_length) {
      if (parsed.status != 200) {
        return no_credentials("the metadata service answers with status " + std::to_string(parsed.status));
      }
      return std::string(as_text(ByteView(answer).subspan(**size, parsed.content_length)));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd readable{socket.get(), POLLIN, 0};
    std::array<std::uint8_t, 4096> chunk;
    if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) != 1) {
      return no_credentials("the metadata service does not answer");
    }
    const ssize_t got = ::recv(socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got <= 0 || answer.size() + static_cast<std::size_t>(got) > kMaxAnswer) {
      return no_credentials("the metadata service's answer is cut short or too long");
    }
    append(answer, ByteView(chunk).first(static_cast<std::size_t>(got)));
  }
}

Result<std::string> of_instance_role(const std::string& imds) {
  constexpr std::string_view kScheme = "http://";
  std::string place = imds.starts_with(kScheme) ? imds.substr(kScheme.size()) : imds;
  if (!place.contains(':')) place += ":80";
  GATEWAY_ASSIGN(const net::Address service, net::Address::parse_host_port(place));
  const std::string folder = "/latest/meta-data/iam/security-credentials/";
  GATEWAY_ASSIGN(const std::string token,
                 ask(service,
                     "PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"
                     "Content-Length: 0\r\n"));
  const std::string header = " HTTP/1.1\r\nX-aws-ec2-metadata-token: " + token + "\r\n";
  if (token.empty() || token.find_first_of("\r\n") != std::string::npos) return no_credentials("an empty token");
  GATEWAY_ASSIGN(std::string role, ask(service, "GET " + folder + header));
  role.erase(std::find(role.begin(), role.end(), '\n'), role.end());
  if (role.empty() || role.find_first_of(" \r/?#") != std::string::npos) {
    return no_credentials("the instance has no role");
  }
  return ask(service, "GET " + folder + role + header);
}

}  // namespace

Result<Bytes> fetch_aws_credentials(const EgressConfig& config) {
  if (config.aws_credentials.empty()) return no_credentials("gatewayd passes on no credentials");
  std::string text;
  if (config.aws_credentials == "instance-role") {
    GATEWAY_ASSIGN(text, of_instance_role(config.imds));
  } else {
    GATEWAY_ASSIGN(const Bytes bytes, read_file(config.aws_credentials, kMaxAnswer));
    text = std::string(as_text(bytes));
  }
  const auto value = codec::parse_json(text, {.bytes = kMaxAnswer, .depth = 2, .values = 32});
  if (!value || !value->is_object()) return no_credentials("what came is no JSON object");
  json::object out;
  for (const char* key : {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}) {
    const json::value* const field = value->get_object().if_contains(key);
    if (field == nullptr && std::string_view(key) != "AccessKeyId" && std::string_view(key) != "SecretAccessKey")
      continue;
    if (field == nullptr || !field->is_string()) return no_credentials(std::string(key) + " is missing");
    out[key] = *field;
  }
  return to_bytes(codec::write_json(out));
}

}  // namespace gateway::host
