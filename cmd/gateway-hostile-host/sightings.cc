#include "sightings.h"

namespace gateway::hostile {

Sightings::Sightings(const std::string& file) {
  if (!file.empty()) file_ = std::fopen(file.c_str(), "ab");
}

Sightings::~Sightings() {
  if (file_ != nullptr) std::fclose(file_);
}

void Sightings::plaintext(ByteView bytes) {
  const std::lock_guard lock(mutex_);
  if (file_ == nullptr) return;
  std::fwrite(bytes.data(), 1, bytes.size(), file_);
  std::fflush(file_);
}

void Sightings::say(const std::string& line) {
  const std::lock_guard lock(mutex_);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void Sightings::request(std::string_view method, std::string_view target) {
  std::string line = "saw " + std::string(method) + " " + std::string(target);
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  say(line);
}

}  // namespace gateway::hostile
