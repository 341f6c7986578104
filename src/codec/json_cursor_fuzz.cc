// The cursor accepts no text that the other reader of JSON refuses, numbers beyond its range apart.
#include <boost/json.hpp>
#include <cstdlib>

#include "codec/json.h"
#include "codec/json_cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway::codec;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  auto cursor = JsonCursor::open(text, {});
  if (!cursor) return 0;
  const std::size_t from = cursor->offset();
  if (!cursor->skip()) return 0;
  if (cursor->end_of_last() <= from || cursor->end_of_last() > size) std::abort();
  if (!cursor->finish()) return 0;
  const auto value = parse_json(text, {});
  if (!value && value.error().id() != "json.number" && value.error().id() != "json.values") std::abort();
  return 0;
}
