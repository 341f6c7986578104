#include "image/tar.h"

#include <algorithm>
#include <charconv>

#include "image/cpio.h"

namespace gateway::image {
namespace {

constexpr std::uint64_t kBlockSize = 512;
constexpr ErrorId kTruncated = "image.tar.truncated";

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), "the archive is damaged; fetch or build it again");
}

std::string_view field(const ByteArray<512>& block, std::size_t offset, std::size_t size) {
  const std::string_view text = as_text(ByteView(block).subspan(offset, size));
  return text.substr(0, text.find('\0'));
}

// Octal with leading blanks and a blank or zero at the end; or, with the top bit set, big-endian binary (GNU).
std::optional<std::uint64_t> number(const ByteArray<512>& block, std::size_t offset, std::size_t size) {
  const ByteView raw = ByteView(block).subspan(offset, size);
  if ((raw[0] & 0x80U) != 0) {
    if (raw[0] != 0x80) return std::nullopt;  // negative, or over 2^63
    std::uint64_t value = 0;
    for (const std::uint8_t byte : raw.subspan(1)) {
      if (value >> 55U != 0) return std::nullopt;
      value = (value << 8U) | byte;
    }
    return value;
  }
  std::string_view digits = as_text(raw);
  digits = digits.substr(0, digits.find('\0'));
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  if (digits.empty()) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

Status check_checksum(const ByteArray<512>& block) {
  const auto stated = number(block, 148, 8);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) sum += i >= 148 && i < 156 ? std::uint8_t{' '} : block[i];
  if (stated == sum) return {};
  return malformed("image.tar.checksum", "the checksum of a header does not match it");
}

std::optional<TarType> known_type(char type) {
  switch (type) {
    case '\0':
    case '0':
    case '7': return TarType::kFile;
    case '1': return TarType::kHardLink;
    case '2': return TarType::kSymlink;
    case '3': return TarType::kCharacterDevice;
    case '4': return TarType::kBlockDevice;
    case '5': return TarType::kFolder;
    case '6': return TarType::kFifo;
    default: return std::nullopt;
  }
}

std::string header_name(const ByteArray<512>& block) {
  std::string name(field(block, 0, 100));
  // The prefix belongs to POSIX's form alone; GNU's old one keeps times there ("ustar " with a blank).
  const bool posix = as_text(ByteView(block).subspan(257, 6)) == std::string_view("ustar\0", 6);
  const std::string_view prefix = posix ? field(block, 345, 155) : std::string_view();
  return prefix.empty() ? name : std::string(prefix) + "/" + name;
}

}  // namespace

Status TarReader::leave_entry() {
  GATEWAY_TRY(source_.skip(left_ + padding_, kTruncated));
  left_ = 0;
  padding_ = 0;
  return {};
}

// One zero block was read; a second follows, then zeros up to the writer's record size.
Status TarReader::finish() {
  Block block{};
  GATEWAY_TRY(source_.read_exactly(block, kTruncated));
  bool zero = all_zero(block);
  while (zero) {
    GATEWAY_ASSIGN(const ByteView rest, source_.peek());
    if (rest.empty()) return {};
    zero = all_zero(rest);
    source_.consume(rest.size());
  }
  return malformed("image.tar.trailing", "bytes follow the end of the archive");
}

Result<std::string> TarReader::extended_contents(std::uint64_t size) {
  if (size > limits_.extended) {
    return fail(
        ErrorCode::kLimitExceeded, "image.tar.extended_size",
        "an extended header has " + std::to_string(size) + " bytes; the limit is " + std::to_string(limits_.extended));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  GATEWAY_TRY(source_.read_exactly({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, kTruncated));
  GATEWAY_TRY(source_.skip((kBlockSize - size % kBlockSize) % kBlockSize, kTruncated));
  return text;
}

// Records "LENGTH KEY=VALUE\n". `pending` is null for a global header, which may not rename or resize entries.
Status TarReader::read_pax(std::string_view records, Pending* pending) {
  const auto bad = [](std::string detail) {
    return malformed("image.tar.pax", "an extended header: " + std::move(detail));
  };
  while (!records.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    const auto digits = static_cast<std::size_t>(end - records.data());
    if (error != std::errc{} || length > records.size() || length < digits + 3 || records[digits] != ' ') {
      return bad("a record's length is wrong");
    }
    const std::string_view record = records.substr(digits + 1, length - digits - 1);
    records.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (!record.ends_with('\n') || equals == std::string_view::npos) return bad("a record is not KEY=VALUE");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1, record.size() - equals - 2);
    if (key.starts_with("GNU.sparse.")) {
      return fail(ErrorCode::kUnsupported, "image.tar.sparse", "the archive has a sparse file in it",
                  "pack it without --sparse");
    }
    const bool renames = key == "path" || key == "linkpath" || key == "size";
    if (renames && pending == nullptr) return bad("a global header would rename or resize every entry");
    if (key == "path") pending->name = std::string(value);
    if (key == "linkpath") pending->link = std::string(value);
    if (key == "size") {
      std::uint64_t size = 0;
      const auto [last, wrong] = std::from_chars(value.data(), value.data() + value.size(), size);
      if (wrong != std::errc{} || last != value.data() + value.size()) return bad("a size is not a number");
      pending->size = size;
    }
    // Owners, times and attributes: the image has its own owners and times, and no extended attributes.
  }
  return {};
}

Result<TarEntry> TarReader::make_entry(const Block& block, char type, std::uint64_t size, Pending pending) {
  TarEntry entry;
  const auto known = known_type(type);
  if (!known) {
    return fail(ErrorCode::kUnsupported, type == 'S' ? ErrorId("image.tar.sparse") : ErrorId("image.tar.type"),
                "the archive has an entry of type number " + std::to_string(static_cast<unsigned char>(type)),
                "pack it with ordinary files, folders and links only");
  }
  entry.type = *known;
  entry.size = pending.size.value_or(size);
  std::string name = pending.name.value_or(header_name(block));
  // Before POSIX, a folder was a file whose name ends in a slash.
  if (entry.type == TarType::kFile && name.ends_with('/')) entry.type = TarType::kFolder;
  if (name.starts_with('/')) return malformed("image.tar.name", "an entry has an absolute name");
  const auto normal = normalised_name(name);
  if (!normal) return malformed("image.tar.name", "a name climbs with \"..\" or has bytes that do not belong");
  entry.name = *normal;
  entry.link = pending.link.value_or(std::string(field(block, 157, 100)));
  if (entry.type == TarType::kHardLink) {
    const auto target = normalised_name(entry.link);
    if (!target || target->empty()) return malformed("image.tar.name", "a hard link points outside of the archive");
    entry.link = *target;
  }
  if (entry.type == TarType::kSymlink &&
      (entry.link.empty() || entry.link.size() > 4095 || entry.link.find('\0') != std::string::npos)) {
    return malformed("image.tar.name", "a symbolic link has an empty or overlong target");
  }
  const auto mode = number(block, 100, 8);
  if (!mode) return malformed("image.tar.header", "a mode is not a number");
  entry.permissions = static_cast<std::uint32_t>(*mode & 07777U);
  if (entry.type != TarType::kFile)
    entry.size = 0;  // POSIX: links and folders have no contents whatever the field says
  return entry;
}

Result<std::optional<TarEntry>> TarReader::next() {
  GATEWAY_TRY(leave_entry());
  Pending pending;
  while (true) {
    Block block{};
    GATEWAY_TRY(source_.read_exactly(block, kTruncated));
    if (all_zero(block)) {
      if (pending.any()) return malformed("image.tar.pax", "an extended header is followed by no entry");
      GATEWAY_TRY(finish());
      return std::nullopt;
    }
    GATEWAY_TRY(check_checksum(block));
    if (++entries_ > limits_.entries) {
      return fail(ErrorCode::kLimitExceeded, "image.tar.entries",
                  "the archive has more than " + std::to_string(limits_.entries) + " entries");
    }
    const auto size = number(block, 124, 12);
    if (!size) return malformed("image.tar.header", "a size is not a number");
    const char type = static_cast<char>(block[156]);
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      GATEWAY_ASSIGN(std::string text, extended_contents(*size));
      if (type == 'x' || type == 'g') {
        GATEWAY_TRY(read_pax(text, type == 'x' ? &pending : nullptr));
      } else {
        (type == 'L' ? pending.name : pending.link) = text.substr(0, text.find('\0'));
      }
      continue;
    }
    GATEWAY_ASSIGN(TarEntry entry, make_entry(block, type, *size, std::move(pending)));
    bytes_ += std::min(entry.size, limits_.bytes + 1);
    if (bytes_ > limits_.bytes) {
      return fail(ErrorCode::kLimitExceeded, "image.tar.bytes",
                  "the archive unpacks to more than " + std::to_string(limits_.bytes) + " bytes");
    }
    left_ = entry.size;
    padding_ = (kBlockSize - entry.size % kBlockSize) % kBlockSize;
    return entry;
  }
}

Result<std::size_t> TarReader::read(std::span<std::uint8_t> out) {
  const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_));
  if (want == 0) return 0UZ;
  GATEWAY_TRY(source_.read_exactly(out.first(want), kTruncated));
  left_ -= want;
  return want;
}

}  // namespace gateway::image
