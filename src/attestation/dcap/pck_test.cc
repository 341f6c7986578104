#include "attestation/dcap/pck.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "attestation/testing/fake_intel.h"
#include "codec/der.h"

namespace gateway::attestation::dcap {
namespace {

using attestation::testing::encode_pck_extensions;
using attestation::testing::FakeIntel;
using codec::der;
namespace tag = codec::der_tag;

std::string refusal(ByteView value) {
  const auto pck = parse_pck_extensions(value);
  return pck ? "" : std::string(pck.error().id());
}

// The fields of a good extension, each a SEQUENCE of OID and value, in their order.
std::vector<Bytes> fields_of(ByteView sequence) {
  std::vector<Bytes> fields;
  auto reader = codec::DerReader(sequence).enter(tag::kSequence).value();
  while (!reader.empty()) fields.push_back(to_bytes(reader.any()->encoding));
  return fields;
}
Bytes sequence_of(const std::vector<Bytes>& fields) {
  Bytes content;
  for (const Bytes& field : fields) append(content, field);
  return der(tag::kSequence, {content});
}
Bytes field(const std::string& arcs, ByteView value) {
  return der(tag::kSequence, {codec::der_oid(kSgxExtensionOid + arcs).value(), value});
}
Bytes octets(std::size_t size) { return der(tag::kOctetString, {Bytes(size)}); }
Bytes integer(ByteView big_endian) { return der(tag::kInteger, {big_endian}); }

class Pck : public ::testing::Test {
 protected:
  // A good extension with one field replaced.
  Bytes with(std::size_t index, const Bytes& replacement) {
    auto fields = fields_of(good_);
    fields.at(index) = replacement;
    return sequence_of(fields);
  }
  // With the fields of the TCB changed.
  Bytes with_tcb(const std::function<void(std::vector<Bytes>&)>& change) {
    const Bytes tcb = fields_of(good_).at(1);
    auto holder = codec::DerReader(tcb).enter(tag::kSequence).value();
    EXPECT_TRUE(holder.oid());
    auto fields = fields_of(holder.any()->encoding);
    change(fields);
    return with(1, field(".2", sequence_of(fields)));
  }
  Bytes with_tcb(std::size_t index, const Bytes& replacement) {
    return with_tcb([&](std::vector<Bytes>& fields) { fields.at(index) = replacement; });
  }
  const Bytes good_ = encode_pck_extensions(FakeIntel::pck_fields());
};

TEST_F(Pck, ReadsAllFields) {
  const PckExtensions expected = FakeIntel::pck_fields();
  const auto pck = parse_pck_extensions(good_);
  ASSERT_TRUE(pck) << pck.error().message();
  EXPECT_EQ(pck->ppid, expected.ppid);
  EXPECT_EQ(pck->tcb_components, expected.tcb_components);
  EXPECT_EQ(pck->pce_svn, expected.pce_svn);
  EXPECT_EQ(pck->cpu_svn, expected.cpu_svn);
  EXPECT_EQ(pck->pce_id, expected.pce_id);
  EXPECT_EQ(pck->fmspc, expected.fmspc);
  EXPECT_EQ(pck->sgx_type, expected.sgx_type);
  EXPECT_EQ(pck->platform_instance_id, expected.platform_instance_id);
  EXPECT_EQ(pck->configuration->dynamic_platform, true);
  EXPECT_EQ(pck->configuration->cached_keys, true);
  EXPECT_EQ(pck->configuration->smt_enabled, false);
}

TEST_F(Pck, ReadsFieldsInAnyOrder) {
  auto fields = fields_of(good_);
  std::ranges::reverse(fields);
  EXPECT_EQ(refusal(sequence_of(fields)), "");
}

TEST_F(Pck, RefusesMissingAndRepeatedFields) {
  const auto all = fields_of(good_);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto fields = all;
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(refusal(sequence_of(fields)), i < 5 ? "dcap.pck.extension" : "") << i;
    fields = all;
    fields.push_back(all.at(i));
    EXPECT_EQ(refusal(sequence_of(fields)), "dcap.pck.extension") << i;
  }
  const Bytes component = field(".2.1", integer(ByteArray<1>{{1}}));
  EXPECT_EQ(refusal(with_tcb(0, component)), "");
  EXPECT_EQ(refusal(with_tcb(1, component)), "dcap.pck.extension");
  EXPECT_EQ(refusal(with_tcb([&](auto& all_fields) { all_fields.push_back(component); })), "dcap.pck.extension");
  EXPECT_EQ(refusal(with_tcb([&](auto& all_fields) { all_fields.pop_back(); })), "dcap.pck.extension");
}

TEST_F(Pck, RefusesFieldsOfAnotherSizeOrType) {
  for (const std::size_t size : {0UZ, 15UZ, 17UZ}) {
    EXPECT_EQ(refusal(with(0, field(".1", octets(size)))), "dcap.pck.extension");
    EXPECT_EQ(refusal(with(5, field(".6", octets(size)))), "dcap.pck.extension");
    EXPECT_EQ(refusal(with_tcb(17, field(".2.18", octets(size)))), "dcap.pck.extension");
  }
  EXPECT_EQ(refusal(with(2, field(".3", octets(3)))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(3, field(".4", octets(5)))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(3, field(".4", integer(ByteArray<1>{{1}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(1, field(".2", octets(4)))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(6, field(".7", octets(4)))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(0, der(tag::kSequence, {codec::der_oid("1.2.840.113741.1.13.1.1").value()}))),
            "dcap.pck.extension");
}

TEST_F(Pck, RefusesNumbersOutOfRange) {
  EXPECT_EQ(refusal(with_tcb(3, field(".2.4", integer(ByteArray<2>{{0x00, 0xff}})))), "");
  EXPECT_EQ(refusal(with_tcb(3, field(".2.4", integer(ByteArray<2>{{0x01, 0x00}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with_tcb(3, field(".2.4", integer(ByteArray<1>{{0xff}})))), "dcap.pck.extension");  // negative
  EXPECT_EQ(refusal(with_tcb(3, field(".2.4", integer(ByteArray<2>{{0x00, 0x01}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with_tcb(16, field(".2.17", integer(ByteArray<3>{{0x00, 0xff, 0xff}})))), "");
  EXPECT_EQ(refusal(with_tcb(16, field(".2.17", integer(ByteArray<3>{{0x01, 0x00, 0x00}})))), "dcap.pck.extension");
  for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0, 1, 2}) {
    EXPECT_EQ(refusal(with(4, field(".5", der(0x0a, {ByteArray<1>{{type}}})))), "");
  }
  EXPECT_EQ(refusal(with(4, field(".5", der(0x0a, {ByteArray<1>{{3}}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(4, field(".5", der(0x0a, {ByteArray<2>{{0, 1}}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(4, field(".5", integer(ByteArray<1>{{1}})))), "dcap.pck.extension");
}

TEST_F(Pck, RefusesUnknownFields) {
  for (const char* arcs : {".8", ".0", ".2.1", ""}) {
    auto fields = fields_of(good_);
    fields.push_back(field(arcs, octets(16)));
    EXPECT_EQ(refusal(sequence_of(fields)), "dcap.pck.extension") << arcs;
  }
  EXPECT_EQ(refusal(with_tcb(0, field(".2.19", integer(ByteArray<1>{{1}})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with_tcb(0, field(".7.1", integer(ByteArray<1>{{1}})))), "dcap.pck.extension");
  const Bytes yes = der(tag::kBoolean, {ByteArray<1>{{0xff}}});
  EXPECT_EQ(refusal(with(6, field(".7", sequence_of({field(".7.1", yes)})))), "");
  EXPECT_EQ(refusal(with(6, field(".7", sequence_of({field(".7.4", yes)})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(6, field(".7", sequence_of({field(".7.1", yes), field(".7.1", yes)})))), "dcap.pck.extension");
  EXPECT_EQ(refusal(with(6, field(".7", sequence_of({field(".7.1", octets(1))})))), "dcap.pck.extension");
}

TEST_F(Pck, RefusesTrailingBytes) {
  Bytes longer = good_;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), "dcap.pck.extension");
  Bytes value = octets(16);
  append(value, octets(1));
  EXPECT_EQ(refusal(with(0, field(".1", value))), "dcap.pck.extension");
  Bytes svn = integer(ByteArray<1>{{1}});
  append(svn, svn);
  EXPECT_EQ(refusal(with_tcb(0, field(".2.1", svn))), "dcap.pck.extension");
  Bytes yes = der(tag::kBoolean, {ByteArray<1>{{0xff}}});
  append(yes, Bytes(yes));
  EXPECT_EQ(refusal(with(6, field(".7", sequence_of({field(".7.1", yes)})))), "dcap.pck.extension");
}

TEST_F(Pck, RefusesEveryTruncation) {
  for (std::size_t size = 0; size < good_.size(); ++size) {
    EXPECT_EQ(refusal(ByteView(good_).first(size)), "dcap.pck.extension");
  }
}

}  // namespace
}  // namespace gateway::attestation::dcap
