// gateway-hostile-host MODE --listen HOST:PORT [options]
//
//   mitm            ends TLS itself and relays every request, attestation included, to the genuine enclave
//   replay          records one attestation response and serves it to everybody
//   stale-quote     relays attestation without the caller's wish for fresh evidence
//   stale-nonce     genuine fresh evidence, with a session statement over an older nonce
//   other-evidence  evidence of the enclave at --other, session statement of the one at --upstream
//   forge-session   genuine evidence, session statement signed by a key of its own
//   swap-keys       genuine evidence, its own keys statement beside it
//   forge           everything its own, true in form: keys, session, and a document of a virtual NSM
//   debug           forge, with the zero PCRs of an enclave in debug mode
//   unsigned        forge, with a document that is not signed, as QEMU's
//   zero-signature  forge, with a signature of zeros
//   truncate        relays bytes and cuts the stream to the client after --after bytes
//   repair-crc      FILE: writes the checksum that the image's bytes ask for, and ends
//
//   --upstream HOST:PORT  the genuine enclave
//   --other HOST:PORT     another genuine enclave
//   --honest N            the first N connections are relayed untouched
//   --seen FILE           every byte of plaintext that the attacker got to see
//   forge and its variants:
//   --root FOLDER         the local root's key and certificate (host-owned on `local`); absent: one of its own
//   --pcrs A,B,C          PCR0–2 in hexadecimal; --config HEX, the digest of the configuration
//   --platform NAME       what K says: local (default) or nitro
//   --backdate SECONDS    how long ago the document and its chain were made
//   truncate:
//   --after N             bytes; --with fin|rst (fin), --at byte|record (record: never inside a TLS record)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "attestation/model/claims.h"
#include "base/bytes.h"

namespace gateway::hostile {

enum class Mode : std::uint8_t {
  kMitm,
  kReplay,
  kStaleQuote,
  kStaleNonce,
  kOtherEvidence,
  kForgeSession,
  kSwapKeys,
  kForge,
  kDebug,
  kUnsigned,
  kZeroSignature,
  kTruncate,
  kRepairCrc,
};

enum class CutWith : std::uint8_t { kFin, kRst };
enum class CutAt : std::uint8_t { kByte, kRecord };

struct Options {
  Mode mode{};
  std::string listen = "127.0.0.1:0";
  std::string upstream;
  std::string other;
  std::string file;  // repair-crc
  std::string seen;
  unsigned honest = 0;
  std::string root_folder;
  std::array<ByteArray<48>, 3> pcrs{};
  ByteArray<48> config_digest{};
  attestation::Platform platform = attestation::Platform::kLocal;
  std::chrono::seconds backdate{0};
  std::uint64_t cut_after = 0;
  CutWith cut_with = CutWith::kFin;
  CutAt cut_at = CutAt::kRecord;
};

// nullopt: a mistake, which was printed with the usage.
std::optional<Options> read_options(std::span<const char* const> words);

}  // namespace gateway::hostile
