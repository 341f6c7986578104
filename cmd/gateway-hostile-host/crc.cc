#include "crc.h"

#include <fstream>
#include <iterator>

#include "image/crc32.h"
#include "image/eif.h"

namespace gateway::hostile {

Status repair_crc(const std::string& eif) {
  std::fstream file(eif, std::ios::binary | std::ios::in | std::ios::out);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || bytes.size() < image::kEifHeaderSize) {
    return fail(ErrorCode::kNotFound, "hostile.image", "there is no image at " + eif);
  }
  constexpr std::size_t kCrcAt = image::kEifHeaderSize - 4;  // the header's last field
  std::uint32_t crc = image::crc32(0, as_bytes(bytes).first(kCrcAt));
  crc = image::crc32(crc, as_bytes(bytes).subspan(image::kEifHeaderSize));
  ByteWriter field;
  field.u32be(crc);
  file.clear();
  file.seekp(kCrcAt);
  const std::string_view repaired = as_text(field.bytes());
  file.write(repaired.data(), static_cast<std::streamsize>(repaired.size()));
  file.flush();
  if (file) return {};
  return fail(ErrorCode::kUnavailable, "hostile.image", "cannot write " + eif);
}

}  // namespace gateway::hostile
