#include "attestation/snp/cert_table.h"

#include <algorithm>
#include <array>
#include <vector>

namespace gateway::attestation::snp {
namespace {

constexpr std::size_t kEntrySize = 24;
constexpr const char* kHost = "ask for the report alone, or for the table as the host's firmware driver gave it";

using Guid = ByteArray<16>;

struct Known {
  Guid guid;  // in the order of its text
  std::optional<ByteView> CertificateTable::* member;
};
constexpr std::array<Known, 5> kKnown{{
    {{{0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd}},
     &CertificateTable::vcek},
    {{{0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1}},
     &CertificateTable::vlek},
    {{{0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82}},
     &CertificateTable::ask},
    {{{0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae}},
     &CertificateTable::ark},
    {{{0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea}},
     &CertificateTable::crl},
}};

// The same GUID as UEFI writes it: its first three numbers little-endian.
constexpr Guid mixed_endian(const Guid& guid) {
  Guid out = guid;
  std::reverse(out.begin(), out.begin() + 4);
  std::reverse(out.begin() + 4, out.begin() + 6);
  std::reverse(out.begin() + 6, out.begin() + 8);
  return out;
}

struct Entry {
  Guid guid{};
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint64_t end() const { return std::uint64_t{offset} + length; }
};

struct Header {
  std::vector<Entry> entries;
  std::size_t size = 0;  // terminator included
};

Result<Header> read_header(ByteView input, CheckList& checks) {
  Header header;
  ByteReader reader(input, "snp.table.terminator");
  while (true) {
    if (reader.rest().size() < kEntrySize) {
      return checks.refused(ErrorCode::kMalformed, "snp.table.terminator", "entries of 24 bytes, the last of zeros",
                            std::to_string(reader.rest().size()) + " bytes where an entry should be", kHost);
    }
    Entry entry;
    GATEWAY_ASSIGN(entry.guid, reader.array<16>());
    GATEWAY_ASSIGN(entry.offset, reader.u32le());
    GATEWAY_ASSIGN(entry.length, reader.u32le());
    if (entry.guid == Guid{} && entry.offset == 0 && entry.length == 0) break;
    if (header.entries.size() == kMaxEntries) {
      return checks.refused(ErrorCode::kLimitExceeded, "snp.table.entries",
                            "at most " + std::to_string(kMaxEntries) + " entries", "more", kHost);
    }
    header.entries.push_back(entry);
  }
  header.size = reader.offset();
  GATEWAY_TRY(checks.require(!header.entries.empty(), ErrorCode::kMalformed, "snp.table.empty", "at least one entry",
                             std::to_string(header.entries.size()) + " entries", kHost));
  return header;
}

// Sorted by offset, every entry begins where the one before has ended or later, and what lies between is zero.
Status check_layout(ByteView input, const Header& header, CheckList& checks) {
  std::vector<Entry> sorted = header.entries;
  std::ranges::sort(sorted, {}, &Entry::offset);
  std::size_t covered = header.size;
  const auto zero = [&](std::size_t from, std::size_t to) {
    return std::ranges::all_of(input.subspan(from, to - from), [](std::uint8_t byte) { return byte == 0; });
  };
  bool gaps_are_zero = true;
  for (const Entry& entry : sorted) {
    if (entry.length == 0 || entry.end() > input.size()) {
      return checks.refused(ErrorCode::kMalformed, "snp.table.bounds",
                            "entries of at least one byte inside the table's " + std::to_string(input.size()),
                            std::to_string(entry.length) + " bytes at " + std::to_string(entry.offset), kHost);
    }
    if (entry.offset < covered) {
      return checks.refused(ErrorCode::kMalformed, "snp.table.overlap", "entries that do not overlap",
                            std::to_string(entry.length) + " bytes at " + std::to_string(entry.offset), kHost);
    }
    gaps_are_zero = gaps_are_zero && zero(covered, entry.offset);
    covered = static_cast<std::size_t>(entry.end());
  }
  gaps_are_zero = gaps_are_zero && zero(covered, input.size());
  return checks.require(gaps_are_zero, ErrorCode::kMalformed, "snp.table.padding", "zeros where no entry is",
                        gaps_are_zero ? "zeros" : "other bytes", kHost);
}

}  // namespace

Result<CertificateTable> parse_certificate_table(ByteView input, CheckList& checks) {
  GATEWAY_TRY(checks.require(input.size() <= kMaxTableSize, ErrorCode::kLimitExceeded, "snp.table.size",
                             "at most " + std::to_string(kMaxTableSize) + " bytes",
                             std::to_string(input.size()) + " bytes", kHost));
  GATEWAY_ASSIGN(const Header header, read_header(input, checks));
  GATEWAY_TRY(check_layout(input, header, checks));
  CertificateTable table;
  for (const Entry& entry : header.entries) {
    for (const Known& known : kKnown) {
      if (entry.guid != known.guid && entry.guid != mixed_endian(known.guid)) continue;
      std::optional<ByteView>& member = table.*known.member;
      if (member) {
        return checks.refused(ErrorCode::kMalformed, "snp.table.duplicate", "every certificate once", "one twice",
                              kHost);
      }
      member = input.subspan(entry.offset, entry.length);
    }
  }
  checks.held("snp.table.bounds", "entries inside the table, none overlapping",
              std::to_string(header.entries.size()) + " entries");
  return table;
}

}  // namespace gateway::attestation::snp
