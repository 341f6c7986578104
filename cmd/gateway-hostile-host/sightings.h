// What the attacker got to see: every byte of plaintext, so that a test can look for a prompt in it.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>

#include "base/bytes.h"

namespace gateway::hostile {

class Sightings {
 public:
  explicit Sightings(const std::string& file);  // empty: lines on standard output alone
  ~Sightings();
  Sightings(const Sightings&) = delete;
  Sightings& operator=(const Sightings&) = delete;

  void plaintext(ByteView bytes);     // into the file
  void say(const std::string& line);  // on standard output, at once
  void request(std::string_view method, std::string_view target);

 private:
  std::mutex mutex_;
  std::FILE* file_ = nullptr;
};

}  // namespace gateway::hostile
