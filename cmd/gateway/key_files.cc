#include "key_files.h"

#include <unistd.h>

#include "host/files.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxKeyFile = 64UZ * 1024;

std::unexpected<Error> bad_key(const std::string& path, const char* what) {
  return fail(
      ErrorCode::kInvalidArgument, "key.file", path + " does not hold " + what + " in PEM",
      "make one: openssl ecparam -name prime256v1 -genkey -noout -out FILE   (its public half: openssl ec -pubout)");
}

}  // namespace

Result<crypto::PrivateKey> read_private_key(const std::string& path) {
  GATEWAY_ASSIGN(Bytes content, read_file(path, kMaxKeyFile));
  auto key = crypto::PrivateKey::from_pem(Secret::take(std::move(content)));
  if (!key) return bad_key(path, "an unencrypted P-256 or P-384 private key");
  return std::move(*key);
}

Result<crypto::PublicKey> read_public_key(const std::string& path) {
  GATEWAY_ASSIGN(Bytes content, read_file(path, kMaxKeyFile));
  if (auto key = crypto::PublicKey::from_pem(as_text(content))) return std::move(*key);
  auto key = crypto::PrivateKey::from_pem(Secret::take(std::move(content)));
  if (!key) return bad_key(path, "a P-256 or P-384 key");
  return key->public_key();
}

Status write_new_file(const std::string& path, ByteView content, unsigned mode) {
  if (::access(path.c_str(), F_OK) == 0) {
    return fail(ErrorCode::kInvalidArgument, "file.exists", path + " exists already",
                "choose another name, or remove it");
  }
  return host::write_file(path, content, mode);
}

}  // namespace gateway::cli
