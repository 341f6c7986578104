// TOML: parsing, every typed read over every table that the names below reach, and the refusal of unknown keys.
#include <array>
#include <cstdlib>

#include "base/bytes.h"
#include "codec/toml.h"

namespace {

using namespace gateway;

constexpr std::array<std::string_view, 4> kNames = {"a", "name", "list", "table"};

void read(codec::TomlTable& table, int depth) {
  for (const std::string_view key : kNames) {
    const bool text = table.text(key).has_value();
    const bool integer = table.integer(key).has_value();
    if ((text || integer) && !table.has(key)) std::abort();
    if (text && integer) std::abort();
    (void)table.optional_boolean(key);
    (void)table.optional_duration(key);
    (void)table.optional_texts(key);
    if (depth == 0) continue;
    if (auto inner = table.table(key)) read(*inner, depth - 1);
    if (auto inner = table.tables(key)) {
      for (codec::TomlTable& each : *inner) read(each, depth - 1);
    }
  }
  if (const auto finished = table.finish(); !finished && finished.error().id() != "toml.unknown_key") std::abort();
  const bool texts = table.all_texts().has_value();
  const bool integers = table.all_integers().has_value();
  if ((texts || integers) && !table.finish()) std::abort();  // everything was asked for
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto table = codec::TomlTable::parse(as_text({bytes, size}), "fuzz.toml", {.bytes = 4096, .depth = 6});
  if (table) read(*table, 3);
  return 0;
}
