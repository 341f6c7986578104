// K, Q and S: the three statements that tie evidence to an identity key, to nonces and to one TLS session
// (docs/trust.md §1), and the response that carries them. Encoding is deterministic CBOR; verifiers hash the bytes
// that they received and refuse any other encoding.
//
// Input:  untrusted when parsed.
// Bounds: sizes below.
// Spec:   docs/trust.md §1; RFC 8949 §4.2.1.
// Errors: kMalformed binding.keys, binding.quote, binding.session, binding.response; kNotAuthentic
//         binding.session.{role,keys,nonce,exporter,server_key,signature}
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attestation/model/claims.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace gateway::attestation {

using Nonce = ByteArray<32>;
inline constexpr std::size_t kMaxNoncesPerQuote = 64;
inline constexpr std::size_t kMaxIdentityKeySize = 256;  // a P-256 SPKI has 91 bytes
inline constexpr std::size_t kMaxHpkeConfigSize = 512;
inline constexpr std::size_t kMaxKeysSize = 1024;    // K
inline constexpr std::size_t kMaxQuoteSize = 4096;   // Q: K and 64 nonces
inline constexpr std::size_t kMaxSessionSize = 512;  // S
inline constexpr std::size_t kMaxEvidenceSize = 64UZ * 1024;
inline constexpr std::size_t kMaxCollateral = 32;  // files
inline constexpr std::size_t kMaxResponseSize = 256UZ * 1024;
inline constexpr std::string_view kExporterLabel = "EXPERIMENTAL-gateway-session-v1";
inline constexpr std::string_view kAttestationPath = "/.well-known/gateway/attestation";
inline constexpr std::string_view kAttestationMediaType = "application/cbor";

// K = ["gateway/keys/v1", platform, ik_spki, hpke_config or h'', config_digest (SHA-384), manifest_digest or h'']
struct KeysStatement {
  Platform platform{};
  Bytes ik_spki;
  Bytes hpke_config;
  crypto::Sha384 config_digest{};
  Bytes manifest_digest;  // empty or 48 bytes
};
Bytes encode_keys(const KeysStatement& keys);
Result<KeysStatement> parse_keys(ByteView k);

// Q = ["gateway/quote/v1", bstr(K), [0–64 nonces of 32 bytes]]
struct QuoteStatement {
  Bytes k;
  std::vector<Nonce> nonces;
};
Bytes encode_quote(ByteView k, std::span<const Nonce> nonces);
Result<QuoteStatement> parse_quote(ByteView q);
crypto::Sha512 report_data_of(ByteView q);  // SHA-512(Q)

// S = ["gateway/session/v1", "server"|"client", SHA-384(K), nonce, X, SHA-256(server leaf SPKI)]
enum class SessionRole : std::uint8_t { kServer, kClient };
struct SessionStatement {
  SessionRole role{};
  crypto::Sha384 keys_digest{};
  Nonce nonce{};
  ByteArray<32> exporter{};
  crypto::Sha256 server_spki{};
};
Bytes encode_session(const SessionStatement& session);
Result<SessionStatement> parse_session(ByteView s);

// ["gateway/attestation/v1", Q, evidence, S, signature, [collateral…]], the body of the attestation endpoint.
struct AttestationResponse {
  Bytes q;
  Bytes evidence;
  Bytes s;
  Bytes signature;  // ECDSA-P256-SHA256 by IK over S, raw r ‖ s
  std::vector<Bytes> collateral;
};
Bytes encode_response(const AttestationResponse& response);
Result<AttestationResponse> parse_response(ByteView body);

// What this side of the connection knows itself, to compare S with.
struct SessionFacts {
  SessionRole role{};
  Nonce nonce{};
  ByteArray<32> exporter{};
  crypto::Sha256 server_spki{};
};
// Checks S against the facts and K, and the signature by K's identity key.
// Errors: kNotAuthentic binding.session.role, .keys, .nonce, .exporter, .server_key, .signature
Status verify_session(ByteView s, ByteView signature, ByteView k, const SessionFacts& facts);

}  // namespace gateway::attestation
