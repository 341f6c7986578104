// Structured events of this process, one line each, to standard error: JSON, or text for people at a terminal.
//
// Fields are for names, numbers and ids of our own. No payload, no secret and no raw bytes of a peer go in.
// Safe to call from any thread. spdlog stands behind it and is included in log.cc alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/error.h"

namespace gateway::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class Format : std::uint8_t { kText, kJson };

struct Field {
  std::string_view key;
  std::string value;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view k, Number v) : key(k), value(std::to_string(v)) {}
};

// Called once in main, before threads start. Default: text, kInfo.
void set_up(Format format, Level least);
// Where lines go: 2 unless told otherwise (a shim writes to its log file).
void set_output(int file_descriptor);

// `event` is a dotted id like an error's: "shim.started".
void write(Level level, ErrorId event, std::initializer_list<Field> fields = {});
inline void info(ErrorId event, std::initializer_list<Field> fields = {}) { write(Level::kInfo, event, fields); }
inline void warning(ErrorId event, std::initializer_list<Field> fields = {}) { write(Level::kWarning, event, fields); }
inline void error(ErrorId event, std::initializer_list<Field> fields = {}) { write(Level::kError, event, fields); }
inline void error(const Error& what) { write(Level::kError, what.error_id(), {{"detail", what.detail()}}); }

}  // namespace gateway::log
