// PEM (RFC 7468): blocks of base64 between BEGIN and END lines. Text outside blocks is passed over, as people's files
// have it; inside a block only strict base64 and line ends are accepted. A BEGIN may follow an END on the same line.
//
// Errors: kMalformed pem.syntax; kLimitExceeded pem.count
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace gateway::codec {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Bytes bytes;
};

Result<std::vector<PemBlock>> parse_pem(std::string_view text, std::size_t max_blocks);
std::string write_pem(std::string_view label, ByteView bytes);  // lines of 64, a newline at the end

}  // namespace gateway::codec
