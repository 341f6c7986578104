// A file descriptor with one owner.
#pragma once

#include <utility>

namespace gateway::net {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int owned) : value_(owned) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }
  int release() { return std::exchange(value_, -1); }
  void reset();

 private:
  int value_ = -1;
};

}  // namespace gateway::net
