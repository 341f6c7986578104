#include "runtime/arguments.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace gateway::runtime {
namespace {

std::string judged(std::vector<const char*> words) {
  const auto arguments = parse_arguments(words);
  return arguments ? "accepted" : std::string(arguments.error().id());
}

TEST(Arguments, ReadsWhatAShimPasses) {
  const std::vector<const char*> words{"--platform=local", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5",
                                       "--egress=fd:6"};
  const auto arguments = parse_arguments(words);
  ASSERT_TRUE(arguments) << arguments.error().message();
  EXPECT_EQ(arguments->platform, attestation::Platform::kLocal);
  EXPECT_EQ(arguments->control.port, 3U);
  EXPECT_EQ(arguments->nsm, "fd:4");
  EXPECT_EQ(arguments->ingress.port, 5U);
}

TEST(Arguments, ReadsWhatAnInitIsGiven) {
  EXPECT_EQ(judged({"--ingress=vsock://4294967295:8443", "--egress=vsock://4294967295:7002", "--nsm=/dev/nsm",
                    "--control=vsock://3:9001", "--platform=nitro"}),
            "accepted");
}

TEST(Arguments, RefusesUnknownRepeatedAndMissingOnes) {
  EXPECT_EQ(judged({}), "runtime.arguments");
  EXPECT_EQ(judged({"--platform=local", "--control=fd:3", "--nsm=fd:4"}), "runtime.arguments");
  EXPECT_EQ(judged({"--platform=local", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6", "--debug"}),
            "runtime.arguments");
  EXPECT_EQ(
      judged({"--platform=local", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6", "--nsm=fd:4"}),
      "runtime.arguments");
  EXPECT_EQ(judged({"--platform=snp", "--control=fd:3", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6"}),
            "runtime.arguments");
  EXPECT_EQ(judged({"--platform=local", "--control=fd:3", "--nsm=nsm", "--ingress=fd:5", "--egress=fd:6"}),
            "runtime.arguments");
  EXPECT_EQ(judged({"--platform=local", "--control=nowhere", "--nsm=fd:4", "--ingress=fd:5", "--egress=fd:6"}),
            "net.address");
}

TEST(Arguments, AnInheritedDescriptorIsNotPassedOn) {
  const int descriptor = ::open("/dev/null", O_RDONLY);
  const auto taken = inherit(static_cast<std::uint32_t>(descriptor));
  ASSERT_TRUE(taken);
  EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Arguments, ADescriptorThatIsNotOpenIsRefused) { EXPECT_EQ(inherit(9'999).error().id(), "runtime.arguments"); }

}  // namespace
}  // namespace gateway::runtime
