// What makes a program of a test go on where every shipped one refuses: QEMU's NSM signs nothing, so this build signs
// in its place, under a vendor that exists in this process alone, and takes that vendor for AWS.
//
// The linker puts these two functions where the verifier calls its own (-Wl,--wrap, see CMakeLists.txt); the product's
// sources have no switch for it. Everything else is the product: parser, authenticator, policy, binding, runtime.
#include <deque>
#include <mutex>
#include <optional>

#include "attestation/nitro/chain.h"
#include "attestation/testing/fake_vendor.h"
#include "codec/cbor.h"

namespace {

using namespace gateway;
using attestation::CheckList;
using attestation::Claims;
using attestation::nitro::Anchors;
using attestation::nitro::ChainCache;
using attestation::nitro::UnverifiedDocument;
using attestation::testing::DocumentFields;
using attestation::testing::FakeVendor;

constexpr codec::CborLimits kLimits{.bytes = 64UZ * 1024, .depth = 8, .items = 4096};

const FakeVendor& vendor() {
  static const FakeVendor one({.now = SystemClock().now()});
  return one;
}

// The fields of a document's payload as they stand, certificate and bundle left out.
Result<DocumentFields> read_fields(ByteView document) {
  GATEWAY_ASSIGN(auto outer, codec::CborReader::open(document, kLimits, codec::CborProfile::kGeneral));
  if (outer.peek() == codec::CborType::kTag) GATEWAY_TRY(outer.tag());
  GATEWAY_TRY(outer.array_of(4));
  GATEWAY_TRY(outer.skip());
  GATEWAY_TRY(outer.skip());
  GATEWAY_ASSIGN(const ByteView payload, outer.bytes());
  GATEWAY_ASSIGN(auto reader, codec::CborReader::open(payload, kLimits, codec::CborProfile::kGeneral));
  GATEWAY_TRY(reader.map());
  DocumentFields fields;
  while (reader.peek()) {
    GATEWAY_ASSIGN(const std::string_view key, reader.text());
    const auto optional_bytes = [&](std::optional<Bytes>& out) -> Status {
      if (reader.take_null()) return {};
      GATEWAY_ASSIGN(const ByteView value, reader.bytes());
      out = to_bytes(value);
      return {};
    };
    if (key == "module_id") {
      GATEWAY_ASSIGN(fields.module_id, reader.text());
    } else if (key == "digest") {
      GATEWAY_ASSIGN(fields.digest, reader.text());
    } else if (key == "timestamp") {
      GATEWAY_ASSIGN(fields.timestamp, reader.unsigned_integer());
    } else if (key == "pcrs") {
      GATEWAY_TRY(reader.map());
      while (reader.peek()) {
        GATEWAY_ASSIGN(const std::uint64_t index, reader.unsigned_integer());
        GATEWAY_ASSIGN(const ByteView value, reader.bytes());
        fields.pcrs.emplace_back(index, to_bytes(value));
      }
      GATEWAY_TRY(reader.end());
    } else if (key == "public_key") {
      GATEWAY_TRY(optional_bytes(fields.public_key));
    } else if (key == "user_data") {
      GATEWAY_TRY(optional_bytes(fields.user_data));
    } else if (key == "nonce") {
      GATEWAY_TRY(optional_bytes(fields.nonce));
    } else {
      GATEWAY_TRY(reader.skip());
    }
  }
  const DocumentFields ours = vendor().fields();
  fields.certificate = ours.certificate;
  fields.cabundle = ours.cabundle;
  return fields;
}

// Views into what is kept live as long as the program: a test's.
const Bytes& keep(Bytes bytes) {
  static std::mutex mutex;
  static std::deque<Bytes> kept;
  const std::lock_guard lock(mutex);
  return kept.emplace_back(std::move(bytes));
}

}  // namespace

Result<UnverifiedDocument> real_parse(ByteView, CheckList*) asm("__real_" GATEWAY_PARSE_DOCUMENT);
Result<UnverifiedDocument> signed_parse(ByteView, CheckList*) asm("__wrap_" GATEWAY_PARSE_DOCUMENT);
Result<UnverifiedDocument> signed_parse(ByteView input, CheckList* checks) {
  auto as_it_is = real_parse(input, nullptr);
  if (as_it_is || as_it_is.error().id() != "nitro.unsigned") return real_parse(input, checks);
  GATEWAY_ASSIGN(const DocumentFields fields, read_fields(input));
  return real_parse(keep(vendor().sign(attestation::testing::encode_payload(fields))), checks);
}

Result<Claims> trusting_authenticate(const UnverifiedDocument&, const Anchors&, Time, ChainCache*,
                                     CheckList*) asm("__wrap_" GATEWAY_AUTHENTICATE);
Result<Claims> trusting_authenticate(const UnverifiedDocument& document, const Anchors& anchors, Time at,
                                     ChainCache* cache, CheckList* checks) {
  return attestation::nitro::dangerous_authenticate_with_vendor_root(document, vendor().root(), vendor().root_sha256(),
                                                                     anchors, at, cache, checks);
}
