// The cursor accepts no text that the other reader of JSON refuses, numbers beyond its range apart.
#include <boost/json.hpp>
#include <cstdlib>

#include "codec/json.h"
#include "codec/json_cursor.h"

namespace {

// The other reader refuses exponents that leave the range of a double as bad syntax.
bool has_exponent(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != 'e' && text[i] != 'E') continue;
    const bool sign = text[i + 1] == '+' || text[i + 1] == '-';
    const std::size_t digit = i + (sign ? 2 : 1);
    if (digit < text.size() && text[digit] >= '0' && text[digit] <= '9') return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway::codec;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  auto cursor = JsonCursor::open(text, {});
  if (!cursor) return 0;
  const std::size_t from = cursor->offset();
  if (!cursor->skip()) return 0;
  if (cursor->end_of_last() <= from || cursor->end_of_last() > size) std::abort();
  if (!cursor->finish() || has_exponent(text)) return 0;
  const auto value = parse_json(text, {});
  if (!value && value.error().id() != "json.number" && value.error().id() != "json.values") std::abort();
  return 0;
}
