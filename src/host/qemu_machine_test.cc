// An emulated enclave as its shim drives it, with a program of the test's own in QEMU's place. The real one boots in
// tests/qemu.
#include "host/qemu_machine.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "host/test_folder.h"

namespace gateway::host {
namespace {

class QemuMachineTest : public ::testing::Test {
 protected:
  void install(const std::string& script) {
    std::filesystem::create_directory(folder_.file("bin"));
    const std::string program = folder_.file("bin/qemu-system-x86_64");
    std::ofstream(program) << "#!/bin/sh\n" << script;
    ::chmod(program.c_str(), 0755);
  }
  EnclaveSpec spec() const {
    EnclaveSpec spec;
    spec.name = "one";
    spec.platform = "qemu";
    spec.image_file = "/images/one.eif";
    spec.qemu_folder = folder_.path();
    spec.memory = 300UZ * 1024 * 1024;
    return spec;
  }
  net::Loop loop;  // outlives the machines on it
  TestFolder folder_;
};

TEST_F(QemuMachineTest, SaysWhenThereIsNoQemu) {
  for (const std::string& folder : {std::string(), folder_.path()}) {
    const Status checked = check_qemu(folder);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().id(), "host.qemu.missing");
  }
  const auto machine = make_qemu_machine(spec());
  ASSERT_FALSE(machine);
  EXPECT_EQ(machine.error().id(), "host.qemu.missing");
}

TEST_F(QemuMachineTest, StartsTheImageAndTellsWhatItPrintedAndHowItEnded) {
  install("for word in \"$@\"; do echo \"$word\"; done\nexit 7\n");
  const auto machine = make_qemu_machine(spec());
  ASSERT_TRUE(machine) << machine.error().message();
  std::string printed;
  int status = -1;
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) { ADD_FAILURE(); },
                                          .output = [&](std::string_view text) { printed += text; },
                                          .failed = [](const Error&) {},
                                          .ended =
                                              [&](int wait_status) {
                                                status = wait_status;
                                                loop.stop();
                                              }});
  const auto early = (*machine)->connect(Door::kIngress);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().id(), "host.enclave.starting");
  loop.run();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_NE(printed.find("\n300M\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("\n/images/one.eif\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("nitro-enclave,"), std::string::npos) << printed;
}

TEST_F(QemuMachineTest, IsEndedWhenAskedTo) {
  install("exec sleep 100\n");
  const auto machine = make_qemu_machine(spec());
  ASSERT_TRUE(machine) << machine.error().message();
  int status = 0;
  (*machine)->start(loop, Machine::Events{.control = [](net::Descriptor) {},
                                          .output = [](std::string_view) {},
                                          .failed = [](const Error&) {},
                                          .ended =
                                              [&](int wait_status) {
                                                status = wait_status;
                                                loop.stop();
                                              }});
  (*machine)->kill();
  loop.run();
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace gateway::host
