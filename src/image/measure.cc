#include "image/measure.h"

#include <thread>

#include "image/crc32.h"
#include "image/read_through.h"

namespace gateway::image {
namespace {

using crypto::HashAlgorithm;
using crypto::Hasher;

// Below this a second thread costs more than it saves.
constexpr std::size_t kWorthAThread = 512UZ * 1024;
// PCR0 and PCR1 share the prefix kernel ‖ cmdline ‖ ramdisk 1: hashed once, the state cloned.
void hash_boot_and_image(const Eif& eif, const std::vector<ByteView>& ramdisks, Measurements& out) {
  Hasher image(HashAlgorithm::kSha384);
  const auto update = [&image](ByteView chunk) { image.update(chunk); };
  read_through(eif, eif.kernel(), update);
  read_through(eif, as_bytes(eif.cmdline()), update);
  read_through(eif, ramdisks.front(), update);
  Hasher boot = image.clone();
  out.pcr1 = extended_from_zero(boot.finish());
  for (std::size_t i = 1; i < ramdisks.size(); ++i) read_through(eif, ramdisks[i], update);
  out.pcr0 = extended_from_zero(image.finish());
}

// PCR2, and the checksum of the whole file in the same pass.
std::uint32_t hash_application(const Eif& eif, Measurements& out) {
  Hasher application(HashAlgorithm::kSha384);
  std::uint32_t crc = crc32(0, eif.bytes().first(kEifHeaderSize - 4));
  std::size_t ramdisks = 0;
  for (const EifSection& section : eif.sections()) {
    if (section.type == SectionType::kRamdisk) ++ramdisks;
    const bool hashed = section.type == SectionType::kRamdisk && ramdisks > 1;
    const std::size_t start = static_cast<std::size_t>(section.offset);
    crc = crc32(crc, eif.bytes().subspan(start, kEifSectionHeaderSize));
    read_through(eif, section.data, [&](ByteView chunk) {
      crc = crc32(crc, chunk);
      if (hashed) application.update(chunk);
    });
  }
  out.pcr2 = extended_from_zero(application.finish());
  return crc;
}

}  // namespace

Pcr extended_from_zero(ByteView digest) { return crypto::sha384({ByteArray<48>{}, digest}); }

Result<Measurements> measure_unsigned(const Eif& eif) {
  Measurements out;
  const std::vector<ByteView> ramdisks = eif.ramdisks();
  std::uint32_t crc = 0;
  if (eif.bytes().size() < kWorthAThread) {
    crc = hash_application(eif, out);
    hash_boot_and_image(eif, ramdisks, out);
  } else {
    // The two passes write different members of `out`.
    std::jthread second([&] { crc = hash_application(eif, out); });
    hash_boot_and_image(eif, ramdisks, out);
    second.join();
  }
  if (crc != eif.stated_crc()) {
    return fail(ErrorCode::kMalformed, "image.eif.crc", "the checksum in the header does not match the file's bytes",
                "the file is damaged or was changed; build or copy it again");
  }
  return out;
}

Result<Measurements> measure(const Eif& eif) {
  GATEWAY_ASSIGN(Measurements out, measure_unsigned(eif));
  if (const auto section = eif.signature()) {
    GATEWAY_ASSIGN(const ImageSignature signature, verify_signature(*section, out.pcr0));
    out.pcr8 = signature.pcr8;
  }
  return out;
}

}  // namespace gateway::image
