#include "image/cpio.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gateway::image {
namespace {

constexpr std::size_t kHeaderSize = 110;
constexpr std::string_view kMagic = "070701";
constexpr std::string_view kTrailer = "TRAILER!!!";
constexpr std::uint64_t kMaxFileSize = 0xffffffff;  // eight hexadecimal digits
constexpr ErrorId kTruncated = "image.cpio.truncated";

std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail), "the ramdisk is damaged; build or fetch it again");
}

std::uint64_t padding_after(std::uint64_t size) { return (4 - size % 4) % 4; }

constexpr std::array<std::pair<FileType, std::uint32_t>, 7> kTypes{{{FileType::kRegular, 0100000},
                                                                    {FileType::kFolder, 0040000},
                                                                    {FileType::kSymlink, 0120000},
                                                                    {FileType::kCharacterDevice, 0020000},
                                                                    {FileType::kBlockDevice, 0060000},
                                                                    {FileType::kFifo, 0010000},
                                                                    {FileType::kSocket, 0140000}}};

// The header's thirteen fields after the magic, in their order.
enum Field : std::size_t {
  kInode,
  kMode,
  kUid,
  kGid,
  kLinks,
  kModified,
  kSize,
  kMajor,
  kMinor,
  kRMajor,
  kRMinor,
  kName,
  kCheck
};

Result<std::array<std::uint32_t, 13>> read_fields(std::string_view header) {
  std::array<std::uint32_t, 13> fields{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string_view digits = header.substr(kMagic.size() + 8 * i, 8);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fields[i], 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return malformed("image.cpio.header", "a header field is not eight hexadecimal digits");
    }
  }
  return fields;
}

}  // namespace

std::optional<FileType> file_type(std::uint32_t mode) {
  const auto found = std::ranges::find(kTypes, mode & 0170000U, &std::pair<FileType, std::uint32_t>::second);
  if (found == kTypes.end()) return std::nullopt;
  return found->first;
}

std::uint32_t mode_bits(FileType type) {
  return std::ranges::find(kTypes, type, &std::pair<FileType, std::uint32_t>::first)->second;
}

std::optional<std::string> normalised_name(std::string_view name) {
  if (name.starts_with("./")) name.remove_prefix(2);
  if (name == "." || name.empty()) return std::string();
  if (name.ends_with('/')) name.remove_suffix(1);
  if (name.empty() || name.size() > 4096) return std::nullopt;
  std::size_t at = 0;
  while (at <= name.size()) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string_view segment = name.substr(at, end - at);
    if (segment.empty() || segment == "." || segment == ".." || segment.size() > 255) return std::nullopt;
    at = end + 1;
  }
  // Bytes over 0x7f are names in UTF-8 or older encodings; control bytes are tricks on terminals.
  if (!std::ranges::all_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; })) {
    return std::nullopt;
  }
  return std::string(name);
}

Status CpioReader::leave_entry() {
  GATEWAY_TRY(source_.skip(left_, kTruncated));
  left_ = 0;
  std::array<std::uint8_t, 3> padding{};
  const auto span = std::span(padding).first(static_cast<std::size_t>(padding_));
  GATEWAY_TRY(source_.read_exactly(span, kTruncated));
  padding_ = 0;
  if (!std::ranges::all_of(span, [](std::uint8_t byte) { return byte == 0; })) {
    return malformed("image.cpio.padding", "the padding after an entry is not zero");
  }
  return {};
}

Result<std::optional<CpioEntry>> CpioReader::next() {
  GATEWAY_TRY(leave_entry());
  std::array<std::uint8_t, kHeaderSize> raw{};
  GATEWAY_TRY(source_.read_exactly(raw, kTruncated));
  const std::string_view header = as_text(raw);
  if (!header.starts_with(kMagic)) return malformed("image.cpio.magic", "an entry does not begin with \"070701\"");
  GATEWAY_ASSIGN(const auto fields, read_fields(header));
  if (fields[kName] < 2 || fields[kName] > limits_.name) {
    return malformed("image.cpio.name", "a name has " + std::to_string(fields[kName]) + " bytes");
  }
  std::string name(fields[kName], '\0');
  GATEWAY_TRY(source_.read_exactly({reinterpret_cast<std::uint8_t*>(name.data()), name.size()}, kTruncated));
  if (name.back() != '\0') return malformed("image.cpio.name", "a name is not closed by a zero byte");
  name.pop_back();
  padding_ = padding_after(kHeaderSize + fields[kName]);
  GATEWAY_TRY(leave_entry());
  if (name == kTrailer) {
    if (fields[kSize] != 0) return malformed("image.cpio.trailer", "the trailer has contents");
    return std::nullopt;
  }
  CpioEntry entry;
  const auto normal = normalised_name(name);
  if (!normal)
    return malformed("image.cpio.name", "a name is absolute, climbs with \"..\" or has bytes that do not belong");
  entry.name = *normal;
  const auto type = file_type(fields[kMode]);
  if (!type || fields[kMode] > 0177777) return malformed("image.cpio.header", "an entry has an unknown file type");
  entry.type = *type;
  entry.permissions = fields[kMode] & 07777U;
  entry.uid = fields[kUid];
  entry.gid = fields[kGid];
  entry.links = fields[kLinks];
  entry.inode = fields[kInode];
  entry.device_major = fields[kMajor];
  entry.device_minor = fields[kMinor];
  entry.modified = fields[kModified];
  entry.size = fields[kSize];
  if (entry.size != 0 && entry.type != FileType::kRegular && entry.type != FileType::kSymlink) {
    return malformed("image.cpio.header", "something that is neither a file nor a link has contents");
  }
  if (++entries_ > limits_.entries) {
    return fail(ErrorCode::kLimitExceeded, "image.cpio.entries",
                "the archive has more than " + std::to_string(limits_.entries) + " entries");
  }
  bytes_ += entry.size;
  if (bytes_ > limits_.bytes) {
    return fail(ErrorCode::kLimitExceeded, "image.cpio.bytes",
                "the archive unpacks to more than " + std::to_string(limits_.bytes) + " bytes");
  }
  left_ = entry.size;
  padding_ = padding_after(entry.size);
  return entry;
}

Result<std::size_t> CpioReader::read(std::span<std::uint8_t> out) {
  const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_));
  if (want == 0) return 0UZ;
  GATEWAY_TRY(source_.read_exactly(out.first(want), kTruncated));
  left_ -= want;
  return want;
}

Result<std::string> CpioReader::link_target() {
  if (left_ == 0 || left_ > 4095) {
    return malformed("image.cpio.link", "a symbolic link has a target of " + std::to_string(left_) + " bytes");
  }
  std::string target(static_cast<std::size_t>(left_), '\0');
  GATEWAY_TRY(source_.read_exactly({reinterpret_cast<std::uint8_t*>(target.data()), target.size()}, kTruncated));
  left_ = 0;
  if (target.find('\0') != std::string::npos)
    return malformed("image.cpio.link", "a link's target has a zero byte in it");
  return target;
}

Status CpioWriter::header(std::string_view name, std::uint32_t mode, std::uint32_t links, std::uint64_t size) {
  if (size > kMaxFileSize) {
    return fail(
        ErrorCode::kLimitExceeded, "image.cpio.file_size",
        "a file of the image has " + std::to_string(size) + " bytes; the ramdisk format holds files under 4 GiB",
        "split the file (llama.cpp reads split models)");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::uint32_t inode = name == kTrailer ? 0 : ++inode_;
  std::string out(kMagic);
  for (const std::uint64_t field :
       {std::uint64_t{inode}, std::uint64_t{mode}, std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{links},
        name == kTrailer ? std::uint64_t{0} : modified_, size, std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{0},
        std::uint64_t{0}, std::uint64_t{name.size() + 1}, std::uint64_t{0}}) {
    for (unsigned shift = 32; shift > 0; shift -= 4) out.push_back(kDigits[(field >> (shift - 4)) & 15U]);
  }
  out += name;
  out.append(1 + padding_after(out.size() + 1), '\0');
  written_ += out.size();
  return to_.write(as_bytes(out));
}

Status CpioWriter::pad() {
  const std::uint64_t padding = padding_after(written_);
  written_ += padding;
  if (padding == 0) return {};
  return to_.write(ByteView(std::array<std::uint8_t, 3>{}).first(static_cast<std::size_t>(padding)));
}

Status CpioWriter::folder(std::string_view name, std::uint32_t permissions) {
  return header(name, mode_bits(FileType::kFolder) | permissions, 2, 0);
}

Status CpioWriter::symlink(std::string_view name, std::string_view target) {
  GATEWAY_TRY(header(name, mode_bits(FileType::kSymlink) | 0777U, 1, target.size()));
  written_ += target.size();
  GATEWAY_TRY(to_.write(as_bytes(target)));
  return pad();
}

Status CpioWriter::begin_file(std::string_view name, std::uint32_t permissions, std::uint64_t size) {
  left_ = size;
  return header(name, mode_bits(FileType::kRegular) | permissions, 1, size);
}

Status CpioWriter::write(ByteView contents) {
  if (contents.size() > left_)
    return fail(ErrorCode::kInternal, "image.cpio.contents", "a file grew while it was packed");
  left_ -= contents.size();
  written_ += contents.size();
  GATEWAY_TRY(to_.write(contents));
  return left_ == 0 ? pad() : Status{};
}

Status CpioWriter::file(std::string_view name, std::uint32_t permissions, ByteView contents) {
  GATEWAY_TRY(begin_file(name, permissions, contents.size()));
  return contents.empty() ? Status{} : write(contents);
}

Status CpioWriter::finish() { return header(kTrailer, 0, 1, 0); }

}  // namespace gateway::image
