// Firmware tails made by hand: one page that ends as OVMF does, with whatever is wrong that a test asks for.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace gateway::image::testing {

inline constexpr ByteArray<16> kOvmfFooter = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                              0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
inline constexpr ByteArray<16> kOvmfReset = {0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
                                             0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e};
inline constexpr ByteArray<16> kOvmfHashTable = {0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
                                                 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54};
inline constexpr ByteArray<16> kOvmfMetadata = {0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
                                                0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc};

struct OvmfItem {
  std::uint32_t gpa, size, type;
};

struct OvmfEntry {
  ByteArray<16> guid;
  Bytes data;
  std::optional<std::uint16_t> size = {};  // as written; the true one when absent
};

struct OvmfParts {
  std::uint32_t reset_eip = 0x0080'b004;
  std::uint32_t hash_table = 0x0081'0c00;
  std::vector<OvmfItem> sections = {{0x80'0000, 0x9000, 1},
                                    {0x80'd000, 0x1000, 2},
                                    {0x80'e000, 0x1000, 3},
                                    {0x80'f000, 0x1000, 4},
                                    {0x81'0000, 0x1000, 0x10}};
  std::vector<OvmfEntry> entries = {};  // further ones
  std::vector<ByteArray<16>> without = {};
  std::size_t slack = 0;  // bytes of the table that no entry owns
  std::optional<std::uint16_t> table_size = {};
  std::optional<std::uint32_t> metadata_offset = {};
  std::optional<std::uint32_t> metadata_size = {};
  std::uint32_t metadata_version = 1;
  bool metadata_at_end = false;  // so that the file ends inside it
};

inline Bytes ovmf_file(const OvmfParts& parts) {
  ByteWriter metadata;
  metadata.put(std::string_view("ASEV"));
  metadata.u32le(parts.metadata_size.value_or(16 + 12 * static_cast<std::uint32_t>(parts.sections.size())));
  metadata.u32le(parts.metadata_version);
  metadata.u32le(static_cast<std::uint32_t>(parts.sections.size()));
  for (const OvmfItem& item : parts.sections) {
    metadata.u32le(item.gpa);
    metadata.u32le(item.size);
    metadata.u32le(item.type);
  }
  constexpr std::uint32_t kFromEnd = 2048;
  const std::uint32_t offset = parts.metadata_at_end ? 32 : kFromEnd;

  const auto number = [](std::uint32_t value) {
    ByteWriter writer;
    writer.u32le(value);
    return std::move(writer).take();
  };
  std::vector<OvmfEntry> entries = {{kOvmfReset, number(parts.reset_eip)},
                                    {kOvmfHashTable, number(parts.hash_table)},
                                    {kOvmfMetadata, number(parts.metadata_offset.value_or(offset))}};
  append(entries[1].data, number(0x400));
  std::erase_if(entries, [&](const OvmfEntry& entry) { return std::ranges::count(parts.without, entry.guid) != 0; });
  entries.insert(entries.end(), parts.entries.begin(), parts.entries.end());

  ByteWriter table;
  table.zeros(parts.slack);
  for (const OvmfEntry& entry : entries) {
    table.put(entry.data);
    table.u16le(entry.size.value_or(static_cast<std::uint16_t>(entry.data.size() + 18)));
    table.put(entry.guid);
  }
  table.u16le(parts.table_size.value_or(static_cast<std::uint16_t>(table.bytes().size() + 18)));
  table.put(kOvmfFooter);

  Bytes file(4096, 0x90);
  std::ranges::copy(table.bytes(), file.end() - 32 - static_cast<std::ptrdiff_t>(table.bytes().size()));
  const std::size_t room = std::min<std::size_t>(metadata.bytes().size(), offset);
  std::copy_n(metadata.bytes().begin(), room, file.end() - offset);
  return file;
}

}  // namespace gateway::image::testing
