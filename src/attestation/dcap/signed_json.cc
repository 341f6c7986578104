#include "attestation/dcap/signed_json.h"

namespace gateway::attestation::dcap {
namespace {

struct Word {
  TcbStatus status;
  std::string_view word;
};
constexpr std::array kWords{
    Word{TcbStatus::kUpToDate, "UpToDate"},
    Word{TcbStatus::kSwHardeningNeeded, "SWHardeningNeeded"},
    Word{TcbStatus::kConfigurationNeeded, "ConfigurationNeeded"},
    Word{TcbStatus::kConfigurationAndSwHardeningNeeded, "ConfigurationAndSWHardeningNeeded"},
    Word{TcbStatus::kOutOfDate, "OutOfDate"},
    Word{TcbStatus::kOutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    Word{TcbStatus::kRevoked, "Revoked"},
    Word{TcbStatus::kTdRelaunchAdvised, "TDRelaunchAdvised"},
    Word{TcbStatus::kTdRelaunchAdvisedConfigurationNeeded, "TDRelaunchAdvisedConfigurationNeeded"},
    Word{TcbStatus::kNotSupported, "NotSupported"},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_advisory(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWord && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_white(std::uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

// Of JSON that was read before: the same tokens with nothing between them.
Bytes compacted(ByteView json) {
  Bytes out;
  out.reserve(json.size());
  bool in_text = false;
  bool escaped = false;
  for (const std::uint8_t byte : json) {
    if (!in_text && is_white(byte)) continue;
    out.push_back(byte);
    if (escaped) escaped = false;
    else if (in_text && byte == '\\') escaped = true;
    else if (byte == '"') in_text = !in_text;
  }
  return out;
}

}  // namespace

std::string_view to_string(TcbStatus status) {
  const auto found = std::ranges::find(kWords, status, &Word::status);
  return found == kWords.end() ? std::string_view() : found->word;
}

std::optional<TcbStatus> tcb_status_from(std::string_view word) {
  const auto found = std::ranges::find(kWords, word, &Word::word);
  if (found == kWords.end() || found->status >= TcbStatus::kTdRelaunchAdvised) return std::nullopt;
  return found->status;
}

std::unexpected<Error> FieldReader::bad(std::string_view name, std::string_view expected) const {
  return fail(ids_.field.code, ids_.field.id, std::string(name) + ": expected " + std::string(expected));
}

std::unexpected<Error> FieldReader::unsupported_version(std::string_view expected) const {
  return fail(ids_.version.code, ids_.version.id, "expected " + std::string(expected));
}

std::unexpected<Error> FieldReader::json_error(const Error& cause) const {
  const Refusal& refusal = cause.code() == ErrorCode::kLimitExceeded ? ids_.limit : ids_.json;
  return fail(refusal.code, refusal.id, cause.message());
}

Status FieldReader::object(std::string_view name) {
  if (!cursor_.object()) return bad(name, "an object");
  return {};
}

Status FieldReader::array(std::string_view name) {
  if (!cursor_.array()) return bad(name, "an array");
  return {};
}

Result<std::string_view> FieldReader::text(std::string_view name) {
  const auto text = cursor_.text();
  if (!text) return bad(name, "a text of printable ASCII without escapes");
  return *text;
}

Result<std::uint64_t> FieldReader::number(std::string_view name, std::uint64_t max) {
  const auto number = cursor_.number(max);
  if (!number) return bad(name, "an integer of at most " + std::to_string(max));
  return *number;
}

Result<Time> FieldReader::date(std::string_view name) {
  constexpr std::string_view kForm = "2026-01-02T03:04:05Z";
  const auto text = cursor_.text();
  const auto date = text && text->size() == kForm.size() && (*text)[10] == 'T' && text->back() == 'Z'
                        ? from_rfc3339(*text)
                        : std::nullopt;
  if (!date) return bad(name, "a date such as 2026-01-02T03:04:05Z");
  return *date;
}

Result<TcbStatus> FieldReader::status(std::string_view name) {
  const auto text = cursor_.text();
  const auto status = text ? tcb_status_from(*text) : std::nullopt;
  if (!status) return bad(name, "a TCB status of Intel's");
  return *status;
}

Status FieldReader::hex_into(std::string_view name, std::span<std::uint8_t> out) {
  const auto refuse = [&] { return bad(name, std::to_string(out.size()) + " bytes of hexadecimal"); };
  const auto text = cursor_.text();
  if (!text || text->size() != 2 * out.size()) return refuse();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit((*text)[2 * i]);
    const int low = hex_digit((*text)[2 * i + 1]);
    if (high < 0 || low < 0) return refuse();
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return {};
}

Result<std::vector<std::string>> FieldReader::advisories(std::string_view name) {
  std::vector<std::string> ids;
  GATEWAY_TRY(array(name));
  while (true) {
    GATEWAY_ASSIGN(const bool another, element());
    if (!another) return ids;
    const auto id = cursor_.text();
    if (!id || !is_advisory(*id)) return bad(name, "advisories such as INTEL-SA-00001");
    if (ids.size() == kMaxAdvisories) return bad(name, "fewer advisories");
    ids.emplace_back(*id);
  }
}

Result<std::uint16_t> FieldReader::isv_svn() {
  std::optional<std::uint16_t> svn;
  GATEWAY_TRY(object("tcb"));
  while (true) {
    GATEWAY_ASSIGN(const auto member, key());
    if (!member) break;
    if (*member == "isvsvn") {
      GATEWAY_ASSIGN(const std::uint64_t value, number("isvsvn", 0xffff));
      svn = static_cast<std::uint16_t>(value);
    } else {
      GATEWAY_TRY(skip());
    }
  }
  if (!svn) return bad("isvsvn", "an SVN");
  return *svn;
}

Result<IsvLevel> FieldReader::isv_level() {
  static constexpr std::array<std::string_view, 4> kNames{"tcb", "tcbDate", "tcbStatus", "advisoryIDs"};
  Members members(kNames);
  IsvLevel level;
  GATEWAY_TRY(object("tcbLevels"));
  while (true) {
    GATEWAY_ASSIGN(const auto member, key());
    if (!member) break;
    const auto index = members.note(*member);
    if (index == 0) {
      GATEWAY_ASSIGN(level.isv_svn, isv_svn());
    } else if (index == 1) {
      GATEWAY_ASSIGN(level.date, date("tcbDate"));
    } else if (index == 2) {
      GATEWAY_ASSIGN(level.status, status("tcbStatus"));
    } else if (index == 3) {
      GATEWAY_ASSIGN(level.advisories, advisories("advisoryIDs"));
    } else {
      GATEWAY_TRY(skip());
    }
  }
  if (const auto name = members.missing(3)) return bad(*name, "it in every level");
  return level;
}

Result<std::vector<IsvLevel>> FieldReader::isv_levels(std::string_view name) {
  std::vector<IsvLevel> levels;
  GATEWAY_TRY(array(name));
  while (true) {
    GATEWAY_ASSIGN(const bool another, element());
    if (!another) break;
    if (levels.size() == kMaxLevels) return bad(name, "fewer levels");
    GATEWAY_ASSIGN(IsvLevel level, isv_level());
    levels.push_back(std::move(level));
  }
  if (levels.empty()) return bad(name, "at least one level");
  return levels;
}

Status verify_signature(const SignedBody& document, const crypto::PublicKey& key) {
  const auto verifies = [&](ByteView body) {
    return key.verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, body, document.signature)
        .has_value();
  };
  if (verifies(document.body)) return {};
  const Bytes compact = compacted(document.body);
  if (compact.size() != document.body.size() && verifies(compact)) return {};
  return fail(ErrorCode::kNotAuthentic, "dcap.collateral.signature", "the signature does not verify");
}

}  // namespace gateway::attestation::dcap
