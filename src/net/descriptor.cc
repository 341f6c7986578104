#include "net/descriptor.h"

#include <unistd.h>

namespace gateway::net {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    value_ = other.release();
  }
  return *this;
}

void Descriptor::reset() {
  if (value_ >= 0) ::close(value_);  // EINTR too closes on Linux: never again
  value_ = -1;
}

}  // namespace gateway::net
