// JSON read in one pass by a caller who knows its shape: no values are built, nothing is copied. For documents that are
// signed, whose exact bytes matter: the cursor knows where it stands.
//
// Input:  untrusted. Stricter than RFC 8259: keys, and texts that are read, are printable ASCII without escapes;
//         numbers that are read are plain non-negative integers; no key twice in one object. What is passed over is
//         held to RFC 8259's grammar, with the same bounds.
// Output: views into the input.
// Bounds: Limits; one vector of keys is all that it allocates.
// Errors: kMalformed json.syntax, json.type, json.duplicate_key, json.number; kLimitExceeded json.size, json.depth,
//         json.members
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gateway::codec {

class JsonCursor {
 public:
  struct Limits {
    std::size_t bytes = 1024UZ * 1024;
    std::size_t depth = 12;
    std::size_t members = 64;  // of one object
  };
  static Result<JsonCursor> open(std::string_view text, const Limits& limits);

  // An object: object(), then key() and its value until key() gives nothing, which leaves the object.
  Status object();
  Result<std::optional<std::string_view>> key();
  // An array: array(), then an element after each true of element(); false leaves the array.
  Status array();
  Result<bool> element();

  Result<std::string_view> text();
  Result<std::uint64_t> number(std::uint64_t max);
  Status skip();          // one value of any kind
  Status finish() const;  // nothing but white space may follow

  std::size_t offset();                            // where the next token begins
  std::size_t end_of_last() const { return at_; }  // where the last token ended
  bool next_is(char c);

 private:
  struct Frame {
    bool first = true;
    bool object = false;
    std::size_t keys_from = 0;
  };
  JsonCursor(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  void white_space();
  bool take(char c);
  Status enter(char open, bool object);
  Result<bool> more(char close);
  std::optional<unsigned> unicode_escape() const;
  Status pass_escape();
  Status pass_text();
  Status pass_number();
  Status pass_word(std::string_view word);

  std::string_view text_;
  Limits limits_;
  std::size_t at_ = 0;
  std::vector<Frame> frames_;
  std::vector<std::string_view> keys_;  // of all open objects, outermost first
};

}  // namespace gateway::codec
