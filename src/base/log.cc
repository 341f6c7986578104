#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>

namespace gateway::log {
namespace {

// Writes whole lines with one write(2), so that lines of several processes on one descriptor do not mix.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void use(int file_descriptor) {
    const std::lock_guard lock(mutex_);
    file_descriptor_ = file_descriptor;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    // A log that cannot be written must not stop the enclave; there is nobody to tell.
    [[maybe_unused]] const ssize_t written = ::write(file_descriptor_, line.data(), line.size());
  }
  void flush_() override {}

 private:
  int file_descriptor_ = 2;
};

struct Output {
  std::shared_ptr<DescriptorSink> sink = std::make_shared<DescriptorSink>();
  spdlog::logger logger{"gateway", sink};
  Format format = Format::kText;
  Output() { logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc); }
};

Output& output() {
  static Output the_output;
  return the_output;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

void append_json(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      out.append("\\u00");
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

void set_up(Format format, Level least) {
  output().format = format;
  output().logger.set_level(to_spdlog(least));
  output().logger.set_pattern(
      format == Format::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
      spdlog::pattern_time_type::utc);
}

void set_output(int file_descriptor) { output().sink->use(file_descriptor); }

void write(Level level, ErrorId event, std::initializer_list<Field> fields) {
  std::string line;
  if (output().format == Format::kJson) {
    line.append("\"event\":");
    append_json(line, event.view());
    for (const Field& field : fields) {
      line.push_back(',');
      append_json(line, field.key);
      line.push_back(':');
      append_json(line, field.value);
    }
  } else {
    line.append(event.view());
    for (const Field& field : fields) {
      line.append(" ").append(field.key).append("=");
      append_json(line, field.value);
    }
  }
  output().logger.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace gateway::log
