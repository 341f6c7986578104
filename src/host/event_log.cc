#include "host/event_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "host/enclave_spec.h"
#include "host/files.h"
#include "host/json_fields.h"
#include "host/reported.h"

namespace gateway::host {
namespace {

constexpr std::string_view kStart = "{\"seq\":";
constexpr std::size_t kMaxLine = 2 * kMaxEvent;
constexpr std::size_t kMaxNoted = 256;

// 0 when the line is none of ours.
std::uint64_t sequence_of(std::string_view line) {
  if (!line.starts_with(kStart) || line.back() != '}' || line.size() > kMaxLine) return 0;
  std::uint64_t seq = 0;
  std::from_chars(line.data() + kStart.size(), line.data() + line.size(), seq);
  return seq;
}

template <class Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return;  // still being written
    if (end > 0) each(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<EventLog> EventLog::open(const std::string& folder, const Clock& clock) {
  net::Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) return fail(ErrorCode::kInternal, "host.events.open", std::strerror(errno));
  EventLog log(std::move(opened), clock);
  for (const auto* name : {kOlderEventsFile, kEventsFile}) {
    const auto text = read_file(folder + "/" + name, 2 * kMaxEventsFile);
    if (!text) continue;
    each_line(as_text(*text), [&](std::string_view line) { log.seq_ = std::max(log.seq_, sequence_of(line)); });
  }
  GATEWAY_TRY(log.open_file());
  return log;
}

Status EventLog::open_file() {
  file_ = net::Descriptor(
      ::openat(folder_.get(), kEventsFile, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  if (!file_.valid() || ::fstat(file_.get(), &status) != 0) {
    return fail(ErrorCode::kInternal, "host.events.open", std::string("the event log: ") + std::strerror(errno));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  return {};
}

void EventLog::host(const boost::json::object& event) { write("host", event); }

Status EventLog::enclave(std::string_view json) {
  const auto event = codec::parse_json(json, {.bytes = kMaxEvent, .depth = 4, .values = 256});
  if (!event || !event->is_object()) {
    return fail(ErrorCode::kMalformed, "host.events.line", "the enclave sent an event that is not one JSON object");
  }
  write("enclave", event->as_object());
  note(event->as_object());
  return {};
}

void EventLog::note(const boost::json::object& event) {
  const auto text = [&](const char* key) -> std::string {
    const auto* value = event.if_contains(key);
    if (value == nullptr || !value->is_string()) return {};
    return printable(std::string_view(value->as_string()).substr(0, kMaxNoted));
  };
  const std::string name = text("event");
  if (name == "workload.output") last_output_ = text("line");
  if (name != "workload.exited") return;
  ++ends_;
  last_end_ = text("how");
}

std::string EventLog::ends_of_workload() const {
  if (ends_ == 0) return {};
  std::string words = "its workload ended ";
  words += ends_ == 1 ? "with " : std::to_string(ends_) + " times, the last time with ";
  words += last_end_;
  if (!last_output_.empty()) words += ", and had printed: " + last_output_;
  return words;
}

void EventLog::write(std::string_view source, const boost::json::object& event) {
  std::string line(kStart);
  line.append(std::to_string(++seq_)).append(",\"time\":\"").append(to_rfc3339(clock_->now()));
  line.append("\",\"source\":\"").append(source).append("\",\"event\":").append(codec::write_json(event)).append("}\n");
  if (size_ + line.size() > kMaxEventsFile) {
    ::renameat(folder_.get(), kEventsFile, folder_.get(), kOlderEventsFile);
    // Without a new file the old one grows on: better than losing events.
    (void)open_file();
  }
  // A log that cannot be written must not stop the enclave.
  const ssize_t written = ::write(file_.get(), line.data(), line.size());
  if (written > 0) size_ += static_cast<std::size_t>(written);
}

std::vector<std::string> read_events(const std::string& folder, std::uint64_t after, std::size_t limit) {
  std::vector<std::string> events;
  for (const auto* name : {kOlderEventsFile, kEventsFile}) {
    const auto text = read_file(folder + "/" + name, 2 * kMaxEventsFile);
    if (!text) continue;
    each_line(as_text(*text), [&](std::string_view line) {
      if (events.size() < limit && sequence_of(line) > after) events.emplace_back(line);
    });
  }
  return events;
}

}  // namespace gateway::host
