#include "attestation/formats/bundle.h"

#include <algorithm>

#include "codec/cbor.h"

namespace gateway::attestation::formats {
namespace {

constexpr std::string_view kLabel = "gateway/bundle/v1";
constexpr std::string_view kFamily = "gateway/bundle/";
constexpr const char* kRemedy = "make the bundle again with gateway bundle";

std::unexpected<Error> bad_encoding(std::string detail) {
  return fail(ErrorCode::kMalformed, "bundle.encoding", std::move(detail), kRemedy);
}

Status check_size(std::size_t size) {
  if (size <= kMaxBundleSize) return {};
  return fail(
      ErrorCode::kLimitExceeded, "bundle.size",
      "expected a bundle of at most " + std::to_string(kMaxBundleSize) + " bytes, found " + std::to_string(size),
      "bundle only the collateral of this evidence");
}

Status check_count(std::uint64_t count) {
  if (count <= kMaxBundledFiles) return {};
  return fail(
      ErrorCode::kLimitExceeded, "bundle.count",
      "expected at most " + std::to_string(kMaxBundledFiles) + " files of collateral, found " + std::to_string(count),
      "bundle only the collateral of this evidence");
}

Status check_item(ByteView item, std::size_t most, const char* what) {
  if (!item.empty() && item.size() <= most) return {};
  return fail(ErrorCode::kMalformed, "bundle.item",
              std::string("expected ") + what + " of 1 to " + std::to_string(most) + " bytes, found " +
                  std::to_string(item.size()),
              kRemedy);
}

}  // namespace

bool looks_like_bundle(ByteView file) {
  // An array of three whose first item is text of at most 23 bytes that begins as ours does.
  if (file.size() < 2 + kFamily.size() || file[0] != 0x83 || (file[1] >> 5U) != 3) return false;
  return as_text(file.subspan(2, kFamily.size())) == kFamily;
}

Result<Bundle> parse_bundle(ByteView file) {
  GATEWAY_TRY(check_size(file.size()));
  auto reader = codec::CborReader::open(file, {.bytes = kMaxBundleSize, .depth = 2, .items = 4 + 16 * kMaxBundledFiles},
                                        codec::CborProfile::kDeterministic);
  if (!reader) return bad_encoding("expected deterministic CBOR, found " + reader.error().message());
  if (!reader->array_of(3)) return bad_encoding("expected an array of three items");
  const auto label = reader->text();
  if (!label) return bad_encoding("expected a label");
  if (*label != kLabel) {
    return fail(ErrorCode::kUnsupported, "bundle.version", "expected a bundle of version 1, found another",
                "use a version of Gateway that reads it");
  }
  Bundle bundle;
  const auto evidence = reader->bytes();
  if (!evidence) return bad_encoding("expected the evidence as a byte string");
  GATEWAY_TRY(check_item(*evidence, kMaxBundledEvidence, "evidence"));
  bundle.evidence = *evidence;
  const auto count = reader->array();
  if (!count || !*count) return bad_encoding("expected the collateral as an array");
  GATEWAY_TRY(check_count(**count));
  for (std::uint64_t i = 0; i < **count; ++i) {
    const auto item = reader->bytes();
    if (!item) return bad_encoding("expected each file of collateral as a byte string");
    GATEWAY_TRY(check_item(*item, kMaxBundledFile, "a file of collateral"));
    bundle.collateral.push_back(*item);
  }
  return bundle;
}

Result<Bytes> encode_bundle(ByteView evidence, std::span<const Bytes> collateral) {
  std::vector<ByteView> items(collateral.begin(), collateral.end());
  std::ranges::sort(items, [](ByteView a, ByteView b) { return std::ranges::lexicographical_compare(a, b); });
  const auto repeated = std::ranges::unique(items, [](ByteView a, ByteView b) { return equal(a, b); });
  items.erase(repeated.begin(), repeated.end());
  GATEWAY_TRY(check_item(evidence, kMaxBundledEvidence, "evidence"));
  GATEWAY_TRY(check_count(items.size()));
  std::size_t size = kLabel.size() + evidence.size() + 16;
  for (const ByteView item : items) {
    GATEWAY_TRY(check_item(item, kMaxBundledFile, "a file of collateral"));
    size += item.size() + 5;
  }
  GATEWAY_TRY(check_size(size));
  codec::CborWriter writer;
  writer.array(3).text(kLabel).bytes(evidence).array(items.size());
  for (const ByteView item : items) writer.bytes(item);
  return std::move(writer).take();
}

}  // namespace gateway::attestation::formats
