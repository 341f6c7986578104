#include "relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "net/address.h"

namespace gateway::hostile {
namespace {

constexpr std::size_t kRecordHeader = 5;  // RFC 8446 §5.1: type, version, length

// Follows TLS records as they pass, to know where one ends.
class RecordCounter {
 public:
  // How many of these bytes may pass so that the stream ends at the cut; all of them while it is not reached.
  std::size_t allowed(ByteView bytes, const Cut& cut, bool& reached) {
    if (cut.at == CutAt::kByte) {
      const auto left = static_cast<std::size_t>(std::min<std::uint64_t>(cut.after - passed_, bytes.size()));
      passed_ += left;
      reached = passed_ == cut.after;
      return left;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (passed_ >= cut.after && in_record_ == 0) {
        reached = true;
        return i;
      }
      step(bytes[i]);
    }
    reached = passed_ >= cut.after && in_record_ == 0;
    return bytes.size();
  }

 private:
  void step(std::uint8_t byte) {
    ++passed_;
    if (in_record_ < kRecordHeader) header_.at(in_record_) = byte;
    ++in_record_;
    if (in_record_ < kRecordHeader) return;
    const std::size_t length = (std::size_t{header_[3]} << 8U) | header_[4];
    if (in_record_ == kRecordHeader + length) in_record_ = 0;
  }
  std::uint64_t passed_ = 0;
  std::size_t in_record_ = 0;
  std::array<std::uint8_t, kRecordHeader> header_{};
};

}  // namespace

bool relay(net::Descriptor client, net::Descriptor upstream, const std::optional<Cut>& cut) {
  RecordCounter records;
  std::array<std::uint8_t, 65'536> buffer{};
  while (true) {
    const auto ready = wait_for_either(client.get(), upstream.get());
    if (!ready.first && !ready.second) return false;
    if (ready.first) {
      const ssize_t count = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0 || !send_all(upstream.get(), buffer.data(), static_cast<std::size_t>(count))) return false;
    }
    if (!ready.second) continue;
    const ssize_t count = ::recv(upstream.get(), buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    auto size = static_cast<std::size_t>(count);
    bool reached = false;
    if (cut) size = records.allowed(ByteView(buffer).first(size), *cut, reached);
    if (!send_all(client.get(), buffer.data(), size)) return false;
    if (!reached) continue;
    if (cut->with == CutWith::kRst) net::set_abort_on_close(client.get());
    if (cut->with == CutWith::kFin) ::shutdown(client.get(), SHUT_WR);
    return true;
  }
}

}  // namespace gateway::hostile
