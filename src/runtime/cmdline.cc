#include "runtime/cmdline.h"

#include <algorithm>
#include <string>

namespace gateway::runtime {
namespace {

constexpr std::size_t kMaxAdditions = 8;

// Moves over characters of `alphabet`; false when there is none.
bool skip_all(std::string_view& text, std::string_view alphabet) {
  const std::size_t end = std::min(text.size(), text.find_first_not_of(alphabet));
  text.remove_prefix(end);
  return end > 0;
}
bool skip(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// Documentation/admin-guide/kernel-parameters.txt: virtio_mmio.device=<size>[KMG]@<baseaddr>:<irq>[:<id>]
bool is_virtio_device(std::string_view word) {
  constexpr std::string_view kDigits = "0123456789";
  if (!skip(word, "virtio_mmio.device=") || !skip_all(word, kDigits)) return false;
  if (!word.empty() && std::string_view("KMG").find(word.front()) != std::string_view::npos) word.remove_prefix(1);
  if (!skip(word, "@0x") || !skip_all(word, "0123456789abcdef") || !skip(word, ":")) return false;
  if (!skip_all(word, kDigits)) return false;
  return word.empty() || (skip(word, ":") && skip_all(word, kDigits) && word.empty());
}

bool only_devices(std::string_view rest) {
  std::size_t words = 0;
  while (skip(rest, " ")) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    if (!word.empty() && (!is_virtio_device(word) || ++words > kMaxAdditions)) return false;
  }
  return rest.empty();
}

}  // namespace

Status check_cmdline(std::string_view measured, std::string_view actual, attestation::Platform platform) {
  if (actual.ends_with('\n')) actual.remove_suffix(1);  // the kernel's own line end
  const bool same = actual == measured;
  const bool added = platform == attestation::Platform::kNitro && actual.starts_with(measured) &&
                     only_devices(actual.substr(measured.size()));
  if (same || added) return {};
  return fail(ErrorCode::kPolicyRejected, "runtime.cmdline_mismatch",
              "the kernel was started with another command line than the measured one (" +
                  std::to_string(actual.size()) + " bytes, expected " + std::to_string(measured.size()) + ")",
              "start the image as it was built; if it was, the host changed it");
}

}  // namespace gateway::runtime
