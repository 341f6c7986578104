// An enclave and a driver that do what a test says, below the driver's seam: a status comes over a real socket.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "host/driver.h"

namespace gateway::host {

struct FakeShim {
  net::Descriptor ours;
  net::Descriptor theirs;
  std::atomic<bool> stop_asked{false};
  std::atomic<bool> killed{false};
  std::atomic<bool> immortal{false};  // neither asking nor killing ends it
  Bytes tokens;
  FakeShim() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0) {
      ours = net::Descriptor(ends[0]);
      theirs = net::Descriptor(ends[1]);
    }
  }
  void say(EnclaveState state, const std::string& listen = "127.0.0.1:7000") const {
    ShimStatus status;
    status.state = state;
    status.listen = listen;
    const std::string line = encode_status(status);
    EXPECT_GT(::send(theirs.get(), line.data(), line.size(), 0), 0);
  }
  void end() { theirs.reset(); }
};

class FakeInstance final : public Instance {
 public:
  explicit FakeInstance(std::shared_ptr<FakeShim> shim) : shim_(std::move(shim)) {}
  int watch_descriptor() const override { return shim_->ours.get(); }
  std::optional<ShimStatus> next_status() override {
    std::array<char, 20'000> line{};
    const ssize_t got = ::recv(shim_->ours.get(), line.data(), line.size(), 0);
    if (got <= 0) return std::nullopt;
    return *parse_status({line.data(), static_cast<std::size_t>(got)});
  }
  Result<ShimStatus> status() override { return ShimStatus(); }
  Status push_tokens(ByteView list) override {
    shim_->tokens = to_bytes(list);
    return {};
  }
  Status stop(std::chrono::milliseconds) override {
    shim_->stop_asked = true;
    if (!shim_->immortal) shim_->end();
    return {};
  }
  void kill() override {
    shim_->killed = true;
    if (!shim_->immortal) shim_->end();
  }

 private:
  std::shared_ptr<FakeShim> shim_;
};

class FakeDriver final : public Driver {
 public:
  Status check() override {
    if (!able) return fail(ErrorCode::kUnavailable, "host.platform_unavailable", "not here");
    return {};
  }
  Outcome<std::unique_ptr<Instance>> start(const std::string&, EnclaveSpec spec) override {
    last_spec = spec;
    if (refuse_start) {
      ++starts;
      return std::unexpected(Reported{ErrorCode::kUnavailable, "host.port_in_use", "taken", {}});
    }
    shim = std::make_shared<FakeShim>();
    if (on_start) on_start(*shim);
    ++starts;  // last: who waits for it looks at the rest
    return std::make_unique<FakeInstance>(shim);
  }
  Result<std::unique_ptr<Instance>> adopt(const std::string&) override {
    if (!living) return nullptr;
    return std::make_unique<FakeInstance>(shim = living);
  }
  std::optional<ShimStatus> last_status(const std::string&) override { return last; }
  void clean_up(const std::string&) override { ++cleaned; }
  unsigned enclaves_per_cpu() const override { return 1; }

  bool able = true;
  std::function<void(FakeShim&)> on_start;  // what the new enclave does at once
  std::atomic<int> starts{0};
  std::atomic<int> cleaned{0};
  std::atomic<bool> refuse_start{false};
  EnclaveSpec last_spec;
  std::shared_ptr<FakeShim> shim;
  std::shared_ptr<FakeShim> living;
  std::optional<ShimStatus> last;
};

}  // namespace gateway::host
