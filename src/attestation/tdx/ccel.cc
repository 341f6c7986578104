#include "attestation/tdx/ccel.h"

#include <algorithm>

#include "crypto/hash.h"

namespace gateway::attestation::tdx {
namespace {

constexpr ErrorId kTruncated = "tdx.ccel.truncated";
constexpr std::uint16_t kSha384 = 0x000c;  // TPM_ALG_SHA384
constexpr std::size_t kSha384Size = 48;
constexpr std::size_t kSha1Size = 20;  // of the header's event, which has the older form
constexpr std::string_view kSignature("Spec ID Event03\0", 16);

struct Algorithm {
  std::uint16_t id = 0;
  std::uint16_t size = 0;
};

std::unexpected<Error> bad_header(const char* expected) {
  return fail(ErrorCode::kMalformed, "tdx.ccel.header", std::string("expected ") + expected);
}
std::unexpected<Error> bad_event(std::string detail) {
  return fail(ErrorCode::kMalformed, "tdx.ccel.event", std::move(detail));
}

class CcelReader {
 public:
  explicit CcelReader(ByteView input) : reader_(input, kTruncated) {}

  Result<EventLog> read() {
    GATEWAY_TRY(read_header());
    EventLog log;
    while (true) {
      GATEWAY_ASSIGN(const bool end, at_end());
      if (end) return log;
      if (log.events.size() == kMaxCcelEvents) {
        return fail(ErrorCode::kLimitExceeded, "tdx.ccel.events",
                    "more than " + std::to_string(kMaxCcelEvents) + " events");
      }
      GATEWAY_ASSIGN(const CcelEvent event, read_event());
      log.events.push_back(event);
    }
  }

 private:
  // TCG_PCR_EVENT with a TCG_EfiSpecIdEvent: which hash algorithms the log uses.
  Status read_header() {
    GATEWAY_ASSIGN([[maybe_unused]] const std::uint32_t index, reader_.u32le());  // 0 or 1, as the firmware likes
    GATEWAY_ASSIGN(const std::uint32_t type, reader_.u32le());
    if (type != kEventNoAction) return bad_header("EV_NO_ACTION first");
    GATEWAY_TRY(reader_.zeros(kSha1Size, "tdx.ccel.header"));
    GATEWAY_ASSIGN(const std::uint32_t size, reader_.u32le());
    GATEWAY_ASSIGN(const ByteView data, reader_.take(size));
    ByteReader spec(data, "tdx.ccel.header");
    GATEWAY_ASSIGN(const ByteView signature, spec.take(kSignature.size()));
    if (as_text(signature) != kSignature) return bad_header("a log of the crypto agile format");
    GATEWAY_ASSIGN([[maybe_unused]] const ByteView versions, spec.take(8));  // and platform class, size of UINTN
    GATEWAY_ASSIGN(const std::uint32_t count, spec.u32le());
    if (count == 0 || count > kMaxCcelAlgorithms) return bad_header("1 to 8 hash algorithms");
    for (std::uint32_t i = 0; i < count; ++i) {
      Algorithm algorithm;
      GATEWAY_ASSIGN(algorithm.id, spec.u16le());
      GATEWAY_ASSIGN(algorithm.size, spec.u16le());
      const auto same = [&](const Algorithm& other) { return other.id == algorithm.id; };
      if (std::ranges::any_of(algorithms_, same)) return bad_header("every algorithm once");
      if (algorithm.id == kSha384 && algorithm.size != kSha384Size) return bad_header("48 bytes for SHA-384");
      algorithms_.push_back(algorithm);
    }
    if (!std::ranges::any_of(algorithms_, [](const Algorithm& each) { return each.id == kSha384; })) {
      return fail(ErrorCode::kUnsupported, "tdx.ccel.algorithm", "expected SHA-384 digests, which RTMRs are made of");
    }
    GATEWAY_ASSIGN(const std::uint8_t vendor_size, spec.u8());
    GATEWAY_TRY(spec.take(vendor_size));
    return spec.finish("tdx.ccel.header");
  }

  // Whether only padding is left. An event begins with a register's index, which padding is not.
  Result<bool> at_end() {
    const ByteView rest = reader_.rest();
    if (rest.empty()) return true;
    const std::uint8_t first = rest.front();
    if (first != 0x00 && first != 0xff) return false;
    if (std::ranges::all_of(rest, [&](std::uint8_t byte) { return byte == first; })) return true;
    return fail(ErrorCode::kMalformed, "tdx.ccel.trailing", "expected nothing but padding after the last event");
  }

  Result<CcelEvent> read_event() {
    CcelEvent event;
    GATEWAY_ASSIGN(event.mr_index, reader_.u32le());
    if (event.mr_index < 1 || event.mr_index > kRtmrs) {
      return bad_event("expected a register from 1 to 4, found " + std::to_string(event.mr_index));
    }
    GATEWAY_ASSIGN(event.type, reader_.u32le());
    GATEWAY_ASSIGN(const std::uint32_t count, reader_.u32le());
    if (count != algorithms_.size()) return bad_event("expected a digest for each algorithm of the header");
    std::vector<std::uint16_t> seen;
    for (std::uint32_t i = 0; i < count; ++i) {
      GATEWAY_ASSIGN(const std::uint16_t id, reader_.u16le());
      const auto known = std::ranges::find(algorithms_, id, &Algorithm::id);
      if (known == algorithms_.end() || std::ranges::find(seen, id) != seen.end()) {
        return bad_event("expected each algorithm of the header once");
      }
      seen.push_back(id);
      GATEWAY_ASSIGN(const ByteView digest, reader_.take(known->size));
      if (id == kSha384) event.digest = digest;
    }
    GATEWAY_ASSIGN(const std::uint32_t size, reader_.u32le());
    GATEWAY_ASSIGN(event.data, reader_.take(size));
    return event;
  }

  ByteReader reader_;
  std::vector<Algorithm> algorithms_;
};

}  // namespace

Result<EventLog> parse_ccel(ByteView input) {
  if (input.size() > kMaxCcelSize) {
    return fail(ErrorCode::kLimitExceeded, "tdx.ccel.size",
                "expected at most " + std::to_string(kMaxCcelSize) + " bytes");
  }
  return CcelReader(input).read();
}

std::array<ByteArray<48>, kRtmrs> replay(const EventLog& log) {
  std::array<ByteArray<48>, kRtmrs> rtmrs{};
  for (const CcelEvent& event : log.events) {
    if (event.type == kEventNoAction) continue;
    ByteArray<48>& rtmr = rtmrs.at(event.mr_index - 1);
    rtmr = crypto::sha384({rtmr, event.digest});
  }
  return rtmrs;
}

Status check_event_log(const EventLog& log, const TdxClaims& claims, CheckList& checks) {
  const auto rtmrs = replay(log);
  std::string compared;
  for (std::size_t i = 0; i < kRtmrs; ++i) {
    const bool measured = std::ranges::any_of(
        log.events, [&](const CcelEvent& event) { return event.mr_index == i + 1 && event.type != kEventNoAction; });
    if (!measured) continue;
    if (rtmrs.at(i) != claims.rtmr.at(i)) {
      return checks.refused(ErrorCode::kNotAuthentic, "tdx.ccel.rtmr",
                            "RTMR" + std::to_string(i) + " " + to_hex(claims.rtmr.at(i)), to_hex(rtmrs.at(i)),
                            "this log is not the one of the TD that was quoted, or was changed, or more was measured "
                            "since: read both anew, one after the other");
    }
    compared += (compared.empty() ? "RTMR" : ", RTMR") + std::to_string(i);
  }
  return checks.require(!compared.empty(), ErrorCode::kNotAuthentic, "tdx.ccel.rtmr",
                        "events that replay to the quote's RTMRs", compared.empty() ? "no event" : compared,
                        "give the log of the TD that was quoted");
}

}  // namespace gateway::attestation::tdx
