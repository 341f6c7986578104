// Whether what a service sent is what it was asked for. Nothing else is ever stored.
//
// Input:  an HTTP answer, untrusted; or what the cache holds, which is untrusted too.
// Output: the parts worth keeping, each in its usual form, and until when they say that they hold. Not authentic: that
// is
//         for verification to judge.
// Bounds: those of attestation/collateral.
// Errors: kMalformed collateral.fetch.content, collateral.fetch.content_type, collateral.fetch.issuer_chain
#pragma once

#include <string>
#include <vector>

#include "fetch/wants.h"

namespace gateway::fetch {

struct Answer {  // what the cache keeps of an HTTP answer
  std::string content_type;
  Bytes body;
  std::string issuer_chain;  // the header as received: PEM, percent-encoded
};

struct Part {
  std::string name;    // of the file, without digest
  std::string ending;  // "der", "pem", "json"
  Bytes bytes;
};

struct Content {
  std::vector<Part> parts;  // what was asked for first, then the chain of its issuers
  TimeWindow validity;      // of what was asked for
};

Result<Content> recognise(const Want& want, const Answer& answer);

}  // namespace gateway::fetch
