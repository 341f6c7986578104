// The examples, run as a user would run them, against the library as it is shipped.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "verify_abi/testing.h"

namespace gateway::verify_abi {
namespace {

namespace fs = std::filesystem;
using attestation::testing::fake_local;
using attestation::testing::kNow;

class Examples : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "gateway-verify-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    Bytes document = fake_local().document();
    write("good.cbor", document);
    document.back() ^= 1;
    write("forged.cbor", document);
    write("policy.toml", as_bytes(testing::policy_for(fake_local())));
    write("wrong.toml", as_bytes("[[accept]]\nplatfrom = 1\n"));
    write("collateral", as_bytes("nothing that applies"));
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, ByteView bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << as_text(bytes);
  }
  int run(const std::string& policy, const std::string& evidence) {
    const std::string line = "cd " + folder_.string() + " && " + GetParam() + " --at " +
                             std::to_string(kNow.time_since_epoch().count()) + " --policy " + policy + " " + evidence +
                             " collateral >out 2>&1";
    const int status = std::system(line.c_str());
    std::ifstream file(folder_ / "out");
    out_.assign(std::istreambuf_iterator<char>(file), {});
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  fs::path folder_;
  std::string out_;
};

TEST_P(Examples, AnswerAsTheLibraryDoes) {
  EXPECT_EQ(run("policy.toml", "good.cbor"), 0) << out_;
  EXPECT_EQ(run("policy.toml", "forged.cbor"), 1) << out_;
  EXPECT_NE(out_.find("nitro.signature"), std::string::npos) << out_;
  EXPECT_EQ(run("wrong.toml", "good.cbor"), 2) << out_;
}

INSTANTIATE_TEST_SUITE_P(Languages, Examples, ::testing::Values(VERIFY_C_SHARED, VERIFY_C_STATIC, VERIFY_PYTHON));

}  // namespace
}  // namespace gateway::verify_abi
