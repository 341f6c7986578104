#include "attestation/formats/gateway_response.h"

#include "attestation/formats/testing.h"
#include "attestation/formats/verify_file.h"

namespace gateway::attestation::formats {
namespace {

using attestation::testing::DocumentFields;
using attestation::testing::fake_local;
using testing::kNow;

KeysStatement keys() {
  return {.platform = Platform::kLocal,
          .ik_spki = crypto::PrivateKey::generate(crypto::KeyType::kP256).value().public_key().spki(),
          .hpke_config = {},
          .config_digest = crypto::sha384(as_bytes("the deployment")),
          .manifest_digest = {}};
}

// As the endpoint answers, with evidence over `vouched`; the session's part has the size that it must have, no more.
Bytes answer(ByteView q, ByteView vouched) {
  return encode_response({.q = to_bytes(q),
                          .evidence = fake_local().document([&](DocumentFields& fields) {
                            fields.user_data = to_bytes(ByteView(report_data_of(vouched)));
                          }),
                          .s = Bytes(100, 1),
                          .signature = Bytes(64, 2),
                          .collateral = {fake_local().root().der()}});
}

Policy policy_for(const crypto::Sha384& config) {
  return testing::local_policy("config = \"sha384:" + to_hex(config) + "\"\n");
}

std::string verdict(const Bytes& file, const Policy& policy, std::optional<crypto::Sha384> config = {}) {
  VerifyInputs inputs{};
  inputs.at = kNow;
  inputs.config_digest = config;
  inputs.nitro = fake_local().as_local_root();
  const Verification verification = verify_file(file, &policy, inputs);
  if (verification.result) return "accepted";
  return verification.reason ? std::string(verification.reason->id()) : "nothing";
}

TEST(GatewayResponse, VouchesForItsConfiguration) {
  const KeysStatement statement = keys();
  const Bytes q = encode_quote(encode_keys(statement), {});
  EXPECT_EQ(verdict(answer(q, q), policy_for(statement.config_digest)), "accepted");
  EXPECT_EQ(verdict(answer(q, q), policy_for(crypto::sha384(as_bytes("another")))), "policy.config");
}

TEST(GatewayResponse, DoesNotOverruleTheConfigurationThatTheCallerKnows) {
  const KeysStatement statement = keys();
  const Bytes q = encode_quote(encode_keys(statement), {});
  const crypto::Sha384 other = crypto::sha384(as_bytes("another"));
  EXPECT_EQ(verdict(answer(q, q), policy_for(statement.config_digest), other), "policy.config");
}

TEST(GatewayResponse, IsRefusedWhenTheEvidenceVouchesForAnotherStatement) {
  const KeysStatement statement = keys();
  const Bytes q = encode_quote(encode_keys(statement), {});
  const Bytes other = encode_quote(encode_keys(keys()), {});
  EXPECT_EQ(verdict(answer(q, other), policy_for(statement.config_digest)), "carrier.binding");
}

TEST(GatewayResponse, RefusesWhatIsBroken) {
  const Policy any = policy_for({});
  const Bytes q = encode_quote(encode_keys(keys()), {});
  const Bytes good = answer(q, q);
  EXPECT_TRUE(looks_like_response(good));
  for (std::size_t size = 25; size < good.size(); size += 7) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(verdict(cut, any).starts_with("binding.")) << size << " " << verdict(cut, any);
  }
  EXPECT_EQ(verdict(answer(Bytes{0x80}, q), any), "binding.quote");
  EXPECT_EQ(verdict(answer(encode_quote(Bytes{0x80}, {}), q), any), "binding.keys");
}

}  // namespace
}  // namespace gateway::attestation::formats
