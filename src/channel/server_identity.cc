#include <algorithm>

#include "channel/tls.h"
#include "codec/cbor.h"

namespace gateway::channel {
namespace {

constexpr std::string_view kRaTlsOid = "2.23.133.5.4.9";
constexpr std::uint64_t kRaTlsTag = 60'000;  // a quote with its claims
constexpr std::uint64_t kSha256Id = 1;       // IANA named information hash algorithms
constexpr std::string_view kCommonName = "gateway-enclave";
// The key dies with the boot. Other people's clients compare with clocks that are not the enclave's.
constexpr auto kBackdated = std::chrono::hours(24);
constexpr auto kLife = std::chrono::days(365);

}  // namespace

Result<ServerIdentity> make_server_identity(crypto::PrivateKey key, Time now,
                                            std::optional<ByteView> ra_tls_extension) {
  if (key.type() != crypto::KeyType::kP256) {
    return fail(ErrorCode::kInternal, "tls.setup", "the server's key must be a P-256 key");
  }
  const crypto::PublicKey public_key = key.public_key();
  crypto::CertificateSpec spec{.subject_common_name = std::string(kCommonName),
                               .issuer_common_name = std::string(kCommonName),
                               .subject_key = public_key,
                               .validity = {now - kBackdated, now + kLife},
                               .is_ca = false,
                               .path_length = std::nullopt,
                               .dns_names = {std::string(kCommonName)},
                               .extensions = {}};
  if (ra_tls_extension) {
    spec.extensions.push_back(
        {std::string(kRaTlsOid), Bytes(ra_tls_extension->begin(), ra_tls_extension->end()), false});
  }
  GATEWAY_ASSIGN(crypto::Certificate certificate, crypto::issue_certificate(spec, key));
  return ServerIdentity{std::move(key), std::move(certificate), crypto::sha256(public_key.spki())};
}

RaTlsClaims make_ra_tls_claims(const crypto::PublicKey& tls_key) {
  codec::CborWriter hash;
  hash.array(2).unsigned_integer(kSha256Id).bytes(crypto::sha256(tls_key.spki()));
  codec::CborWriter writer;
  writer.map(1).text("pubkey-hash").bytes(hash.view());
  RaTlsClaims out{.claims = std::move(writer).take(), .report_data = {}};
  std::ranges::copy(crypto::sha256(out.claims), out.report_data.begin());
  return out;
}

Bytes encode_ra_tls_extension(ByteView evidence, ByteView claims) {
  codec::CborWriter writer;
  writer.tag(kRaTlsTag).array(2).bytes(evidence).bytes(claims);
  return std::move(writer).take();
}

}  // namespace gateway::channel
