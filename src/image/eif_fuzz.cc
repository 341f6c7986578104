// Any bytes as an enclave image: structure, views, checksum, signature.
#include "image/eif.h"
#include "image/measure.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway;
  const auto eif = image::Eif::parse({data, size});
  if (!eif) return 0;
  (void)eif->check_crc();
  if (eif->ramdisks().empty() || eif->sections().size() > image::kEifMaxSections) __builtin_trap();
  std::size_t covered = image::kEifHeaderSize;
  for (const auto& section : eif->sections()) covered += image::kEifSectionHeaderSize + section.data.size();
  if (covered != size) __builtin_trap();  // a byte that no section owns
  if (const auto signature = eif->signature()) (void)image::verify_signature(*signature, image::Pcr{});
  return 0;
}
