// Reading what people name on the command line: bounded before it is read, whatever the name leads to.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/x509.h"

namespace gateway::cli {

// At most max_size + 1 bytes: a result longer than max_size says "too large" without having read it all.
// "-" is standard input. Errors: kNotFound file.not_found; kUnavailable file.unreadable.
Result<Bytes> read_file(const std::string& path, std::size_t max_size);

// The content of every regular file below the paths, folders read recursively; links below a folder are not followed,
// what is larger than any collateral is left out. Errors: kNotFound file.not_found; kLimitExceeded file.too_many.
Result<std::vector<Bytes>> read_collateral(const std::vector<std::string>& paths);

// PEM (one or more) or DER. Errors: kInvalidArgument verify.root.
Result<std::vector<crypto::Certificate>> read_certificates(const std::string& path);

}  // namespace gateway::cli
