#include "attestation/snp/tpm_quote.h"

#include <algorithm>

#include "crypto/hash.h"

namespace gateway::attestation::snp {
namespace {

constexpr ErrorId kQuote = "snp.vtpm.quote";
constexpr const char* kSender = "ask the sender for evidence that was not changed on its way";
constexpr std::uint32_t kMagic = 0xff544347;  // TPM_GENERATED
constexpr std::uint16_t kAttestQuote = 0x8018;
constexpr std::uint16_t kSha256 = 0x000b;
constexpr std::size_t kMaxNonce = 64;
constexpr std::size_t kClockAndFirmware = 17 + 8;
constexpr std::size_t kDigest = 32;

struct Quote {
  ByteView nonce;
  std::uint32_t selected = 0;  // bit i: PCR i
  ByteView digest;
};

Result<ByteView> sized(ByteReader& reader) {
  GATEWAY_ASSIGN(const std::uint16_t size, reader.u16be());
  return reader.take(size);
}

Result<Quote> read_quote(ByteView message) {
  ByteReader reader(message, kQuote);
  GATEWAY_ASSIGN(const std::uint32_t magic, reader.u32be());
  GATEWAY_ASSIGN(const std::uint16_t type, reader.u16be());
  Quote quote;
  GATEWAY_TRY(sized(reader));  // qualifiedSigner
  GATEWAY_ASSIGN(quote.nonce, sized(reader));
  GATEWAY_TRY(reader.take(kClockAndFirmware));
  GATEWAY_ASSIGN(const std::uint32_t selections, reader.u32be());
  GATEWAY_ASSIGN(const std::uint16_t bank, reader.u16be());
  GATEWAY_ASSIGN(const std::uint8_t octets, reader.u8());
  GATEWAY_ASSIGN(const ByteView bits, reader.take(octets));
  GATEWAY_ASSIGN(quote.digest, sized(reader));
  GATEWAY_TRY(reader.finish(kQuote));
  const bool known = magic == kMagic && type == kAttestQuote && selections == 1 && bank == kSha256 &&
                     bits.size() == kVtpmPcrs / 8 && quote.nonce.size() <= kMaxNonce && quote.digest.size() == kDigest;
  if (!known) return fail(ErrorCode::kMalformed, kQuote);
  for (std::size_t i = 0; i < bits.size(); ++i) quote.selected |= std::uint32_t{bits[i]} << (8 * i);
  return quote;
}

}  // namespace

Result<SnpVtpm> verify_tpm_quote(ByteView message, ByteView signature, std::span<const Bytes> pcrs,
                                 const crypto::PublicKey& key, CheckList& checks) {
  const bool fits = message.size() <= kMaxQuoteSize;
  const auto quote = fits ? read_quote(message) : Result<Quote>(fail(ErrorCode::kMalformed, kQuote));
  GATEWAY_TRY(checks.require(quote.has_value(), ErrorCode::kMalformed, "snp.vtpm.quote",
                             "a TPM's quote of registers of the SHA-256 bank", quote ? "one" : "something else",
                             kSender));
  const bool good = key.verify_rsa_pkcs1(crypto::HashAlgorithm::kSha256, message, signature).has_value();
  GATEWAY_TRY(checks.require(good, ErrorCode::kNotAuthentic, "snp.vtpm.signature",
                             "a signature of the quote by the attestation key of the runtime data",
                             good ? "it verifies" : "it does not verify",
                             "the quote was changed or is another machine's; do not trust it"));
  SnpVtpm vtpm{.nonce = to_bytes(quote->nonce), .pcrs = {}};
  Bytes selected;
  bool sizes = pcrs.size() == kVtpmPcrs;
  for (unsigned index = 0; sizes && index < kVtpmPcrs; ++index) {
    if (((quote->selected >> index) & 1U) == 0) continue;
    const Bytes& value = pcrs[index];
    sizes = value.size() == kDigest;
    append(selected, value);
    vtpm.pcrs.emplace(index, value);
  }
  const bool same = sizes && equal(crypto::sha256(selected), quote->digest);
  GATEWAY_TRY(checks.require(same, ErrorCode::kNotAuthentic, "snp.vtpm.pcrs",
                             "24 registers whose selected ones have the quote's digest",
                             same ? "they have" : "other registers",
                             "the registers were changed or belong to another quote; do not trust them"));
  return vtpm;
}

}  // namespace gateway::attestation::snp
