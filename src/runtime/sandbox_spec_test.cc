#include "runtime/sandbox_spec.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <map>

namespace gateway::runtime {
namespace {

SandboxSpec sample() {
  return {.rootfs = "/rootfs",
          .argv = {"/bin/a", "", "\xff"},
          .env = {{"A", "1=2"}, {"B", ""}},
          .cwd = "/srv",
          .uid = 7,
          .gid = 8,
          .scratch_bytes = 1ULL << 40,
          .transparent = true,
          .kms = true};
}

TEST(SandboxSpec, RoundTripKeepsEveryField) {
  const auto parsed = parse_sandbox_spec(encode_sandbox_spec(sample()));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->rootfs, "/rootfs");
  EXPECT_EQ(parsed->argv, sample().argv);
  EXPECT_EQ(parsed->env, sample().env);
  EXPECT_EQ(parsed->cwd, "/srv");
  EXPECT_EQ(parsed->uid, 7U);
  EXPECT_EQ(parsed->gid, 8U);
  EXPECT_EQ(parsed->scratch_bytes, 1ULL << 40);
  EXPECT_TRUE(parsed->transparent && parsed->kms);
  EXPECT_FALSE(parsed->egress || parsed->tun);
}

TEST(SandboxSpec, RefusesEveryTruncation) {
  const Bytes whole = encode_sandbox_spec(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(parse_sandbox_spec(ByteView(whole).first(size)).error().id(), "workload.spec") << size;
  }
}

TEST(SandboxSpec, RefusesASpecificationWithoutAProgram) {
  SandboxSpec empty = sample();
  empty.argv.clear();
  EXPECT_EQ(parse_sandbox_spec(encode_sandbox_spec(empty)).error().id(), "workload.spec");
}

TEST(SandboxReport, RoundTripKeepsEveryField) {
  const auto parsed = parse_report(encode_report({SandboxMessage::kFailed, 0x01020304, 0xfffffffe}));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->message, SandboxMessage::kFailed);
  EXPECT_EQ(parsed->first, 0x01020304U);
  EXPECT_EQ(parsed->second, 0xfffffffeU);
}

TEST(SandboxReport, RefusesOtherSizesAndMessages) {
  Bytes report = to_bytes(ByteView(encode_report({SandboxMessage::kStarted, 0, 0})));
  report.push_back(0);
  EXPECT_EQ(parse_report(report).error().id(), "workload.report");
  EXPECT_EQ(parse_report(ByteView(report).first(4)).error().id(), "workload.report");
  report.pop_back();
  report[0] = 0;
  EXPECT_EQ(parse_report(report).error().id(), "workload.report");
  report[0] = 10;
  EXPECT_EQ(parse_report(report).error().id(), "workload.report");
}

TEST(SandboxStep, EveryStepHasAnIdOfItsOwn) {
  const std::map<SandboxStep, std::string_view> ids{{SandboxStep::kIdentity, "workload.identity"},
                                                    {SandboxStep::kMounts, "workload.mounts"},
                                                    {SandboxStep::kRoot, "workload.root"},
                                                    {SandboxStep::kProc, "workload.proc"},
                                                    {SandboxStep::kDevices, "workload.devices"},
                                                    {SandboxStep::kScratch, "workload.scratch"},
                                                    {SandboxStep::kShared, "workload.shared"},
                                                    {SandboxStep::kPivot, "workload.pivot"},
                                                    {SandboxStep::kHostname, "workload.hostname"},
                                                    {SandboxStep::kLoopback, "workload.loopback"},
                                                    {SandboxStep::kLimits, "workload.limits"},
                                                    {SandboxStep::kGroups, "workload.groups"},
                                                    {SandboxStep::kUser, "workload.user"},
                                                    {SandboxStep::kCapabilities, "workload.capabilities"},
                                                    {SandboxStep::kPrivileges, "workload.privileges"},
                                                    {SandboxStep::kFilter, "workload.seccomp"},
                                                    {SandboxStep::kDescriptors, "workload.descriptors"},
                                                    {SandboxStep::kFork, "workload.fork"},
                                                    {SandboxStep::kDirectory, "workload.cwd"},
                                                    {SandboxStep::kExec, "workload.exec"},
                                                    {SandboxStep::kDoors, "workload.doors"},
                                                    {SandboxStep::kTransparent, "workload.transparent"},
                                                    {SandboxStep::kTun, "workload.tun"},
                                                    {SandboxStep::kSpec, "workload.spec"}};
  ASSERT_EQ(ids.size(), static_cast<std::size_t>(SandboxStep::kTun));
  for (const auto& [step, id] : ids) {
    const Error error = sandbox_error(step, EPERM);
    EXPECT_EQ(error.id(), id);
    EXPECT_TRUE(error.detail().ends_with(": Operation not permitted"));
    EXPECT_FALSE(error.remedy().empty());
  }
  EXPECT_EQ(sandbox_error(static_cast<SandboxStep>(999), EPERM).id(), "workload.report");
}

}  // namespace
}  // namespace gateway::runtime
