#include "image/ovmf.h"

#include <algorithm>
#include <array>

namespace gateway::image {
namespace {

// GUIDs as they lie in the file: the first three groups little-endian.
using Guid = ByteArray<16>;
constexpr Guid kFooter = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                          0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
constexpr Guid kResetBlock = {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                              0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e};
constexpr Guid kHashTable = {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                             0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54};
constexpr Guid kMetadata = {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                            0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc};

constexpr std::size_t kAfterTable = 32;   // the reset vector itself
constexpr std::size_t kEntryHeader = 18;  // length, GUID; they follow the entry's data
constexpr std::size_t kMetadataHeader = 16;
constexpr std::size_t kMetadataItem = 12;
constexpr std::uint64_t kFourGib = 0x1'0000'0000ULL;

constexpr const char* kWrongFile =
    "name the combined firmware file that the VMM gets (OVMF.fd, OVMF.amdsev.fd), not its variables or a part of it";

struct Table {
  std::optional<ByteView> reset;
  std::optional<ByteView> hashes;
  std::optional<ByteView> metadata;
};

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), kWrongFile);
}

Status check_size(ByteView file) {
  if (file.size() > kOvmfMaxSize) {
    return fail(
        ErrorCode::kLimitExceeded, "image.ovmf.size",
        "expected firmware of at most " + std::to_string(kOvmfMaxSize) + " bytes, found " + std::to_string(file.size()),
        kWrongFile);
  }
  if (file.empty() || file.size() % kGuestPage != 0) {
    return fail(ErrorCode::kMalformed, "image.ovmf.page_size",
                "expected firmware of whole pages of 4096 bytes, found " + std::to_string(file.size()) + " bytes",
                kWrongFile);
  }
  return {};
}

// The table's entries, without its footer.
Result<ByteView> table_of(ByteView file) {
  const ByteView table = file.first(file.size() - kAfterTable);
  const ByteView footer = table.last(kEntryHeader);
  ByteReader reader(footer, "image.ovmf.table");
  GATEWAY_ASSIGN(const std::uint16_t size, reader.u16le());
  if (!equal(reader.rest(), kFooter)) {
    return fail(ErrorCode::kUnsupported, "image.ovmf.no_table",
                "the file does not end with OVMF's table of GUIDs, so it says nothing about SEV", kWrongFile);
  }
  if (size < kEntryHeader || size > table.size()) {
    return fail(ErrorCode::kMalformed, "image.ovmf.table",
                "OVMF's table gives a length of " + std::to_string(size) + " bytes, which the file does not have",
                kWrongFile);
  }
  return table.last(size).first(size - kEntryHeader);
}

Status keep(std::optional<ByteView>& place, ByteView data, std::size_t size) {
  if (place) {
    return fail(ErrorCode::kMalformed, "image.ovmf.duplicate", "OVMF's table has the same SEV entry twice", kWrongFile);
  }
  if (data.size() != size) {
    return malformed("image.ovmf.entry", "an entry of OVMF's table has " + std::to_string(data.size()) +
                                             " bytes of data, expected " + std::to_string(size));
  }
  place = data;
  return {};
}

Result<Table> read_table(ByteView rest) {
  Table table;
  while (!rest.empty()) {
    if (rest.size() < kEntryHeader) {
      return malformed("image.ovmf.entry", "bytes that no entry owns lie before OVMF's table");
    }
    ByteReader header(rest.last(kEntryHeader), "image.ovmf.entry");
    GATEWAY_ASSIGN(const std::uint16_t size, header.u16le());
    if (size < kEntryHeader || size > rest.size()) {
      return malformed("image.ovmf.entry", "an entry of OVMF's table gives a length of " + std::to_string(size) +
                                               " bytes, which the table does not have");
    }
    const ByteView guid = header.rest();
    const ByteView data = rest.last(size).first(size - kEntryHeader);
    if (equal(guid, kResetBlock)) GATEWAY_TRY(keep(table.reset, data, 4));
    if (equal(guid, kHashTable)) GATEWAY_TRY(keep(table.hashes, data, 8));
    if (equal(guid, kMetadata)) GATEWAY_TRY(keep(table.metadata, data, 4));
    rest = rest.first(rest.size() - size);
  }
  return table;
}

bool known(std::uint32_t type) {
  switch (static_cast<OvmfSectionType>(type)) {
    case OvmfSectionType::kSecMem:
    case OvmfSectionType::kSecrets:
    case OvmfSectionType::kCpuid:
    case OvmfSectionType::kSvsmCaa:
    case OvmfSectionType::kKernelHashes: return true;
  }
  return false;
}

Result<OvmfSection> read_section(ByteReader& reader, std::size_t file_size) {
  OvmfSection section;
  GATEWAY_ASSIGN(section.gpa, reader.u32le());
  GATEWAY_ASSIGN(section.size, reader.u32le());
  GATEWAY_ASSIGN(const std::uint32_t type, reader.u32le());
  if (!known(type)) {
    return fail(ErrorCode::kUnsupported, "image.ovmf.section_type",
                "the firmware's SEV metadata has a section of type " + std::to_string(type) + ", which is not known",
                "this firmware is newer than this release; its launch digest cannot be computed here");
  }
  section.type = static_cast<OvmfSectionType>(type);
  const bool one_page = section.type == OvmfSectionType::kSecrets || section.type == OvmfSectionType::kCpuid ||
                        section.type == OvmfSectionType::kKernelHashes;
  const std::uint64_t end = std::uint64_t{section.gpa} + section.size;
  if (section.gpa % kGuestPage != 0 || section.size % kGuestPage != 0 || section.size == 0 ||
      end > kFourGib - file_size || (one_page && section.size != kGuestPage)) {
    return malformed("image.ovmf.section",
                     "a section of the firmware's SEV metadata is not made of whole pages below the firmware");
  }
  return section;
}

Status check_overlaps(const std::vector<OvmfSection>& sections) {
  std::vector<OvmfSection> sorted = sections;
  std::ranges::sort(sorted, {}, &OvmfSection::gpa);
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i].gpa - sorted[i - 1].gpa < sorted[i - 1].size) {
      return malformed("image.ovmf.section", "two sections of the firmware's SEV metadata overlap");
    }
  }
  return {};
}

Result<std::vector<OvmfSection>> read_metadata(ByteView file, std::uint32_t from_end) {
  if (from_end > file.size()) {
    return malformed("image.ovmf.metadata", "the SEV metadata would begin before the file");
  }
  ByteReader reader(file.last(from_end), "image.ovmf.metadata");
  GATEWAY_ASSIGN(const ByteView signature, reader.take(4));
  GATEWAY_ASSIGN(const std::uint32_t size, reader.u32le());
  GATEWAY_ASSIGN(const std::uint32_t version, reader.u32le());
  GATEWAY_ASSIGN(const std::uint32_t count, reader.u32le());
  if (as_text(signature) != "ASEV") {
    return malformed("image.ovmf.metadata", "the SEV metadata does not begin with ASEV");
  }
  if (version != 1) {
    return fail(ErrorCode::kUnsupported, "image.ovmf.metadata_version",
                "expected SEV metadata of version 1, found version " + std::to_string(version),
                "this firmware is newer than this release; its launch digest cannot be computed here");
  }
  if (count > kOvmfMaxSections) {
    return fail(ErrorCode::kLimitExceeded, "image.ovmf.limit",
                "expected at most " + std::to_string(kOvmfMaxSections) + " sections of SEV metadata, found " +
                    std::to_string(count),
                kWrongFile);
  }
  if (size != kMetadataHeader + count * kMetadataItem) {
    return malformed("image.ovmf.metadata",
                     "the SEV metadata's length does not fit its " + std::to_string(count) + " sections");
  }
  std::vector<OvmfSection> sections;
  std::uint64_t memory = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    GATEWAY_ASSIGN(const OvmfSection section, read_section(reader, file.size()));
    memory += section.size;
    sections.push_back(section);
  }
  if (memory > kOvmfMaxSectionMemory) {
    return fail(ErrorCode::kLimitExceeded, "image.ovmf.limit",
                "expected at most " + std::to_string(kOvmfMaxSectionMemory) + " bytes of measured memory, found " +
                    std::to_string(memory),
                kWrongFile);
  }
  GATEWAY_TRY(check_overlaps(sections));
  return sections;
}

}  // namespace

Result<Ovmf> parse_ovmf(ByteView file) {
  GATEWAY_TRY(check_size(file));
  GATEWAY_ASSIGN(const ByteView entries, table_of(file));
  GATEWAY_ASSIGN(const Table table, read_table(entries));
  Ovmf out;
  if (table.reset) {
    GATEWAY_ASSIGN(out.ap_reset_eip, ByteReader(*table.reset, "image.ovmf.entry").u32le());
  }
  if (out.ap_reset_eip == 0) {
    return fail(ErrorCode::kUnsupported, "image.ovmf.no_reset",
                "the firmware does not say where a second processor starts (SEV-ES reset block)",
                "use a firmware built with support for SEV-ES and SEV-SNP");
  }
  if (!table.metadata) {
    return fail(ErrorCode::kUnsupported, "image.ovmf.no_metadata", "the firmware has no SEV metadata",
                "use a firmware built with support for SEV-SNP");
  }
  GATEWAY_ASSIGN(const std::uint32_t from_end, ByteReader(*table.metadata, "image.ovmf.entry").u32le());
  GATEWAY_ASSIGN(out.sections, read_metadata(file, from_end));
  if (table.hashes) {
    GATEWAY_ASSIGN(const std::uint32_t gpa, ByteReader(*table.hashes, "image.ovmf.entry").u32le());
    if (gpa != 0) out.hash_table_gpa = gpa;
  }
  return out;
}

}  // namespace gateway::image
