#include "egress/dns.h"

#include <algorithm>
#include <map>

#include "net/egress_link.h"

namespace gateway::egress {
namespace {

constexpr std::size_t kHead = 12;
constexpr std::uint16_t kInternet = 1;
constexpr std::uint16_t kResponse = 0x8000;
constexpr std::uint16_t kOpcode = 0x7800;
constexpr std::uint16_t kTruncated = 0x0200;
constexpr std::uint16_t kRecursionDesired = 0x0100;
constexpr std::uint16_t kRecursionAvailable = 0x0080;
constexpr std::uint16_t kOwnerIsQuestion = 0xc00c;  // a pointer to the name at byte 12
constexpr std::size_t kMaxAliases = 8;
constexpr std::size_t kMaxRecords = 128;

std::unexpected<Error> malformed(const char* what) { return fail(ErrorCode::kMalformed, "egress.dns", what); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Reader {
 public:
  explicit Reader(ByteView message) : message_(message) {}
  std::size_t at() const { return at_; }
  bool u16(std::uint16_t& out) {
    if (message_.size() - at_ < 2) return false;
    out = static_cast<std::uint16_t>(message_[at_] << 8U | message_[at_ + 1]);
    at_ += 2;
    return true;
  }
  bool u32(std::uint32_t& out) {
    std::uint16_t high = 0;
    std::uint16_t low = 0;
    if (!u16(high) || !u16(low)) return false;
    out = std::uint32_t{high} << 16U | low;
    return true;
  }
  bool take(std::size_t count, ByteView& out) {
    if (message_.size() - at_ < count) return false;
    out = message_.subspan(at_, count);
    at_ += count;
    return true;
  }
  // Each pointer must lead further back than the one before, so that this ends.
  bool name(std::string& out) {
    out.clear();
    std::size_t at = at_;
    std::size_t end = 0;  // after the first pointer
    std::size_t before = at_;
    while (at < message_.size()) {
      const std::uint8_t length = message_[at];
      if (length >= 0xc0) {
        if (at + 1 >= message_.size()) return false;
        const std::size_t target = (std::size_t{length} & 0x3fU) << 8U | message_[at + 1];
        if (end == 0) end = at + 2;
        if (target >= before) return false;
        at = before = target;
        continue;
      }
      if (length > 63) return false;
      if (length == 0) {
        at_ = end == 0 ? at + 1 : end;
        return true;
      }
      if (at + 1 + length > message_.size() || out.size() + length + 1 > net::kMaxHostName + 1) return false;
      if (!out.empty()) out.push_back('.');
      for (std::size_t i = 0; i < length; ++i) {
        const char c = lower(static_cast<char>(message_[at + 1 + i]));
        if (c == '.') return false;  // it would read as two labels
        out.push_back(c);
      }
      at += 1UZ + length;
    }
    return false;
  }

 private:
  ByteView message_;
  std::size_t at_ = 0;
};

struct Head {
  std::uint16_t id = 0, flags = 0, questions = 0, answers = 0, authorities = 0, additional = 0;
};

bool read_head(Reader& reader, Head& out) {
  return reader.u16(out.id) && reader.u16(out.flags) && reader.u16(out.questions) && reader.u16(out.answers) &&
         reader.u16(out.authorities) && reader.u16(out.additional);
}

void write_head(ByteWriter& out, const Head& head) {
  for (const std::uint16_t field :
       {head.id, head.flags, head.questions, head.answers, head.authorities, head.additional}) {
    out.u16be(field);
  }
}

struct Alias {
  std::string to;
  std::uint32_t ttl = 0;
};
struct Records {
  std::map<std::string, Alias, std::less<>> aliases;
  std::multimap<std::string, DnsAddress, std::less<>> addresses;
};

bool read_records(Reader& reader, ByteView message, std::uint16_t count, std::uint16_t wanted, Records& out) {
  for (std::uint16_t i = 0; i < count; ++i) {
    std::string owner;
    std::uint16_t type = 0;
    std::uint16_t cls = 0;
    std::uint32_t ttl = 0;
    std::uint16_t length = 0;
    ByteView data;
    if (!reader.name(owner) || !reader.u16(type) || !reader.u16(cls) || !reader.u32(ttl) || !reader.u16(length)) {
      return false;
    }
    const std::size_t start = reader.at();
    if (!reader.take(length, data)) return false;
    if (cls != kInternet) continue;
    if (ttl > 0x7fffffffU) ttl = 0;
    if (type == kDnsCname) {
      Reader inner(message.first(start + length));
      ByteView skipped;
      std::string target;
      if (!inner.take(start, skipped) || !inner.name(target) || inner.at() != start + length) return false;
      out.aliases.emplace(std::move(owner), Alias{std::move(target), ttl});
    } else if (type == wanted) {
      const auto address = net::IpAddress::from_bytes(data);
      if (!address || address->v6 != (wanted == kDnsAaaa)) return false;
      out.addresses.emplace(std::move(owner), DnsAddress{*address, ttl});
    }
  }
  return true;
}

}  // namespace

Result<DnsQuestion> parse_dns_query(ByteView message) {
  if (message.size() > kMaxDnsMessage) return malformed("a query is too long");
  Reader reader(message);
  Head head;
  DnsQuestion out;
  std::uint16_t cls = 0;
  if (!read_head(reader, head) || (head.flags & (kResponse | kOpcode)) != 0 || head.questions != 1 ||
      head.answers != 0) {
    return malformed("not a query with one question");
  }
  if (!reader.name(out.name) || !reader.u16(out.type) || !reader.u16(cls) || cls != kInternet) {
    return malformed("the question is none of the Internet's");
  }
  out.id = head.id;
  out.wire = to_bytes(message.subspan(kHead, reader.at() - kHead));
  return out;
}

Bytes encode_dns_query(std::uint16_t id, std::string_view name, std::uint16_t type) {
  ByteWriter out;
  write_head(out, {.id = id, .flags = kRecursionDesired, .questions = 1});
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    out.u8(static_cast<std::uint8_t>(end - at));
    out.put(name.substr(at, end - at));
    at = end + 1;
  }
  out.u8(0);
  out.u16be(type);
  out.u16be(kInternet);
  return std::move(out).take();
}

Result<DnsAnswer> parse_dns_answer(ByteView message, std::uint16_t id, std::string_view name, std::uint16_t type) {
  if (message.size() > kMaxDnsMessage) return malformed("an answer is too long");
  Reader reader(message);
  Head head;
  std::string asked;
  std::uint16_t asked_type = 0;
  std::uint16_t asked_class = 0;
  if (!read_head(reader, head) || head.id != id || (head.flags & kResponse) == 0 || (head.flags & kOpcode) != 0 ||
      head.questions != 1 || !reader.name(asked) || !reader.u16(asked_type) || !reader.u16(asked_class) ||
      asked != name || asked_type != type || asked_class != kInternet) {
    return malformed("not an answer to the question");
  }
  if ((head.flags & kTruncated) != 0) return malformed("an answer is cut short");
  DnsAnswer out;
  out.code = head.flags & 0xfU;
  if (out.code != kDnsNoError) return out;
  Records records;
  if (head.answers > kMaxRecords || !read_records(reader, message, head.answers, type, records)) {
    return malformed("a record of an answer is none");
  }
  std::string owner(name);
  std::uint32_t ttl = 0x7fffffff;
  for (std::size_t i = 0;; ++i) {
    const auto alias = records.aliases.find(owner);
    if (alias == records.aliases.end()) break;
    if (i == kMaxAliases) return malformed("an answer's aliases do not end");
    ttl = std::min(ttl, alias->second.ttl);
    owner = alias->second.to;
  }
  const auto [begin, end] = records.addresses.equal_range(owner);
  for (auto record = begin; record != end && out.addresses.size() < kMaxDnsAddresses; ++record) {
    out.addresses.push_back({record->second.address, std::min(ttl, record->second.ttl)});
  }
  return out;
}

Bytes encode_dns_answer(const DnsQuestion& question, std::uint8_t code, std::span<const DnsAddress> addresses) {
  ByteWriter out;
  write_head(out, {.id = question.id,
                   .flags = static_cast<std::uint16_t>(kResponse | kRecursionDesired | kRecursionAvailable | code),
                   .questions = 1,
                   .answers = static_cast<std::uint16_t>(addresses.size())});
  out.put(question.wire);
  for (const DnsAddress& record : addresses) {
    out.u16be(kOwnerIsQuestion);
    out.u16be(record.address.v6 ? kDnsAaaa : kDnsA);
    out.u16be(kInternet);
    out.u32be(record.ttl);
    out.u16be(static_cast<std::uint16_t>(record.address.view().size()));
    out.put(record.address.view());
  }
  return std::move(out).take();
}

}  // namespace gateway::egress
