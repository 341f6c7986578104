// Any bytes as firmware: its tables, and the launch digest of what they describe.
#include "image/ovmf.h"
#include "image/snp_launch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gateway;
  // Whole pages in front of the input, so that seeds are tails of firmware and not all of it.
  Bytes file((image::kGuestPage - size % image::kGuestPage) % image::kGuestPage, 0);
  append(file, ByteView(data, size));
  const auto ovmf = image::parse_ovmf(file);
  if (!ovmf) return 0;
  if (ovmf->ap_reset_eip == 0 || ovmf->sections.size() > image::kOvmfMaxSections) __builtin_trap();
  std::uint64_t memory = 0;
  for (const image::OvmfSection& section : ovmf->sections) {
    if (section.gpa % image::kGuestPage != 0 || section.size % image::kGuestPage != 0) __builtin_trap();
    memory += section.size;
  }
  if (memory > image::kOvmfMaxSectionMemory) __builtin_trap();
  if (memory > 1024UZ * 1024) return 0;  // the digest costs a hash a page
  image::SnpLaunch launch{.firmware = file, .boot = image::KernelHashes{}, .vcpus = 2};
  const auto measured = image::snp_launch_digest(launch);
  launch.boot.reset();
  const auto unmeasured = image::snp_launch_digest(launch);
  if (!unmeasured || (measured && *measured == *unmeasured)) __builtin_trap();
  return 0;
}
