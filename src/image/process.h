// Programs of the system that the builder asks for work: apt-get, apt-cache, dpkg-deb. No shell in between.
//
// Input:  argument vectors of our own; what the programs print is checked by whoever asked.
// Bounds: captured output is limited; standard error passes through to the person who builds, or is captured.
// Errors: kNotFound image.process.missing; kUnavailable image.process.failed; kLimitExceeded image.process.output
#pragma once

#include <string>
#include <vector>

#include "image/stream.h"

namespace gateway::image {

// Runs to the end and returns its standard output. A non-zero exit is an error that names the program and carries the
// last lines of its standard error when that is not passed on.
Result<std::string> run_program(const std::vector<std::string>& arguments, const std::string& folder = {});

// A program whose standard output is read as a stream.
class ProgramSource final : public ByteSource {
 public:
  static Result<std::unique_ptr<ProgramSource>> start(const std::vector<std::string>& arguments);
  ProgramSource(const ProgramSource&) = delete;
  ProgramSource& operator=(const ProgramSource&) = delete;
  ~ProgramSource() override;  // ends the program if it still runs
  Result<std::size_t> read(std::span<std::uint8_t> out) override;
  // After the end of the stream: whether the program was content.
  Status finish();

 private:
  ProgramSource(int child, Descriptor output, std::string name)
      : child_(child), output_(std::move(output)), name_(std::move(name)) {}
  int child_;
  Descriptor output_;
  std::string name_;
};

}  // namespace gateway::image
