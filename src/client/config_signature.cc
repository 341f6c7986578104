#include "client/config_signature.h"

#include "channel/deployment.h"
#include "codec/cbor.h"

namespace gateway::client {
namespace {

constexpr std::string_view kLabel = "gateway/config/v1";

Bytes statement(ByteView digest) {
  codec::CborWriter writer;
  writer.array(2).text(kLabel).bytes(digest);
  return std::move(writer).take();
}

std::unexpected<Error> malformed() {
  return fail(ErrorCode::kMalformed, "config.signature.file", "the file is not the signature of a configuration",
              "make it again with `gateway config sign`");
}

}  // namespace

Result<Bytes> sign_config(ByteView exact_bytes, const crypto::PrivateKey& access_key) {
  const crypto::Sha384 digest = channel::deployment_digest(exact_bytes);
  GATEWAY_ASSIGN(const Bytes signature,
                 access_key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, statement(digest)));
  codec::CborWriter file;
  file.array(3).text(kLabel).bytes(digest).bytes(signature);
  return std::move(file).take();
}

Status verify_config_signature(ByteView file, ByteView exact_bytes, const crypto::PublicKey& access_key) {
  auto reader = codec::CborReader::open(file, {.bytes = kMaxConfigSignature, .depth = 1, .items = 4},
                                        codec::CborProfile::kDeterministic);
  if (!reader || !reader->array_of(3)) return malformed();
  const auto label = reader->text();
  if (!label || *label != kLabel) return malformed();
  const auto digest = reader->bytes();
  const auto signature = digest ? reader->bytes() : digest;
  if (!digest || !signature || !reader->end()) return malformed();
  const crypto::Sha384 found = channel::deployment_digest(exact_bytes);
  const bool holds =
      equal(*digest, found) &&
      access_key.verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, statement(found), *signature);
  if (holds) return {};
  return fail(ErrorCode::kNotAuthentic, "config.signature",
              "the signature is not one of this configuration by the access key that it names",
              "get configuration and signature again from whoever deploys");
}

}  // namespace gateway::client
