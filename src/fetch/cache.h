// Answers on disk, until they expire: one small index file a URL, the content beside it under its own digest.
//
// Input:  the folder's files, untrusted: content is held against its digest here, and against what was asked for by
//         whoever takes it.
// Bounds: kMaxIndex bytes an index, kMaxContent a content.
// Errors: kUnavailable collateral.fetch.write; what cannot be read is as if it were not there
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "fetch/content.h"

namespace gateway::fetch {

class Cache {
 public:
  explicit Cache(std::string folder) : folder_(std::move(folder)) {}
  std::optional<Answer> find(const Url& url, Time now) const;
  Status insert(const Url& url, const Answer& answer, Time expires) const;

 private:
  std::string folder_;
};

// Written beside its target and renamed: nobody sees half a file. Errors: kUnavailable collateral.fetch.write.
Status write_atomically(const std::string& path, ByteView bytes);

}  // namespace gateway::fetch
