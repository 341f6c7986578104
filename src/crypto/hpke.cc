#include "crypto/hpke.h"

#include <openssl/core_names.h>

#include <algorithm>

#include "crypto/openssl.h"
#include "crypto/random.h"

namespace gateway::crypto {
namespace {

constexpr std::uint16_t kKemX25519 = 0x0020;
constexpr std::uint16_t kKdfHkdfSha256 = 0x0001;
constexpr std::size_t kHash = 32;
constexpr std::size_t kSharedSecret = 32;
constexpr std::string_view kVersion = "HPKE-v1";
constexpr HashAlgorithm kSha = HashAlgorithm::kSha256;

std::uint16_t aead_id(AeadAlgorithm aead) {
  switch (aead) {
    case AeadAlgorithm::kAes128Gcm: return 1;
    case AeadAlgorithm::kAes256Gcm: return 2;
    case AeadAlgorithm::kChaCha20Poly1305: return 3;
  }
  return 2;
}

Bytes kem_suite_id() {
  ByteWriter id;
  id.put("KEM");
  id.u16be(kKemX25519);
  return std::move(id).take();
}

Bytes hpke_suite_id(const HpkeSuite& suite) {
  ByteWriter id;
  id.put("HPKE");
  id.u16be(kKemX25519);
  id.u16be(kKdfHkdfSha256);
  id.u16be(aead_id(suite.aead));
  return std::move(id).take();
}

// §4: LabeledExtract and LabeledExpand.
Secret labeled_extract(ByteView suite_id, ByteView salt, std::string_view label, ByteView input_key) {
  Bytes labeled = to_bytes(kVersion);
  append(labeled, suite_id);
  append(labeled, as_bytes(label));
  append(labeled, input_key);
  Secret out = hkdf_extract(kSha, salt, labeled);
  wipe(labeled);
  return out;
}

Result<Secret> labeled_expand(ByteView suite_id, const Secret& prk, std::string_view label, ByteView info,
                              std::size_t size) {
  ByteWriter labeled;
  labeled.u16be(static_cast<std::uint16_t>(size));
  labeled.put(kVersion);
  labeled.put(suite_id);
  labeled.put(label);
  labeled.put(info);
  return hkdf_expand(kSha, prk, labeled.bytes(), size);
}

UniqueKey x25519_private(ByteView key) {
  return UniqueKey(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, key.data(), key.size()));
}
UniqueKey x25519_public(ByteView key) {
  return UniqueKey(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, key.data(), key.size()));
}

// DH of §4.1; an all-zero result (a point of small order) is refused by OpenSSL, as RFC 9180 §7.1.4 demands.
Result<Secret> diffie_hellman(const UniqueKey& own, const UniqueKey& peer, ErrorId id) {
  const ErrorScope scope;
  Secret out(kSharedSecret);
  std::size_t size = out.size();
  const UniqueKeyContext context(own == nullptr ? nullptr : EVP_PKEY_CTX_new(own.get(), nullptr));
  if (context == nullptr || peer == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), out.reveal_mutable().data(), &size) != 1 || size != kSharedSecret) {
    return fail(ErrorCode::kMalformed, id, "not a usable X25519 public key");
  }
  return out;
}

Result<Secret> extract_and_expand(const Secret& dh, ByteView enc, ByteView recipient) {
  Bytes context = to_bytes(enc);
  append(context, recipient);
  const Bytes suite = kem_suite_id();
  const Secret prk = labeled_extract(suite, {}, "eae_prk", dh.reveal());
  return labeled_expand(suite, prk, "shared_secret", context, kSharedSecret);
}

ByteArray<32> public_of(const UniqueKey& key) {
  ByteArray<32> out{};
  std::size_t size = out.size();
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 || size != out.size()) {
    broken("make an X25519 key");
  }
  return out;
}

}  // namespace

// §5.1: KeySchedule in base mode.
struct HpkeSetup {
  static Result<HpkeContext> schedule(const HpkeSuite& suite, const Secret& shared_secret, ByteView info) {
    const Bytes id = hpke_suite_id(suite);
    Bytes key_schedule_context = {0};  // mode_base
    append(key_schedule_context, labeled_extract(id, {}, "psk_id_hash", {}).reveal());
    append(key_schedule_context, labeled_extract(id, {}, "info_hash", info).reveal());
    const Secret secret = labeled_extract(id, shared_secret.reveal(), "secret", {});
    HpkeContext context;
    context.suite_ = suite;
    GATEWAY_ASSIGN(context.key_, labeled_expand(id, secret, "key", key_schedule_context, aead_key_size(suite.aead)));
    GATEWAY_ASSIGN(const Secret nonce, labeled_expand(id, secret, "base_nonce", key_schedule_context, kAeadNonceSize));
    std::ranges::copy(nonce.reveal(), context.base_nonce_.begin());
    GATEWAY_ASSIGN(context.exporter_secret_, labeled_expand(id, secret, "exp", key_schedule_context, kHash));
    return context;
  }

  static Result<HpkeSender> sender(const HpkeSuite& suite, ByteView recipient, ByteView info,
                                   const HpkeKeyPair& ephemeral) {
    if (recipient.size() != kHpkePublicKeySize) {
      return fail(ErrorCode::kMalformed, "hpke.public_key", "an X25519 public key has 32 bytes");
    }
    GATEWAY_ASSIGN(const Secret dh, diffie_hellman(x25519_private(ephemeral.private_key.reveal()),
                                                   x25519_public(recipient), "hpke.public_key"));
    GATEWAY_ASSIGN(const Secret shared, extract_and_expand(dh, ephemeral.public_key, recipient));
    GATEWAY_ASSIGN(HpkeContext context, schedule(suite, shared, info));
    return HpkeSender{to_bytes(ByteView(ephemeral.public_key)), std::move(context)};
  }

  static ByteArray<12> nonce(const HpkeContext& context) {
    ByteArray<12> out = context.base_nonce_;
    for (std::size_t i = 0; i < 8; ++i) out[11 - i] ^= static_cast<std::uint8_t>(context.sequence_ >> (8 * i));
    return out;
  }
};

Result<HpkeKeyPair> HpkeKeyPair::generate() { return derive(random_secret(32)); }

Result<HpkeKeyPair> HpkeKeyPair::derive(const Secret& ikm) {
  const Bytes suite = kem_suite_id();
  const Secret prk = labeled_extract(suite, {}, "dkp_prk", ikm.reveal());
  HpkeKeyPair pair;
  GATEWAY_ASSIGN(pair.private_key, labeled_expand(suite, prk, "sk", {}, 32));
  pair.public_key = public_of(x25519_private(pair.private_key.reveal()));
  return pair;
}

Result<HpkeSender> hpke_setup_sender(const HpkeSuite& suite, ByteView recipient_public_key, ByteView info) {
  GATEWAY_ASSIGN(const HpkeKeyPair ephemeral, HpkeKeyPair::generate());
  return HpkeSetup::sender(suite, recipient_public_key, info, ephemeral);
}

Result<HpkeContext> hpke_setup_recipient(const HpkeSuite& suite, const HpkeKeyPair& key, ByteView enc, ByteView info) {
  if (enc.size() != kHpkePublicKeySize) {
    return fail(ErrorCode::kMalformed, "hpke.enc", "an encapsulated X25519 key has 32 bytes");
  }
  GATEWAY_ASSIGN(const Secret dh,
                 diffie_hellman(x25519_private(key.private_key.reveal()), x25519_public(enc), "hpke.enc"));
  GATEWAY_ASSIGN(const Secret shared, extract_and_expand(dh, enc, key.public_key));
  return HpkeSetup::schedule(suite, shared, info);
}

Result<Bytes> HpkeContext::seal(ByteView aad, ByteView plaintext) {
  if (sequence_ == UINT64_MAX) return fail(ErrorCode::kLimitExceeded, "hpke.sequence", "the context is used up");
  GATEWAY_ASSIGN(Bytes out, aead_seal(suite_.aead, key_, HpkeSetup::nonce(*this), aad, plaintext));
  ++sequence_;
  return out;
}

Result<Bytes> HpkeContext::open(ByteView aad, ByteView ciphertext) {
  if (sequence_ == UINT64_MAX) return fail(ErrorCode::kLimitExceeded, "hpke.sequence", "the context is used up");
  auto out = aead_open(suite_.aead, key_, HpkeSetup::nonce(*this), aad, ciphertext);
  if (!out) return fail(ErrorCode::kNotAuthentic, "hpke.open", "the message is not what was sealed to this key");
  ++sequence_;
  return *std::move(out);
}

Result<Secret> HpkeContext::export_secret(ByteView exporter_context, std::size_t size) const {
  return labeled_expand(hpke_suite_id(suite_), exporter_secret_, "sec", exporter_context, size);
}

Bytes ohttp_key_config(std::uint8_t key_id, ByteView public_key) {
  ByteWriter config;
  config.u8(key_id);
  config.u16be(kKemX25519);
  config.put(public_key);
  config.u16be(8);  // bytes of symmetric algorithms
  for (const AeadAlgorithm aead : {AeadAlgorithm::kAes256Gcm, AeadAlgorithm::kChaCha20Poly1305}) {
    config.u16be(kKdfHkdfSha256);
    config.u16be(aead_id(aead));
  }
  return std::move(config).take();
}

}  // namespace gateway::crypto
