// The deployment's configuration: the host hands it over, so it may only narrow, and policies name it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "callers.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string config_with(const std::string& name, const std::string& more) {
  return site().write(name, harness::read_text(config_file()) + more);
}

TEST(Configuration, ChangedBehindTheUsersBackIsRefused) {
  attack("the same image with another deployment configuration", "`policy.config`");
  const std::string changed = config_with("changed.toml", "[limits]\nmax_in_flight = 7\n");
  const auto other =
      site().run_enclave(echo_image(), "reconfigured", {"--config", changed, "--tokens", first_list_file()});
  EXPECT_EQ(other.measurements, enclave().measurements);
  expect_refused(other.listen, policy(), "policy.config");
  site().stop_enclave("reconfigured");
}

TEST(Configuration, AnotherAccessKeyIsRefused) {
  attack("the same image with an access key of the host's own", "`policy.config`");
  const auto other = site().run_enclave(echo_image(), "rekeyed");  // `gateway run` makes a key
  expect_refused(other.listen, policy(), "policy.config");
  site().stop_enclave("rekeyed");
}

void expect_does_not_start(const std::string& more, const std::string& key) {
  const auto ended = site().try_run(echo_image(), "wider",
                                    {"--config", config_with("wider.toml", more), "--tokens", first_list_file()});
  EXPECT_EQ(ended.status, 1) << more << ended.both();
  EXPECT_THAT(ended.err, HasSubstr("config.widens")) << more;
  EXPECT_THAT(ended.err, HasSubstr(key)) << more;
  EXPECT_THAT(site().gateway({"ps", "--json"}).out, Not(HasSubstr("\"wider\"")));
}

TEST(Configuration, WhatWidensTheImageDoesNotStart) {
  attack("configuration that opens a path which the image keeps closed", "`config.widens`");
  expect_does_not_start("[ingress]\npaths = [\"/echo\", \"/admin\"]\n", "paths");
  attack("configuration that appends arguments where the image takes none", "`config.widens`");
  expect_does_not_start("[workload]\nargs = [\"--debug\"]\n", "args");
  attack("configuration that sets a variable which the image does not offer", "`config.widens`");
  expect_does_not_start("[workload]\nenv = { LD_PRELOAD = \"/tmp/x.so\" }\n", "env");
  attack("configuration that raises a limit", "`config.widens`");
  expect_does_not_start("[limits]\nmax_body = 1048576\n", "max_body");
  expect_does_not_start("[limits]\nhead_timeout = \"1h\"\n", "head_timeout");
  attack("configuration that asks for more of a log than the image gives", "`config.widens`");
  expect_does_not_start("[logging]\nlevel = \"debug\"\n", "logging");
}

}  // namespace
}  // namespace gateway::hostile_suite
