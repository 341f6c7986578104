// CBOR: both profiles over the same bytes, every typed read, and the deterministic encoding as the oracle.
#include <cstdlib>

#include "codec/cbor.h"
#include "codec/cbor_wire.h"

namespace {

using namespace gateway;
using codec::CborReader;
using codec::CborType;

constexpr codec::CborLimits kLimits{.bytes = 4096, .depth = 8, .items = 512};

void require(bool holds) {
  if (!holds) std::abort();
}

void walk(CborReader& reader) {
  while (const auto type = reader.peek()) {
    switch (*type) {
      case CborType::kUnsigned: require(reader.unsigned_integer().has_value()); break;
      case CborType::kNegative:
        if (!reader.integer()) require(reader.skip().has_value());
        break;
      case CborType::kBytes:
        if (!reader.bytes()) require(reader.skip().has_value());  // of indefinite length
        break;
      case CborType::kText:
        if (!reader.text()) require(reader.skip().has_value());
        break;
      case CborType::kArray:
      case CborType::kMap:
        require(*type == CborType::kArray ? reader.array().has_value() : reader.map().has_value());
        walk(reader);
        require(reader.end().has_value());
        break;
      case CborType::kTag: require(reader.tag().has_value()); break;
      case CborType::kSimple:
        if (!reader.take_null() && !reader.boolean()) require(reader.skip().has_value());
        break;
      case CborType::kFloat: require(reader.skip().has_value()); break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  const bool deterministic = CborReader::open(input, kLimits, codec::CborProfile::kDeterministic).has_value();
  auto reader = CborReader::open(input, kLimits, codec::CborProfile::kGeneral);
  require(reader || !deterministic);
  if (!reader) return 0;
  CborReader skipper = *reader;
  require(skipper.skip()->size() == size && !skipper.peek());
  walk(*reader);

  // What the general profile accepts has one deterministic encoding, which the deterministic profile accepts.
  Bytes canonical;
  require(codec::internal::append_canonical(input, 0, canonical) == size);
  // It may be the longer one: an array of indefinite length spends two bytes on its frame, one of 256 items three.
  const codec::CborLimits longer{.bytes = 2 * kLimits.bytes, .depth = kLimits.depth, .items = kLimits.items};
  require(CborReader::open(canonical, longer, codec::CborProfile::kDeterministic).has_value());
  require(equal(canonical, input) == deterministic);
  return 0;
}
