#include "options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <string_view>

namespace gateway::hostile {
namespace {

struct ModeName {
  std::string_view name;
  Mode mode;
  bool needs_upstream;
};
constexpr std::array<ModeName, 13> kModes{{{"mitm", Mode::kMitm, true},
                                           {"replay", Mode::kReplay, true},
                                           {"stale-quote", Mode::kStaleQuote, true},
                                           {"stale-nonce", Mode::kStaleNonce, true},
                                           {"other-evidence", Mode::kOtherEvidence, true},
                                           {"forge-session", Mode::kForgeSession, true},
                                           {"swap-keys", Mode::kSwapKeys, true},
                                           {"forge", Mode::kForge, false},
                                           {"debug", Mode::kDebug, false},
                                           {"unsigned", Mode::kUnsigned, false},
                                           {"zero-signature", Mode::kZeroSignature, false},
                                           {"truncate", Mode::kTruncate, true},
                                           {"repair-crc", Mode::kRepairCrc, false}}};

std::optional<Options> complain(const std::string& what) {
  std::fprintf(stderr,
               "gateway-hostile-host: %s\n"
               "usage: gateway-hostile-host MODE [--listen HOST:PORT] [--upstream HOST:PORT] [--other HOST:PORT]\n"
               "         [--honest N] [--seen FILE] [--root FOLDER] [--pcrs A,B,C] [--config HEX] [--platform NAME]\n"
               "         [--backdate SECONDS] [--after N] [--with fin|rst] [--at byte|record]\n"
               "       gateway-hostile-host repair-crc IMAGE.eif\n"
               "modes:",
               what.c_str());
  for (const ModeName& mode : kModes) std::fprintf(stderr, " %s", std::string(mode.name).c_str());
  std::fprintf(stderr, "\n");
  return std::nullopt;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_digest(std::string_view text, ByteArray<48>& out) {
  if (text.starts_with("sha384:")) text.remove_prefix(7);
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != out.size()) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

bool read_pcrs(std::string_view text, std::array<ByteArray<48>, 3>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t comma = text.find(',');
    if ((comma == std::string_view::npos) != (i + 1 == out.size())) return false;
    if (!read_digest(text.substr(0, comma), out.at(i))) return false;
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return true;
}

bool read_backdate(std::string_view text, std::chrono::seconds& out) {
  std::int64_t seconds = 0;
  if (!read_number(text, seconds)) return false;
  out = std::chrono::seconds(seconds);
  return true;
}

bool read_platform(std::string_view text, attestation::Platform& out) {
  const auto platform = attestation::platform_from(text);
  if (platform) out = *platform;
  return platform.has_value();
}

bool set(Options& options, std::string_view name, std::string_view value) {
  const std::map<std::string_view, std::string*> texts{{"--listen", &options.listen},
                                                       {"--upstream", &options.upstream},
                                                       {"--other", &options.other},
                                                       {"--seen", &options.seen},
                                                       {"--root", &options.root_folder}};
  if (const auto found = texts.find(name); found != texts.end()) {
    *found->second = value;
    return true;
  }
  if (name == "--honest") return read_number(value, options.honest);
  if (name == "--pcrs") return read_pcrs(value, options.pcrs);
  if (name == "--config") return read_digest(value, options.config_digest);
  if (name == "--platform") return read_platform(value, options.platform);
  if (name == "--backdate") return read_backdate(value, options.backdate);
  if (name == "--after") return read_number(value, options.cut_after);
  if (name == "--with") {
    options.cut_with = value == "rst" ? CutWith::kRst : CutWith::kFin;
    return value == "rst" || value == "fin";
  }
  if (name == "--at") {
    options.cut_at = value == "byte" ? CutAt::kByte : CutAt::kRecord;
    return value == "byte" || value == "record";
  }
  return false;
}

}  // namespace

std::optional<Options> read_options(std::span<const char* const> words) {
  if (words.empty()) return complain("no mode");
  const auto* const mode =
      std::ranges::find_if(kModes, [&](const ModeName& candidate) { return candidate.name == words.front(); });
  if (mode == kModes.end()) return complain("no such mode");
  Options options;
  options.mode = mode->mode;
  if (options.mode == Mode::kRepairCrc) {
    if (words.size() != 2) return complain("repair-crc takes one file");
    options.file = words[1];
    return options;
  }
  for (std::size_t i = 1; i < words.size(); i += 2) {
    if (i + 1 == words.size()) return complain(std::string(words[i]) + " lacks its value");
    if (!set(options, words[i], words[i + 1]))
      return complain(std::string(words[i]) + " is unknown or has a bad value");
  }
  if (mode->needs_upstream && options.upstream.empty()) return complain("this mode needs --upstream");
  if (options.mode == Mode::kOtherEvidence && options.other.empty()) return complain("this mode needs --other");
  if (options.honest > 0 && options.upstream.empty()) return complain("--honest needs --upstream");
  return options;
}

}  // namespace gateway::hostile
