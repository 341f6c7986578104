#include "codec/pem.h"

#include <algorithm>

namespace gateway::codec {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

// Cuts the first line off `text`, without its line end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

std::unexpected<Error> syntax(const char* detail) {
  return fail(ErrorCode::kMalformed, "pem.syntax", detail, "export the file again in PEM form; it may be damaged");
}

// `text` begins behind the BEGIN line, and ends up behind the END line. Another BEGIN may follow on that very line: so
// it is where somebody put files one after another whose last lines had no end.
Result<PemBlock> read_block(std::string_view label, std::string_view& text) {
  const std::string end = std::string(kEnd).append(label).append(kDashes);
  std::string base64;
  while (!text.empty()) {
    const std::string_view from_here = text;
    const std::string_view line = take_line(text);
    if (!line.starts_with(kDashes)) {
      base64.append(line);
      continue;
    }
    const bool closes = line.starts_with(end);
    const bool another = closes && line.substr(end.size()).starts_with(kBegin);
    if (!closes || (line != end && !another))
      return syntax("a PEM block does not end with the END line of its own label");
    if (another) text = from_here.substr(end.size());
    auto bytes = from_base64(base64);
    if (!bytes) return syntax("expected base64 inside a PEM block, found something else");
    return PemBlock{std::string(label), *std::move(bytes)};
  }
  return syntax("a PEM block has no END line");
}

}  // namespace

Result<std::vector<PemBlock>> parse_pem(std::string_view text, std::size_t max_blocks) {
  std::vector<PemBlock> blocks;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!line.starts_with(kBegin)) continue;
    if (line.size() < kBegin.size() + kDashes.size() || !line.ends_with(kDashes)) {
      return syntax("a BEGIN line does not end with dashes");
    }
    if (blocks.size() == max_blocks) {
      return fail(ErrorCode::kLimitExceeded, "pem.count",
                  "expected at most " + std::to_string(max_blocks) + " PEM blocks, found more");
    }
    const auto label = line.substr(kBegin.size(), line.size() - kBegin.size() - kDashes.size());
    GATEWAY_ASSIGN(auto block, read_block(label, text));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

std::string write_pem(std::string_view label, ByteView bytes) {
  constexpr std::size_t kColumns = 64;
  const std::string base64 = to_base64(bytes);
  std::string out(kBegin);
  out.append(label).append(kDashes).append("\n");
  for (std::size_t at = 0; at < base64.size(); at += kColumns) out.append(base64, at, kColumns).append("\n");
  out.append(kEnd).append(label).append(kDashes).append("\n");
  return out;
}

}  // namespace gateway::codec
