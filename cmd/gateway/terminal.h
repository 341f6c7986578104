// How every command speaks: JSON alone on standard output, words for people on standard error, one exit status.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace gateway::cli {

enum class Output : bool { kText, kJson };

// Exit statuses of docs/cli.md.
inline constexpr int kDone = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUndecided = 3;
inline constexpr int kFault = 4;

// One JSON object and a newline on standard output.
void print_json(const boost::json::value& value);
// A line on standard output (text mode results) or on standard error (messages).
void print_line(std::string_view line);
void say(std::string_view line);
// The error's id, detail and remedy on standard error; returns its exit status.
int report(const Error& error);

// Colour only on a terminal, and never when NO_COLOR is set.
bool colour_on_stderr();

}  // namespace gateway::cli
