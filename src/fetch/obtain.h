// Fetches all that is needed into a folder: what `gateway collateral fetch` does.
//
// Output: files named by what they are and the digest of their content, each complete or not there; and a line for each
//         thing that was needed, obtained or not.
// Errors: kUnavailable collateral.fetch.write; kInvalidArgument of the services' addresses. That a service has not
//         delivered is no error of obtain: its line says so.
#pragma once

#include <string>
#include <vector>

#include "fetch/fetcher.h"
#include "fetch/needs.h"

namespace gateway::fetch {

struct Obtained {
  Kind kind{};
  std::string url;
  std::vector<std::string> files;  // paths; empty when there is an error
  TimeWindow validity;
  bool cached = false;
  std::optional<Error>
      error;  // what came is stored but has expired (collateral.fetch.stale), or why nothing was stored
};

Result<std::vector<Obtained>> obtain(const Needs& needs, const Services& services, Fetcher& fetcher,
                                     const std::string& folder);
bool complete(const std::vector<Obtained>& all);

}  // namespace gateway::fetch
