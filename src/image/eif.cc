#include "image/eif.h"

#include <algorithm>
#include <array>
#include <utility>

#include "image/crc32.h"

namespace gateway::image {
namespace {

constexpr ByteArray<4> kMagic{'.', 'e', 'i', 'f'};
constexpr std::string_view kBuildAgain =
    "the file is damaged or was not made by an EIF builder; build or copy it again";

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), std::string(kBuildAgain));
}

struct Header {
  std::uint16_t flags = 0;
  std::uint64_t default_memory = 0;
  std::uint64_t default_cpus = 0;
  std::uint16_t count = 0;
  std::array<std::uint64_t, kEifMaxSections> offsets{};
  std::array<std::uint64_t, kEifMaxSections> sizes{};
  std::uint32_t crc = 0;
};

Status check_version(std::uint16_t version) {
  if (version == kEifVersion) return {};
  return fail(ErrorCode::kUnsupported, "image.eif.version",
              "the image has format version " + std::to_string(version) + "; only version 4 is accepted",
              "build it again with a current builder");
}

Status check_table(const Header& header) {
  if (header.count == 0 || header.count > kEifMaxSections) {
    return malformed("image.eif.section_count",
                     "the header counts " + std::to_string(header.count) + " sections; 1 to 32 are possible");
  }
  for (std::size_t i = header.count; i < kEifMaxSections; ++i) {
    if (header.offsets[i] != 0 || header.sizes[i] != 0) {
      return malformed("image.eif.unused_entry",
                       "entry " + std::to_string(i) + " of the section table is not zero but is not counted either");
    }
  }
  return {};
}

Result<Header> read_header(ByteView bytes) {
  ByteReader reader(bytes, "image.eif.truncated");
  Header header;
  auto magic = reader.array<4>();
  if (magic && *magic != kMagic) return malformed("image.eif.magic", "the file does not begin with \".eif\"");
  if (bytes.size() < kEifHeaderSize) {
    return malformed("image.eif.truncated",
                     "the file has " + std::to_string(bytes.size()) + " bytes; the header alone has 548");
  }
  GATEWAY_ASSIGN(const std::uint16_t version, reader.u16be());
  GATEWAY_TRY(check_version(version));
  GATEWAY_ASSIGN(header.flags, reader.u16be());
  if ((header.flags & ~kEifFlagArm64) != 0) {
    return fail(ErrorCode::kUnsupported, "image.eif.flags",
                "the header sets flags other than bit 0 (arm64), which no version 4 builder does",
                std::string(kBuildAgain));
  }
  GATEWAY_ASSIGN(header.default_memory, reader.u64be());
  GATEWAY_ASSIGN(header.default_cpus, reader.u64be());
  GATEWAY_TRY(reader.zeros(2, "image.eif.reserved"));
  GATEWAY_ASSIGN(header.count, reader.u16be());
  for (std::uint64_t& offset : header.offsets) {
    GATEWAY_ASSIGN(offset, reader.u64be());
  }
  for (std::uint64_t& size : header.sizes) {
    GATEWAY_ASSIGN(size, reader.u64be());
  }
  GATEWAY_TRY(reader.zeros(4, "image.eif.reserved"));
  GATEWAY_ASSIGN(header.crc, reader.u32be());
  GATEWAY_TRY(check_table(header));
  return header;
}

std::optional<SectionType> known_type(std::uint16_t number) {
  switch (number) {
    case 1: return SectionType::kKernel;
    case 2: return SectionType::kCmdline;
    case 3: return SectionType::kRamdisk;
    case 4: return SectionType::kSignature;
    case 5: return SectionType::kMetadata;
    default: return std::nullopt;
  }
}

// Reads section `index`, which must begin where the previous one ended.
Result<EifSection> read_section(ByteView bytes, const Header& header, std::size_t index,
                                std::uint64_t expected_offset) {
  const std::string which = "section " + std::to_string(index);
  if (header.offsets[index] != expected_offset) {
    return malformed("image.eif.offset", which + " is said to begin at " + std::to_string(header.offsets[index]) +
                                             "; the one before it ends at " + std::to_string(expected_offset));
  }
  ByteReader reader(bytes.subspan(static_cast<std::size_t>(expected_offset)), "image.eif.truncated");
  GATEWAY_ASSIGN(const std::uint16_t number, reader.u16be());
  const auto type = known_type(number);
  if (!type) return malformed("image.eif.section_type", which + " has the unknown type " + std::to_string(number));
  GATEWAY_ASSIGN(const std::uint16_t flags, reader.u16be());
  if (flags != 0) return malformed("image.eif.section_flags", which + " has flags; they must be zero");
  GATEWAY_ASSIGN(const std::uint64_t size, reader.u64be());
  if (size != header.sizes[index]) {
    return malformed("image.eif.size", which + " has " + std::to_string(size) + " bytes by its own header and " +
                                           std::to_string(header.sizes[index]) + " by the file's");
  }
  if (size > reader.rest().size()) {
    return malformed("image.eif.truncated", which + " has " + std::to_string(size) +
                                                " bytes, but the file ends after " +
                                                std::to_string(reader.rest().size()) + " of them");
  }
  return EifSection{*type, expected_offset, reader.rest().first(static_cast<std::size_t>(size))};
}

std::size_t limit_of(SectionType type) {
  switch (type) {
    case SectionType::kCmdline: return kMaxCmdline;
    case SectionType::kMetadata: return kMaxMetadata;
    case SectionType::kSignature: return kMaxSignature;
    default: return SIZE_MAX;
  }
}

// Place of a measured section in kernel ‖ cmdline ‖ ramdisks; 0 for what is not measured.
int measured_place(SectionType type) {
  switch (type) {
    case SectionType::kKernel: return 1;
    case SectionType::kCmdline: return 2;
    case SectionType::kRamdisk: return 3;
    default: return 0;
  }
}

Status check_composition(const std::vector<EifSection>& sections) {
  std::array<std::size_t, 6> count{};
  int place = 0;
  for (const EifSection& section : sections) {
    const std::string name(to_string(section.type));
    const std::size_t seen = ++count[static_cast<std::size_t>(section.type)];
    if (seen > 1 && section.type != SectionType::kRamdisk) {
      return malformed("image.eif.duplicate", "the image has a second " + name + " section");
    }
    if (section.data.size() > limit_of(section.type)) {
      return fail(ErrorCode::kLimitExceeded, "image.eif.limit",
                  "the " + name + " section has " + std::to_string(section.data.size()) + " bytes; the limit is " +
                      std::to_string(limit_of(section.type)));
    }
    if (section.data.empty() && section.type != SectionType::kCmdline) {
      return malformed("image.eif.empty", "the image has an empty " + name + " section");
    }
    if (const int here = measured_place(section.type); here != 0) {
      if (here < place) {
        return malformed("image.eif.order", "the " + name + " section comes after one that is measured after it");
      }
      place = here;
    }
  }
  if (count[static_cast<std::size_t>(SectionType::kCmdline)] == 0) {
    return malformed("image.eif.no_cmdline", "the image has no cmdline section");
  }
  if (count[static_cast<std::size_t>(SectionType::kRamdisk)] == 0) {
    return malformed("image.eif.no_ramdisk", "the image has no ramdisk section");
  }
  return {};
}

Bytes section_header(SectionType type, std::uint64_t size) {
  ByteWriter writer;
  writer.u16be(static_cast<std::uint16_t>(type));
  writer.u16be(0);
  writer.u64be(size);
  return std::move(writer).take();
}

Bytes file_header(const EifParts& parts, const std::vector<EifSection>& sections) {
  ByteWriter writer;
  for (const std::uint8_t byte : kMagic) writer.u8(byte);
  writer.u16be(kEifVersion);
  writer.u16be(parts.arm64 ? kEifFlagArm64 : 0);
  writer.u64be(parts.default_memory);
  writer.u64be(parts.default_cpus);
  writer.u16be(0);
  writer.u16be(static_cast<std::uint16_t>(sections.size()));
  for (const EifSection& section : sections) writer.u64be(section.offset);
  writer.zeros(8 * (kEifMaxSections - sections.size()));
  for (const EifSection& section : sections) writer.u64be(section.data.size());
  writer.zeros(8 * (kEifMaxSections - sections.size()));
  writer.u32be(0);
  return std::move(writer).take();  // all but the CRC
}

std::vector<EifSection> lay_out(const EifParts& parts) {
  std::vector<EifSection> sections;
  std::uint64_t offset = kEifHeaderSize;
  const auto add = [&](SectionType type, ByteView data) {
    sections.push_back({type, offset, data});
    offset += kEifSectionHeaderSize + data.size();
  };
  if (!parts.kernel.empty()) add(SectionType::kKernel, parts.kernel);
  add(SectionType::kCmdline, as_bytes(parts.cmdline));
  if (!parts.metadata.empty()) add(SectionType::kMetadata, as_bytes(parts.metadata));
  for (const ByteView ramdisk : parts.ramdisks) add(SectionType::kRamdisk, ramdisk);
  if (!parts.signature.empty()) add(SectionType::kSignature, parts.signature);
  return sections;
}

Status check_cmdline(std::string_view cmdline) {
  if (cmdline.find('\0') == std::string_view::npos) return {};
  return malformed("image.eif.cmdline", "the cmdline has a NUL byte in it");
}

}  // namespace

std::string_view to_string(SectionType type) {
  switch (type) {
    case SectionType::kKernel: return "kernel";
    case SectionType::kCmdline: return "cmdline";
    case SectionType::kRamdisk: return "ramdisk";
    case SectionType::kSignature: return "signature";
    case SectionType::kMetadata: return "metadata";
  }
  return "unknown";
}

Result<Eif> Eif::parse(ByteView bytes) {
  GATEWAY_ASSIGN(const Header header, read_header(bytes));
  Eif out;
  out.bytes_ = bytes;
  out.arm64_ = (header.flags & kEifFlagArm64) != 0;
  out.default_memory_ = header.default_memory;
  out.default_cpus_ = header.default_cpus;
  out.stated_crc_ = header.crc;
  std::uint64_t offset = kEifHeaderSize;
  for (std::size_t i = 0; i < header.count; ++i) {
    GATEWAY_ASSIGN(const EifSection section, read_section(bytes, header, i, offset));
    out.sections_.push_back(section);
    offset += kEifSectionHeaderSize + section.data.size();
  }
  if (offset != bytes.size()) {
    return malformed("image.eif.trailing", std::to_string(bytes.size() - offset) + " bytes follow the last section");
  }
  GATEWAY_TRY(check_composition(out.sections_));
  GATEWAY_TRY(check_cmdline(out.cmdline()));
  return out;
}

Result<Eif> Eif::open(const std::string& path) {
  GATEWAY_ASSIGN(MappedFile file, MappedFile::open(path));
  auto shared = std::make_shared<const MappedFile>(std::move(file));
  GATEWAY_ASSIGN(Eif out, parse(shared->view()));
  out.file_ = std::move(shared);
  return out;
}

void Eif::release(ByteView part) const {
  if (file_) file_->release(part);
}

std::optional<ByteView> Eif::first(SectionType type) const {
  const auto found = std::ranges::find(sections_, type, &EifSection::type);
  if (found == sections_.end()) return std::nullopt;
  return found->data;
}

ByteView Eif::kernel() const { return first(SectionType::kKernel).value_or(ByteView{}); }
std::string_view Eif::cmdline() const { return as_text(first(SectionType::kCmdline).value_or(ByteView{})); }
std::optional<ByteView> Eif::metadata() const { return first(SectionType::kMetadata); }
std::optional<ByteView> Eif::signature() const { return first(SectionType::kSignature); }

std::vector<ByteView> Eif::ramdisks() const {
  std::vector<ByteView> out;
  for (const EifSection& section : sections_) {
    if (section.type == SectionType::kRamdisk) out.push_back(section.data);
  }
  return out;
}

Status Eif::check_crc() const {
  // Sections are contiguous, so "every section header and its data, in table order" is the rest of the file.
  std::uint32_t crc = crc32(0, bytes_.first(kEifHeaderSize - 4));
  crc = crc32(crc, bytes_.subspan(kEifHeaderSize));
  if (crc == stated_crc_) return {};
  return malformed("image.eif.crc", "the checksum in the header does not match the file's bytes");
}

Status write_eif(const EifParts& parts, const std::string& path) {
  const std::vector<EifSection> sections = lay_out(parts);
  if (sections.size() > kEifMaxSections) {
    return fail(ErrorCode::kLimitExceeded, "image.eif.section_count",
                "the image would have " + std::to_string(sections.size()) + " sections; 32 are possible",
                "join some of the ramdisks");
  }
  GATEWAY_TRY(check_composition(sections));
  GATEWAY_TRY(check_cmdline(parts.cmdline));
  GATEWAY_ASSIGN(NewFile file, NewFile::create(path));
  const Bytes header = file_header(parts, sections);
  std::uint32_t crc = crc32(0, header);
  GATEWAY_TRY(file.write(header));
  GATEWAY_TRY(file.write(ByteArray<4>{}));       // the CRC's place, filled in at the end
  constexpr std::size_t kChunk = 1024UZ * 1024;  // checksum and copy while the bytes are in the cache
  for (const EifSection& section : sections) {
    const Bytes start = section_header(section.type, section.data.size());
    crc = crc32(crc, start);
    GATEWAY_TRY(file.write(start));
    for (ByteView rest = section.data; !rest.empty();) {
      const ByteView chunk = rest.first(std::min(rest.size(), kChunk));
      rest = rest.subspan(chunk.size());
      crc = crc32(crc, chunk);
      GATEWAY_TRY(file.write(chunk));
      if (parts.after_copy) parts.after_copy(chunk);
    }
  }
  ByteWriter stated;
  stated.u32be(crc);
  GATEWAY_TRY(file.write_at(kEifHeaderSize - 4, stated.bytes()));
  return file.commit();
}

}  // namespace gateway::image
