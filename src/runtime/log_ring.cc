#include "runtime/log_ring.h"

#include <algorithm>

namespace gateway::runtime {

void LogRing::append(ByteView bytes) {
  total_ += bytes.size();
  if (bytes.size() > capacity_) bytes = bytes.last(capacity_);
  const std::size_t growth = std::min(bytes.size(), capacity_ - bytes_.size());
  gateway::append(bytes_, bytes.first(growth));
  for (ByteView left = bytes.subspan(growth); !left.empty();) {
    const ByteView run = left.first(std::min(left.size(), capacity_ - next_));
    std::ranges::copy(run, bytes_.begin() + static_cast<std::ptrdiff_t>(next_));
    next_ = (next_ + run.size()) % capacity_;
    left = left.subspan(run.size());
  }
}

Bytes LogRing::text() const {
  Bytes out;
  out.reserve(bytes_.size());
  const auto oldest = bytes_.begin() + static_cast<std::ptrdiff_t>(next_);
  out.insert(out.end(), oldest, bytes_.end());
  out.insert(out.end(), bytes_.begin(), oldest);
  if (total_ > bytes_.size()) {
    const auto line_end = std::ranges::find(out, static_cast<std::uint8_t>('\n'));
    if (line_end != out.end()) out.erase(out.begin(), line_end + 1);
  }
  return out;
}

}  // namespace gateway::runtime
