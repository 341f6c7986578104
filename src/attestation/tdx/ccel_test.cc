#include "attestation/tdx/ccel.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "attestation/dcap/quote.h"
#include "crypto/hash.h"

namespace gateway::attestation::tdx {
namespace {

struct Event {
  std::uint32_t mr_index = 1;
  std::uint32_t type = 4;
  Bytes digest = Bytes(48, 0x0a);
  Bytes data = Bytes(4, 0x0d);
};

struct Log {
  std::uint32_t header_type = kEventNoAction;
  Bytes header_digest = Bytes(20);
  std::string signature{"Spec ID Event03\0", 16};
  std::vector<std::pair<std::uint16_t, std::uint16_t>> algorithms{{0x000c, 48}};
  Bytes header_rest{0};  // size of the vendor's information
  std::vector<Event> events{{}, {.mr_index = 2}, {.mr_index = 1, .digest = Bytes(48, 0x0b)}};
  Bytes after = Bytes(100, 0xff);

  Bytes encode() const {
    ByteWriter spec;
    spec.put(signature);
    spec.u32le(0);
    spec.u32le(0x02000200);
    spec.u32le(static_cast<std::uint32_t>(algorithms.size()));
    for (const auto& [id, size] : algorithms) {
      spec.u16le(id);
      spec.u16le(size);
    }
    spec.put(header_rest);
    ByteWriter log;
    log.u32le(1);
    log.u32le(header_type);
    log.put(header_digest);
    log.u32le(static_cast<std::uint32_t>(spec.bytes().size()));
    log.put(spec.bytes());
    for (const Event& event : events) {
      log.u32le(event.mr_index);
      log.u32le(event.type);
      log.u32le(static_cast<std::uint32_t>(algorithms.size()));
      for (const auto& [id, size] : algorithms) {
        log.u16le(id);
        log.put(id == 0x000c ? event.digest : Bytes(size, 0x01));
      }
      log.u32le(static_cast<std::uint32_t>(event.data.size()));
      log.put(event.data);
    }
    log.put(after);
    return std::move(log).take();
  }
};

std::string refusal(const Bytes& bytes) {
  const auto log = parse_ccel(bytes);
  return log ? "" : std::string(log.error().id());
}
std::string refusal(const std::function<void(Log&)>& change) {
  Log log;
  change(log);
  return refusal(log.encode());
}

TEST(Ccel, ReplaysEventsInTheirOrder) {
  const Bytes bytes = Log{}.encode();
  const auto log = parse_ccel(bytes);
  ASSERT_TRUE(log) << log.error().message();
  ASSERT_EQ(log->events.size(), 3U);
  const auto rtmrs = replay(*log);
  const Bytes a(48, 0x0a), b(48, 0x0b), zero(48);
  const auto first = crypto::sha384({zero, a});
  EXPECT_EQ(rtmrs[0], crypto::sha384({first, b}));
  EXPECT_EQ(rtmrs[1], first);
  EXPECT_EQ(rtmrs[2], ByteArray<48>{});
}

TEST(Ccel, DoesNotMeasureNoAction) {
  Log log;
  log.events = {{.type = kEventNoAction}};
  EXPECT_EQ(replay(parse_ccel(log.encode()).value())[0], ByteArray<48>{});
}

TEST(Ccel, TakesTheSha384DigestAmongSeveral) {
  Log log;
  const auto alone = replay(parse_ccel(log.encode()).value());
  log.algorithms = {{0x000b, 32}, {0x000c, 48}, {0x000d, 64}};
  EXPECT_EQ(replay(parse_ccel(log.encode()).value()), alone);
}

TEST(Ccel, AcceptsPaddingOfOneKind) {
  for (const Bytes& after : {Bytes{}, Bytes(7, 0x00), Bytes(7, 0xff)}) {
    EXPECT_EQ(refusal([&](Log& log) { log.after = after; }), "");
  }
  EXPECT_EQ(refusal([](Log& log) { log.after = {0xff, 0xff, 0}; }), "tdx.ccel.trailing");
  EXPECT_EQ(refusal([](Log& log) { log.after = {0, 0, 0, 0, 1}; }), "tdx.ccel.trailing");
}

TEST(Ccel, RefusesWrongHeaders) {
  EXPECT_EQ(refusal([](Log& log) { log.header_type = 4; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.header_digest[3] = 1; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.signature[14] = '2'; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.header_rest = {1}; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.header_rest = {0, 0}; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.algorithms = {{0x000c, 47}}; }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.algorithms.emplace_back(0x000c, 48); }), "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) {
              log.algorithms.clear();
              log.events.clear();
            }),
            "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) {
              for (std::uint16_t id = 0x100; id < 0x108; ++id) log.algorithms.emplace_back(id, 1);
            }),
            "tdx.ccel.header");
  EXPECT_EQ(refusal([](Log& log) { log.algorithms = {{0x000b, 32}}; }), "tdx.ccel.algorithm");
}

TEST(Ccel, RefusesWrongEvents) {
  EXPECT_EQ(refusal([](Log& log) { log.events[1].mr_index = 5; }), "tdx.ccel.event");
  Bytes bytes = Log{}.encode();
  const std::size_t first = 8 + 20 + 4 + 33;
  bytes[first + 8] = 2;  // digests
  EXPECT_EQ(refusal(bytes), "tdx.ccel.event");
  bytes[first + 8] = 1;
  bytes[first + 12] = 0x0b;  // of an algorithm that the header does not name
  EXPECT_EQ(refusal(bytes), "tdx.ccel.event");
  bytes[first + 12] = 0x0c;
  bytes[first + 62] = 0xff;  // size of the data
  EXPECT_EQ(refusal(bytes), "tdx.ccel.truncated");
  Log two;
  two.algorithms = {{0x000c, 48}, {0x000d, 48}};
  bytes = two.encode();
  bytes[first + 4 + 12 + 50] = 0x0c;  // the same algorithm twice
  EXPECT_EQ(refusal(bytes), "tdx.ccel.event");
}

// Digests are counted by the header's algorithms: none may be missing.
TEST(Ccel, RefusesEventsWithoutADigest) {
  Log log;
  log.events.clear();
  log.after.clear();
  Bytes bytes = log.encode();
  ByteWriter event;
  event.u32le(1);
  event.u32le(4);
  event.u32le(0);  // digests
  event.u32le(0);  // size
  append(bytes, event.bytes());
  EXPECT_EQ(refusal(bytes), "tdx.ccel.event");
}

TEST(Ccel, RefusesAHeaderThatEndsEarly) {
  ByteWriter log;
  log.u32le(1);
  log.u32le(kEventNoAction);
  log.zeros(20);
  log.u32le(18);
  log.put(std::string_view("Spec ID Event03\0xx", 18));
  EXPECT_EQ(refusal(log.bytes()), "tdx.ccel.header");
}

TEST(Ccel, RefusesEveryTruncation) {
  Log log;
  log.after.clear();
  const Bytes whole = log.encode();
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (parse_ccel(ByteView(whole).first(size))) ++accepted;
  }
  EXPECT_EQ(accepted, log.events.size());  // where it ends with one of the events before the last, or the header
}

TEST(Ccel, RefusesLogsBeyondItsLimits) {
  EXPECT_EQ(refusal([](Log& log) { log.after = Bytes(kMaxCcelSize, 0xff); }), "tdx.ccel.size");
  EXPECT_EQ(refusal([](Log& log) { log.events.assign(kMaxCcelEvents + 1, {.data = {}}); }), "tdx.ccel.events");
  EXPECT_EQ(refusal([](Log& log) { log.events.assign(kMaxCcelEvents, {.data = {}}); }), "");
}

TEST(Ccel, IsHeldAgainstTheQuotesRegisters) {
  const Bytes bytes = Log{}.encode();
  const auto log = parse_ccel(bytes).value();
  const auto rtmrs = replay(log);
  TdxClaims claims;
  claims.rtmr = {rtmrs[0], rtmrs[1], {}, {}};
  claims.rtmr[3].fill(9);  // the system's own: no event names it
  CheckList checks;
  EXPECT_TRUE(check_event_log(log, claims, checks));
  EXPECT_EQ(checks.lines().back().actual, "RTMR0, RTMR1");
  claims.rtmr[1].fill(1);
  const auto status = check_event_log(log, claims, checks);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().id(), "tdx.ccel.rtmr");
  const auto empty = check_event_log({}, claims, checks);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().id(), "tdx.ccel.rtmr");
}

Bytes read_file(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return to_bytes(content.str());
}

TEST(CcelVectors, ReplayToTheRegistersOfTheQuoteBesideThem) {
  const char* vectors = std::getenv("GATEWAY_VECTORS");
  if (vectors == nullptr) {
    GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL EVENT LOG IS CHECKED. Set it to the folder of the vectors.";
  }
  const std::string folder = vectors;
  const Bytes bytes = read_file(folder + "/tdx/ccel/cos-113_ccel_data.dat");
  const auto log = parse_ccel(bytes);
  ASSERT_TRUE(log) << log.error().message();
  EXPECT_EQ(log->events.size(), 43U);
  const Bytes quote = read_file(folder + "/tdx/quotes/tdx1.0_v4_00806f050000_go-tdx-guest_00b2526a.bin");
  const auto parsed = dcap::parse_quote(quote);
  ASSERT_TRUE(parsed);
  CheckList checks;
  EXPECT_TRUE(check_event_log(*log, parsed->tdx(), checks));
  EXPECT_EQ(checks.lines().back().actual, "RTMR0, RTMR1, RTMR2");
  EXPECT_EQ(replay(*log), parsed->tdx().rtmr);
  const Bytes other = read_file(folder + "/tdx/ccel/dstack_ccel.bin");
  const auto other_log = parse_ccel(other);
  ASSERT_TRUE(other_log) << other_log.error().message();
  EXPECT_FALSE(check_event_log(*other_log, parsed->tdx(), checks));
}

}  // namespace
}  // namespace gateway::attestation::tdx
