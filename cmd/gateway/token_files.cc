#include "token_files.h"

#include <algorithm>

#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxTokenFile = 4096;
constexpr std::size_t kMinToken = 16;

}  // namespace

Result<Secret> read_token(const std::string& path) {
  GATEWAY_ASSIGN(Bytes content, read_file(path, kMaxTokenFile));
  const Secret file = Secret::take(std::move(content));
  ByteView token = file.reveal();
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token = token.first(token.size() - 1);
  const bool plain = std::ranges::all_of(token, [](std::uint8_t c) { return c > ' ' && c < 0x7f; });
  if (token.size() < kMinToken || file.size() > kMaxTokenFile || !plain) {
    return fail(ErrorCode::kInvalidArgument, "token.file", path + " does not hold one token of at least 16 characters",
                "name the file that `gateway run` or `gateway token` wrote");
  }
  return Secret(token);
}

Result<Secret> read_authorization(const std::string& path) {
  GATEWAY_ASSIGN(const Secret token, read_token(path));
  constexpr std::string_view kScheme = "Bearer ";
  Secret header(kScheme.size() + token.size());
  const auto rest = std::ranges::copy(as_bytes(kScheme), header.reveal_mutable().begin()).out;
  std::ranges::copy(token.reveal(), rest);
  return header;
}

}  // namespace gateway::cli
