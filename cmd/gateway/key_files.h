// Keys and what they sign, in files: PEM in, mode 0600 out, nothing overwritten that could not be made again.
// Errors: kInvalidArgument key.file; kInvalidArgument file.exists; file.*
#pragma once

#include <string>

#include "crypto/keys.h"

namespace gateway::cli {

// An unencrypted private key of one of the ECDSA types that Gateway signs with.
Result<crypto::PrivateKey> read_private_key(const std::string& path);
// A public key, or the public half of a private one.
Result<crypto::PublicKey> read_public_key(const std::string& path);
// Refuses to replace a file: a key or token that is gone cannot be made again.
Status write_new_file(const std::string& path, ByteView content, unsigned mode);

}  // namespace gateway::cli
