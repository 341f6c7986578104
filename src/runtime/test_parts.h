// For tests: a description that passes every check, and an attester whose device is the virtual NSM in this process.
#pragma once

#include <sys/resource.h>

#include <functional>
#include <memory>
#include <utility>

#include "attester/nsm.h"
#include "attester/virtual_nsm.h"
#include "image/description.h"

namespace gateway::runtime {

inline image::Description test_description() {
  image::Description description;
  description.name = "test";
  description.app_version = "1";
  description.workload.argv = {"/bin/test_workload", "serve", "/run/gateway/app.sock"};
  description.workload.readiness = image::Readiness{.path = "/healthz"};
  description.workload.stop_grace = std::chrono::milliseconds(500);
  description.ingress.socket = "/run/gateway/app.sock";
  description.ingress.paths = {"/v1/*", "/stream", "/echo"};
  description.resources.memory = 256ULL * 1024 * 1024;
  return description;
}

// The device's side, with a hook that may change an answer: fakes go below the check, never beside it.
class TestNsm {
 public:
  using Change = std::function<Bytes(ByteView request, Bytes answer)>;
  explicit TestNsm(Change change = {}) : change_(std::move(change)) {
    std::array<ByteArray<48>, 3> pcrs{};
    pcrs[0].fill(0xa0);
    nsm_ = std::make_unique<attester::VirtualNsm>(root_, "i-test-enc0", pcrs, clock_);
  }
  std::unique_ptr<attester::NsmDevice> device() { return std::make_unique<Device>(*this); }
  attester::VirtualNsm& nsm() { return *nsm_; }

 private:
  class Device final : public attester::NsmDevice {
   public:
    explicit Device(TestNsm& owner) : owner_(owner) {}
    Result<Bytes> transact(ByteView request) override {
      Bytes answer = owner_.nsm_->answer(request);
      return owner_.change_ ? owner_.change_(request, std::move(answer)) : std::move(answer);
    }

   private:
    TestNsm& owner_;
  };
  SystemClock clock_;
  attester::LocalRoot root_ = *attester::LocalRoot::create(SystemClock().now());
  std::unique_ptr<attester::VirtualNsm> nsm_;
  Change change_;
};

// While it lives, this process can open no further descriptor.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace gateway::runtime
