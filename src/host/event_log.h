// What happened to one enclave, as JSON lines in its folder: the shim's own events and those that the runtime sends.
//
// Line:   {"seq":N,"time":RFC 3339,"source":"host"|"enclave","event":{…}}; seq goes on across restarts of the enclave.
// Input:  the enclave's events are untrusted: one JSON object of at most kMaxEvent bytes each, or they are dropped.
// Bounds: two files of kMaxEventsFile bytes; the older one goes first.
// Errors: kInternal host.events.open; kMalformed host.events.line
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/descriptor.h"

namespace gateway::host {

inline constexpr std::size_t kMaxEvent = 16UZ * 1024;
inline constexpr std::size_t kMaxEventsFile = 1024UZ * 1024;

class EventLog {
 public:
  static Result<EventLog> open(const std::string& folder, const Clock& clock);
  void host(const boost::json::object& event);
  Status enclave(std::string_view json);
  // Why an enclave may not become ready, as far as the host is told: "its workload ended 3 times, the last time with
  // exit status 1"; empty when it has not ended.
  std::string ends_of_workload() const;
  bool shows_output() const { return !last_output_.empty(); }  // the image lets the host see what the workload prints
  // The files are reached through the open folder from here on, whatever rights are given up.
 private:
  EventLog(net::Descriptor folder, const Clock& clock) : folder_(std::move(folder)), clock_(&clock) {}
  void write(std::string_view source, const boost::json::object& event);
  void note(const boost::json::object& event);
  Status open_file();
  net::Descriptor folder_;
  net::Descriptor file_;
  const Clock* clock_;
  std::size_t ends_ = 0;
  std::string last_end_;
  std::string last_output_;  // only of an image that shows it to the host
  std::uint64_t seq_ = 0;
  std::size_t size_ = 0;
};

// Whole lines with seq > after, oldest first, at most limit. Lines that are not events are left out.
std::vector<std::string> read_events(const std::string& folder, std::uint64_t after, std::size_t limit);

}  // namespace gateway::host
