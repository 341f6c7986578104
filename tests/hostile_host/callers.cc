#include "callers.h"

#include <stdexcept>
#include <thread>

#include "channel/deployment.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

crypto::PrivateKey make_key() { return must(crypto::PrivateKey::generate(crypto::KeyType::kP256)); }
const crypto::PrivateKey& access_key() {
  static const crypto::PrivateKey key = make_key();
  return key;
}

std::vector<std::string> events() {
  std::vector<std::string> lines;
  std::string text = site().gateway({"logs", enclave().name, "--events"}).out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// "TIME  enclave  tokens.accepted  …": the event's name, when it is about a token list.
std::string token_event(const std::string& line) {
  const std::size_t at = line.find("  tokens.");
  return at == std::string::npos ? std::string() : line.substr(at + 2, line.find(' ', at + 2) - at - 2);
}

}  // namespace

const std::string& config_file() {
  static const std::string file = site().write("enclave.toml", channel::make_default_config(access_key().public_key()));
  return file;
}

std::uint64_t next_version() {
  static std::uint64_t version = 1;
  return ++version;
}

const std::string& first_list_file() {
  static const std::string file = signed_list(1, {});
  return file;
}

std::string new_token() {
  const Secret token = channel::make_token();
  return std::string(as_text(token.reveal()));
}

std::string good_token() {
  static const std::string token = new_token();
  return token;
}

channel::TokenEntry entry_of(const std::string& id, const std::string& token, std::uint32_t rights) {
  channel::TokenEntry entry;
  entry.id = id;
  entry.token_sha256 = channel::token_digest(as_bytes(token));
  entry.rights = rights;
  return entry;
}

std::string signed_list(std::uint64_t version, const std::vector<channel::TokenEntry>& more, Duration life,
                        Signer signer) {
  channel::TokenList list;
  list.version = version;
  list.not_after = std::chrono::floor<std::chrono::seconds>(SystemClock().now() + life);
  list.entries = more;
  list.entries.push_back(
      entry_of("good", good_token(), channel::kRightCall | channel::kRightLogs | channel::kRightMetrics));
  const Bytes file = must(channel::sign_token_list(list, signer == Signer::kAccessKey ? access_key() : make_key()));
  static unsigned number = 0;
  return site().write("tokens-" + std::to_string(++number) + ".cbor", std::string(as_text(file)));
}

std::string hand_over(const std::string& list_file) {
  const std::size_t before = events().size();
  const auto pushed = site().gateway({"token", "push", enclave().name, "--list", list_file});
  if (pushed.status != 0) return "not handed over: " + pushed.both();
  for (int i = 0; i < 200; ++i) {
    const auto lines = events();
    for (std::size_t line = before; line < lines.size(); ++line) {
      if (const std::string event = token_event(lines[line]); !event.empty()) return event;
    }
    std::this_thread::sleep_for(Milliseconds(20));
  }
  return "no event";
}

}  // namespace gateway::hostile_suite
