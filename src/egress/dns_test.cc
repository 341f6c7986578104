#include "egress/dns.h"

#include <gtest/gtest.h>

namespace gateway::egress {
namespace {

// An answer put together by hand, record by record.
class Answer {
 public:
  Answer(std::uint16_t id, std::string_view name, std::uint16_t type, std::uint16_t flags = 0x8180)
      : query_(encode_dns_query(id, name, type)) {
    query_[2] = static_cast<std::uint8_t>(flags >> 8U);
    query_[3] = static_cast<std::uint8_t>(flags);
  }
  Answer& record(ByteView owner, std::uint16_t type, std::uint32_t ttl, ByteView data) {
    ByteWriter out;
    out.put(owner);
    out.u16be(type);
    out.u16be(1);
    out.u32be(ttl);
    out.u16be(static_cast<std::uint16_t>(data.size()));
    out.put(data);
    append(records_, out.bytes());
    ++count_;
    return *this;
  }
  Bytes bytes() const {
    Bytes out = query_;
    out[6] = static_cast<std::uint8_t>(count_ >> 8U);
    out[7] = static_cast<std::uint8_t>(count_);
    append(out, records_);
    return out;
  }

 private:
  Bytes query_;
  Bytes records_;
  unsigned count_ = 0;
};

const Bytes kOwner{0xc0, 0x0c};
const Bytes kAddress{192, 0, 2, 1};

Bytes name(std::initializer_list<std::string_view> labels) {
  ByteWriter out;
  for (const std::string_view label : labels) {
    out.u8(static_cast<std::uint8_t>(label.size()));
    out.put(label);
  }
  out.u8(0);
  return std::move(out).take();
}

std::string addresses(const Result<DnsAnswer>& answer) {
  if (!answer) return std::string(answer.error().id());
  std::string out = "code " + std::to_string(answer->code);
  for (const auto& each : answer->addresses) out += " " + each.address.to_string() + "/" + std::to_string(each.ttl);
  return out;
}

TEST(Dns, QuestionsComeBackAsTheyWere) {
  const auto question = parse_dns_query(encode_dns_query(7, "api.example.org", kDnsA));
  ASSERT_TRUE(question);
  EXPECT_EQ(question->id, 7);
  EXPECT_EQ(question->name, "api.example.org");
  EXPECT_EQ(question->type, kDnsA);
  Bytes shouting = encode_dns_query(7, "API.example.org", kDnsAaaa);
  EXPECT_EQ(parse_dns_query(shouting)->name, "api.example.org");
  const DnsAddress record{*net::IpAddress::parse("2001:db8::1"), 60};
  const Bytes answer = encode_dns_answer(*parse_dns_query(shouting), kDnsNoError, std::span(&record, 1));
  EXPECT_EQ(addresses(parse_dns_answer(answer, 7, "api.example.org", kDnsAaaa)), "code 0 2001:db8::1/60");
}

TEST(Dns, FollowsAliasesInsideTheAnswer) {
  Answer answer(1, "a.example", kDnsA);
  answer.record(kOwner, kDnsCname, 30, name({"b", "example"}))
      .record(name({"b", "example"}), kDnsCname, 300, name({"c", "test"}))
      .record(name({"C", "test"}), kDnsA, 60, kAddress);
  EXPECT_EQ(addresses(parse_dns_answer(answer.bytes(), 1, "a.example", kDnsA)), "code 0 192.0.2.1/30");
}

// A name server can add what it likes: addresses of names that the alias does not lead to are nobody's.
TEST(Dns, TakesNoAddressOfAnotherName) {
  Answer answer(1, "a.example", kDnsA);
  answer.record(name({"other", "example"}), kDnsA, 60, kAddress);
  EXPECT_EQ(addresses(parse_dns_answer(answer.bytes(), 1, "a.example", kDnsA)), "code 0");
}

TEST(Dns, RefusesAnswersToOtherQuestions) {
  const Bytes good = Answer(1, "a.example", kDnsA).record(kOwner, kDnsA, 60, kAddress).bytes();
  EXPECT_EQ(addresses(parse_dns_answer(good, 1, "a.example", kDnsA)), "code 0 192.0.2.1/60");
  EXPECT_EQ(addresses(parse_dns_answer(good, 2, "a.example", kDnsA)), "egress.dns");
  EXPECT_EQ(addresses(parse_dns_answer(good, 1, "b.example", kDnsA)), "egress.dns");
  EXPECT_EQ(addresses(parse_dns_answer(good, 1, "a.example", kDnsAaaa)), "egress.dns");
  EXPECT_EQ(addresses(parse_dns_answer(Answer(1, "a.example", kDnsA, 0x0100).bytes(), 1, "a.example", kDnsA)),
            "egress.dns")
      << "a query";
  EXPECT_EQ(addresses(parse_dns_answer(Answer(1, "a.example", kDnsA, 0x8380).bytes(), 1, "a.example", kDnsA)),
            "egress.dns")
      << "cut short";
  EXPECT_EQ(addresses(parse_dns_answer(Answer(1, "a.example", kDnsA, 0x8183).bytes(), 1, "a.example", kDnsA)),
            "code 3");
}

TEST(Dns, RefusesEveryTruncation) {
  const Bytes good = Answer(1, "a.example", kDnsA)
                         .record(kOwner, kDnsCname, 30, name({"b", "example"}))
                         .record(name({"b", "example"}), kDnsA, 60, kAddress)
                         .bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse_dns_answer(ByteView(good).first(size), 1, "a.example", kDnsA)) << size;
  }
  const Bytes query = encode_dns_query(1, "a.example", kDnsA);
  for (std::size_t size = 0; size < query.size(); ++size) EXPECT_FALSE(parse_dns_query(ByteView(query).first(size)));
}

TEST(Dns, EndsWhereNamesAndAliasesDoNot) {
  Bytes loop = encode_dns_query(1, "a.example", kDnsA);
  loop[12] = 0xc0;  // the name is a pointer to itself
  loop[13] = 0x0c;
  EXPECT_FALSE(parse_dns_query(loop));
  loop[13] = 0x20;  // and forwards
  EXPECT_FALSE(parse_dns_query(loop));
  Answer circle(1, "a.example", kDnsA);
  circle.record(kOwner, kDnsCname, 30, name({"b", "example"})).record(name({"b", "example"}), kDnsCname, 30, kOwner);
  EXPECT_EQ(addresses(parse_dns_answer(circle.bytes(), 1, "a.example", kDnsA)), "egress.dns");
  Answer wrong(1, "a.example", kDnsA);
  wrong.record(kOwner, kDnsA, 60, Bytes{1, 2, 3});
  EXPECT_EQ(addresses(parse_dns_answer(wrong.bytes(), 1, "a.example", kDnsA)), "egress.dns");
  Answer negative(1, "a.example", kDnsA);
  negative.record(kOwner, kDnsA, 0x80000000U, kAddress);
  EXPECT_EQ(addresses(parse_dns_answer(negative.bytes(), 1, "a.example", kDnsA)), "code 0 192.0.2.1/0");
}

TEST(Dns, ADotInsideALabelIsNoName) {
  Bytes query = encode_dns_query(1, "a-b.example", kDnsA);
  query[14] = '.';
  EXPECT_FALSE(parse_dns_query(query));
}

TEST(Dns, TakesNoMoreThanItHasUseFor) {
  Answer many(1, "a.example", kDnsA);
  for (int i = 0; i < 100; ++i) many.record(kOwner, kDnsA, 60, kAddress);
  EXPECT_EQ(parse_dns_answer(many.bytes(), 1, "a.example", kDnsA)->addresses.size(), kMaxDnsAddresses);
  for (int i = 0; i < 100; ++i) many.record(kOwner, kDnsA, 60, kAddress);
  EXPECT_FALSE(parse_dns_answer(many.bytes(), 1, "a.example", kDnsA));
  EXPECT_FALSE(parse_dns_answer(Bytes(kMaxDnsMessage + 1), 1, "a.example", kDnsA));
  EXPECT_FALSE(parse_dns_query(Bytes(kMaxDnsMessage + 1)));
}

}  // namespace
}  // namespace gateway::egress
