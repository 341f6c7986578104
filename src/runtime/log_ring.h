// What the workload printed, newest last, inside the enclave only. Bounded; the oldest bytes go first.
// Read over the attested channel with a token that has the right `logs`.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace gateway::runtime {

inline constexpr std::size_t kLogRingBytes = 1024UZ * 1024;

class LogRing {
 public:
  explicit LogRing(std::size_t capacity = kLogRingBytes) : capacity_(capacity) {}
  void append(ByteView bytes);
  // Everything kept; after a loss it starts at a line.
  Bytes text() const;
  std::uint64_t total() const { return total_; }  // bytes ever appended

 private:
  std::size_t capacity_;
  Bytes bytes_;           // grows to capacity_, then wraps
  std::size_t next_ = 0;  // where the next byte goes once full
  std::uint64_t total_ = 0;
};

}  // namespace gateway::runtime
