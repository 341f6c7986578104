#include "runtime/identity.h"

namespace gateway::runtime {
namespace {

constexpr std::uint8_t kHpkeKeyId = 1;

}  // namespace

Result<Identity> make_identity(attester::Attester& attester, const crypto::Sha384& config_digest, Time now) {
  GATEWAY_ASSIGN(crypto::PrivateKey identity_key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(crypto::PrivateKey tls_key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(crypto::HpkeKeyPair hpke, crypto::HpkeKeyPair::generate());

  const channel::RaTlsClaims claims = channel::make_ra_tls_claims(tls_key.public_key());
  GATEWAY_ASSIGN(const Bytes evidence, attester.attest(claims.report_data, std::nullopt));
  const Bytes extension = channel::encode_ra_tls_extension(evidence, claims.claims);
  GATEWAY_ASSIGN(channel::ServerIdentity tls, channel::make_server_identity(std::move(tls_key), now, extension));

  Bytes k = attestation::encode_keys({.platform = attester.platform(),
                                      .ik_spki = identity_key.public_key().spki(),
                                      .hpke_config = crypto::ohttp_key_config(kHpkeKeyId, hpke.public_key),
                                      .config_digest = config_digest,
                                      .manifest_digest = {}});
  const crypto::Sha384 k_digest = crypto::sha384(k);
  return Identity{.identity_key = std::move(identity_key),
                  .tls = std::move(tls),
                  .hpke = std::move(hpke),
                  .k = std::move(k),
                  .k_digest = k_digest};
}

}  // namespace gateway::runtime
