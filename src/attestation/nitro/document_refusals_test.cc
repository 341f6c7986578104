// Checks of document.cc that its other tests do not tell apart from their neighbours (tools/mutate attestation).
#include <gtest/gtest.h>

#include <algorithm>

#include "attestation/nitro/document.h"
#include "attestation/testing/fake_vendor.h"
#include "codec/cbor.h"

namespace gateway::attestation::nitro {
namespace {

using attestation::testing::encode_payload;
using attestation::testing::fake_nitro;
using codec::CborWriter;

std::string refusal_of_payload(ByteView payload) {
  const Bytes document = fake_nitro().sign(payload);
  const auto parsed = parse_document(document);
  return parsed ? "accepted" : std::string(parsed.error().id());
}

// A key of the map, alone, where the map should be.
TEST(NitroDocumentRefusals, RefusesAPayloadThatIsTheNameOfAField) {
  CborWriter payload;
  payload.text("module_id");
  EXPECT_EQ(refusal_of_payload(payload.view()), "nitro.document.structure");
}

TEST(NitroDocumentRefusals, RefusesARegisterThatIsText) {
  Bytes payload = encode_payload(fake_nitro().fields());
  // The first register's head, a byte string of 48 bytes, becomes that of a text.
  const std::array<std::uint8_t, 3> head{0x00, 0x58, 48};
  const auto at = std::ranges::search(payload, head).begin();
  ASSERT_NE(at, payload.end());
  *(at + 1) = 0x78;
  std::fill(at + 3, at + 3 + 48, static_cast<std::uint8_t>('x'));  // texts must be UTF-8
  EXPECT_EQ(refusal_of_payload(payload), "nitro.document.pcrs");
}

}  // namespace
}  // namespace gateway::attestation::nitro
