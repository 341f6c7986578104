// OVMF firmware files: what an SEV-SNP launch needs to know of them.
//
// Input:  an untrusted firmware file, the one that the VMM is given. Only its last bytes are parsed: a table of entries
//         named by GUID, read backwards from 32 bytes before the end, and the SEV metadata that it points to.
// Output: Ovmf: where processors start, which guest pages are measured as what, where the kernel hashes go.
// Bounds: kOvmfMaxSize; kOvmfMaxSections sections of kOvmfMaxSectionMemory together; nothing else is allocated.
// Spec:   EDK II OvmfPkg/ResetVector (Ia16/ResetVectorVtf0.asm, X64/OvmfSevMetadata.asm).
// Errors: kLimitExceeded image.ovmf.size, .limit; kMalformed .page_size, .table, .entry, .duplicate, .metadata,
//         .section; kUnsupported .no_table, .no_reset, .no_metadata, .metadata_version, .section_type
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace gateway::image {

inline constexpr std::size_t kGuestPage = 4096;
inline constexpr std::size_t kOvmfMaxSize = 64UZ * 1024 * 1024;  // firmware in use has 2 to 16 MiB
inline constexpr std::size_t kOvmfMaxSections = 64;              // firmware in use has 7
inline constexpr std::uint64_t kOvmfMaxSectionMemory = 256ULL * 1024 * 1024;

enum class OvmfSectionType : std::uint32_t {
  kSecMem = 1,
  kSecrets = 2,
  kCpuid = 3,
  kSvsmCaa = 4,
  kKernelHashes = 0x10,
};

struct OvmfSection {  // whole pages of guest memory below 4 GiB; no two overlap
  std::uint32_t gpa = 0;
  std::uint32_t size = 0;
  OvmfSectionType type{};
};

struct Ovmf {
  std::uint32_t ap_reset_eip = 0;               // where all processors but the first start
  std::optional<std::uint32_t> hash_table_gpa;  // absent: the firmware does not measure a kernel
  std::vector<OvmfSection> sections;            // in the file's order, which is the order of measurement
};

Result<Ovmf> parse_ovmf(ByteView file);

}  // namespace gateway::image
