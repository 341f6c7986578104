#include "attester/local_root.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace gateway::attester {
namespace {

namespace fs = std::filesystem;
constexpr Time kNow{std::chrono::milliseconds(1'779'278'400'123)};

class LocalRootFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "gateway-local-root-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    folder_ = name + "/root";
  }
  void TearDown() override { fs::remove_all(base_); }

  std::string file(const char* name) const { return folder_ + "/" + name; }
  unsigned mode(const std::string& path) const {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777U;
  }
  std::string refusal(Time now = kNow) const {
    const auto root = LocalRoot::load_or_create(folder_, now);
    return root ? "" : std::string(root.error().id());
  }
  void write(const std::string& path, const std::string& content) const {
    std::ofstream(path, std::ios::trunc) << content;
  }
  std::string read(const std::string& path) const {
    std::stringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
  }

  std::string base_;
  std::string folder_;
};

TEST_F(LocalRootFolder, MakesARootOnceAndReadsItAfterwards) {
  const auto made = LocalRoot::load_or_create(folder_, kNow);
  ASSERT_TRUE(made) << made.error().message();
  const auto read = LocalRoot::load_or_create(folder_, kNow + std::chrono::days(300));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->certificate.der(), made->certificate.der());
  EXPECT_EQ(read->key.public_key().spki(), made->key.public_key().spki());
}

TEST_F(LocalRootFolder, KeepsTheKeyFromOthers) {
  const mode_t before = ::umask(0);
  ASSERT_EQ(refusal(), "");
  ::umask(before);
  EXPECT_EQ(mode(folder_), 0700U);
  EXPECT_EQ(mode(file(kLocalRootKeyFile)), 0600U);
  EXPECT_EQ(mode(file(kLocalRootFile)), 0644U);
}

TEST_F(LocalRootFolder, NamesItselfLocalAndUniquely) {
  const auto one = LocalRoot::create(kNow).value();
  const auto two = LocalRoot::create(kNow).value();
  EXPECT_TRUE(one.certificate.subject_common_name()->starts_with("gateway-local-root-"));
  EXPECT_NE(one.certificate.subject_common_name(), two.certificate.subject_common_name());
  EXPECT_TRUE(one.certificate.is_ca());
  EXPECT_LE(one.certificate.der().size(), 1024U);
}

TEST_F(LocalRootFolder, RefusesLooseModes) {
  ASSERT_EQ(refusal(), "");
  ASSERT_EQ(::chmod(file(kLocalRootKeyFile).c_str(), 0640), 0);
  EXPECT_EQ(refusal(), "local_root.mode");
  ASSERT_EQ(::chmod(file(kLocalRootKeyFile).c_str(), 0600), 0);
  ASSERT_EQ(::chmod(file(kLocalRootFile).c_str(), 0666), 0);
  EXPECT_EQ(refusal(), "local_root.mode");
  ASSERT_EQ(::chmod(file(kLocalRootFile).c_str(), 0644), 0);
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  EXPECT_EQ(refusal(), "local_root.mode");
  ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(LocalRootFolder, RefusesLinksAndOtherKindsOfFile) {
  ASSERT_EQ(refusal(), "");
  fs::rename(file(kLocalRootKeyFile), base_ + "/elsewhere");
  fs::create_symlink(base_ + "/elsewhere", file(kLocalRootKeyFile));
  EXPECT_EQ(refusal(), "local_root.file");
  fs::remove(file(kLocalRootKeyFile));
  ASSERT_EQ(::mkfifo(file(kLocalRootKeyFile).c_str(), 0600), 0);
  EXPECT_EQ(refusal(), "local_root.mode");
}

TEST_F(LocalRootFolder, RefusesDamagedFiles) {
  ASSERT_EQ(refusal(), "");
  const std::string key = read(file(kLocalRootKeyFile));
  write(file(kLocalRootKeyFile), key.substr(0, key.size() / 2));
  EXPECT_EQ(refusal(), "local_root.parse");
  write(file(kLocalRootKeyFile), key);
  EXPECT_EQ(refusal(), "");
  write(file(kLocalRootFile), "");
  EXPECT_EQ(refusal(), "local_root.parse");
}

TEST_F(LocalRootFolder, RefusesACertificateOfAnotherKey) {
  ASSERT_EQ(refusal(), "");
  write(file(kLocalRootFile), LocalRoot::create(kNow).value().certificate.to_pem());
  EXPECT_EQ(refusal(), "local_root.mismatch");
}

TEST_F(LocalRootFolder, RefusesARootOutsideItsLife) {
  ASSERT_EQ(refusal(), "");
  EXPECT_EQ(refusal(kNow + std::chrono::days(3651)), "local_root.expired");
  EXPECT_EQ(refusal(kNow - std::chrono::days(1)), "local_root.expired");
}

TEST_F(LocalRootFolder, ReportsAFolderThatCannotBe) {
  folder_ = base_ + "/missing/root";
  EXPECT_EQ(refusal(), "local_root.file");
}

TEST_F(LocalRootFolder, CarriesOnAfterACrashInTheMiddle) {
  ASSERT_EQ(refusal(), "");
  // The certificate is written first: a crash leaves it, and perhaps a temporary file, without the key.
  fs::remove(file(kLocalRootKeyFile));
  write(file(kLocalRootKeyFile) + ".new", "half a key");
  ASSERT_EQ(refusal(), "");
  EXPECT_EQ(refusal(), "");
  EXPECT_FALSE(fs::exists(file(kLocalRootKeyFile) + ".new"));
}

TEST_F(LocalRootFolder, GivesOneRootToAllThatStartAtOnce) {
  std::vector<Bytes> roots(6);
  std::vector<std::thread> threads;
  for (Bytes& root : roots) {
    threads.emplace_back([&] { root = LocalRoot::load_or_create(folder_, kNow).value().certificate.der(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Bytes& root : roots) EXPECT_EQ(root, roots.front());
}

}  // namespace
}  // namespace gateway::attester
