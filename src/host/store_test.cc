#include "host/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "host/test_image.h"
#include "image/crc32.h"

namespace gateway::host {
namespace {

namespace fs = std::filesystem;

net::Descriptor open_file(const std::string& path) {
  return net::Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

std::string id_of(const Result<StoredImage>& stored) { return stored ? "accepted" : std::string(stored.error().id()); }

class StoreTest : public testing::Test {
 protected:
  StoreTest() : store_(*ImageStore::open(folder_.file("images"))) {}
  Result<StoredImage> add(const std::string& path) { return store_.add(open_file(path).get()); }
  std::size_t entries() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_.file("images"))) ++count;
    return count;
  }
  TestFolder folder_;
  ImageStore store_;
};

TEST_F(StoreTest, UnpacksAnImageOnceAndFindsItAgain) {
  const std::string path = write_image(folder_, "a.eif", {});
  const auto first = add(path);
  ASSERT_TRUE(first.has_value()) << first.error().message();
  EXPECT_EQ(first->description.name, "sample");
  EXPECT_TRUE(fs::exists(first->tree + "/init"));
  EXPECT_TRUE(fs::exists(first->tree + "/rootfs/app"));
  EXPECT_EQ(fs::file_size(first->file), fs::file_size(path));
  const auto stamp = fs::last_write_time(first->tree);
  const auto second = add(path);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->key, first->key);
  EXPECT_EQ(fs::last_write_time(second->tree), stamp) << "not unpacked a second time";
  EXPECT_EQ(entries(), 1U);
  EXPECT_TRUE(store_.find(first->key).has_value());
}

TEST_F(StoreTest, HoldsACopyThatTheOwnerOfTheFileCannotChange) {
  const std::string path = write_image(folder_, "a.eif", {});
  const auto stored = add(path);
  ASSERT_TRUE(stored.has_value());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << "changed";
  EXPECT_TRUE(image::Eif::open(stored->file).has_value());
  struct stat original{};
  struct stat copy{};
  ASSERT_EQ(::stat(path.c_str(), &original), 0);
  ASSERT_EQ(::stat(stored->file.c_str(), &copy), 0);
  EXPECT_NE(original.st_ino, copy.st_ino);
}

TEST_F(StoreTest, KeepsImagesApartThatDiffer) {
  const auto first = add(write_image(folder_, "a.eif", {}));
  const auto second = add(write_image(folder_, "b.eif", {.application = "another"}));
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->key, second->key);
  EXPECT_EQ(entries(), 2U);
}

TEST_F(StoreTest, GivesImagesThatBootTheSameOneKey) {
  const auto first = add(write_image(folder_, "a.eif", {}, R"({"ImageName":"a"})"));
  const auto second = add(write_image(folder_, "b.eif", {}, R"({"ImageName":"b"})"));
  ASSERT_TRUE(first && second) << id_of(first) << id_of(second);
  EXPECT_EQ(first->key, second->key);
}

TEST_F(StoreTest, TellsImagesApartThatMoveBytesAcrossABoundary) {
  // The PCRs hash a concatenation: the lengths must be part of the key.
  const Bytes one{1, 2};
  const Bytes two{3};
  const Bytes one_short{1};
  const Bytes two_long{2, 3};
  const auto key = [&](ByteView first, ByteView second) {
    const std::string path = folder_.file("x.eif");
    fs::remove(path);
    EXPECT_TRUE(image::write_eif(
                    {.kernel = {}, .cmdline = "q", .metadata = {}, .ramdisks = {first, second}, .signature = {}}, path)
                    .has_value());
    const auto eif = image::Eif::open(path);
    return std::pair(image_key(*eif, image::measure(*eif)->pcr0), image::measure(*eif)->pcr0);
  };
  EXPECT_EQ(key(one, two).second, key(one_short, two_long).second);
  EXPECT_NE(key(one, two).first, key(one_short, two_long).first);
}

TEST_F(StoreTest, RefusesADamagedImageAndKeepsNothing) {
  const std::string path = write_image(folder_, "a.eif", {});
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x7f');
  }
  EXPECT_EQ(id_of(add(path)), "image.eif.crc");
  EXPECT_EQ(entries(), 0U);
}

TEST_F(StoreTest, RefusesWhatCannotRunHere) {
  EXPECT_EQ(id_of(add(write_image(folder_, "a.eif", {.init = false}))), "host.image.init");
  EXPECT_EQ(id_of(add(write_image(folder_, "b.eif", {.init_mode = 0644}))), "host.image.init");
  EXPECT_EQ(id_of(add(write_image(folder_, "c.eif", {.description = "{}"}))), "image.description.missing_key");
  EXPECT_EQ(entries(), 0U);
}

TEST_F(StoreTest, RefusesAnImageWithoutADescription) {
  const Bytes first = ramdisk_one({});
  const std::string path = folder_.file("raw.eif");
  ASSERT_TRUE(image::write_eif(
                  {.kernel = {}, .cmdline = "q", .metadata = {}, .ramdisks = {ByteView(first)}, .signature = {}}, path)
                  .has_value());
  EXPECT_EQ(id_of(add(path)), "host.image.description");
}

// Flips the flag that names the other processor and mends the checksum, as a genuine image for it would have both.
void become_arm64(const std::string& path) {
  constexpr std::size_t kFlag = 7;
  constexpr std::size_t kChecksum = 544;
  Bytes bytes = *read_file(path, 1UZ << 24U);
  bytes[kFlag] ^= image::kEifFlagArm64;
  std::uint32_t crc = image::crc32(0, ByteView(bytes).first(kChecksum));
  crc = image::crc32(crc, ByteView(bytes).subspan(image::kEifHeaderSize));
  for (unsigned i = 0; i < 4; ++i) bytes[kChecksum + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(StoreTest, RefusesAnImageForAnotherProcessor) {
#if defined(__aarch64__)
  GTEST_SKIP() << "SKIPPED: the other processor is this one";
#endif
  const std::string path = write_image(folder_, "a.eif", {});
  become_arm64(path);
  EXPECT_EQ(id_of(add(path)), "host.image.architecture");
  EXPECT_EQ(entries(), 0U);
}

TEST_F(StoreTest, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(id_of(add(folder_.path())), "host.image.file");
  EXPECT_EQ(id_of(add("/dev/zero")), "host.image.file");
}

TEST_F(StoreTest, RefusesMoreThanItTakes) {
  store_.max_image_size = 100;
  EXPECT_EQ(id_of(add(write_image(folder_, "a.eif", {}))), "host.image.size");
}

TEST_F(StoreTest, SaysWhenThereIsNoSpaceForAnImage) {
  const std::string path = write_image(folder_, "a.eif", {});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tiny{.rlim_cur = 100, .rlim_max = before.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
  const auto stored = add(path);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(id_of(stored), "host.store.write");
  EXPECT_EQ(entries(), 0U);
}

TEST_F(StoreTest, NoticesAndMendsATreeThatWasChanged) {
  const std::string path = write_image(folder_, "a.eif", {});
  const auto stored = add(path);
  ASSERT_TRUE(stored.has_value());
  const std::string app = stored->tree + "/rootfs/app";
  ::chmod((stored->tree + "/rootfs").c_str(), 0755);
  fs::remove(app);
  EXPECT_EQ(id_of(store_.find(stored->key)), "host.store.damaged");
  const auto again = add(path);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->key, stored->key);
  EXPECT_TRUE(fs::exists(app));
  EXPECT_EQ(entries(), 1U);
}

TEST_F(StoreTest, NoticesAnEditThatKeepsTheSize) {
  const auto stored = add(write_image(folder_, "a.eif", {}));
  ASSERT_TRUE(stored.has_value());
  const std::string app = stored->tree + "/rootfs/app";
  ::chmod(app.c_str(), 0755);
  std::ofstream(app, std::ios::binary | std::ios::trunc) << "APP";
  EXPECT_EQ(id_of(store_.find(stored->key)), "host.store.damaged");
}

TEST_F(StoreTest, NoticesAnIndexThatIsBroken) {
  const auto stored = add(write_image(folder_, "a.eif", {}));
  ASSERT_TRUE(stored.has_value());
  std::ofstream(folder_.file("images/" + stored->key + "/complete.json"), std::ios::trunc) << "{\"version\":1}";
  EXPECT_EQ(id_of(store_.find(stored->key)), "host.store.damaged");
  EXPECT_EQ(id_of(store_.find("0000")), "host.file.missing");
}

TEST_F(StoreTest, RemovesWhatAnInterruptedAdditionLeft) {
  fs::create_directories(folder_.file("images/.adding-dead/tree"));
  fs::create_directories(folder_.file("images/.adding-living/tree"));
  const auto working = lock_file(folder_.file("images/.adding-living/lock"));
  ASSERT_TRUE(working.has_value());
  ASSERT_TRUE(ImageStore::open(folder_.file("images")).has_value());
  EXPECT_FALSE(fs::exists(folder_.file("images/.adding-dead")));
  EXPECT_TRUE(fs::exists(folder_.file("images/.adding-living"))) << "another process is at work there";
}

TEST_F(StoreTest, TakesTheSameImageFromManyAtOnce) {
  const std::string path = write_image(folder_, "a.eif", {});
  std::vector<std::thread> threads;
  std::array<std::string, 4> keys;
  for (auto& key : keys) {
    threads.emplace_back([&] {
      const auto stored = add(path);
      key = stored ? stored->key : stored.error().message();
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& key : keys) EXPECT_EQ(key, keys[0]);
  EXPECT_EQ(entries(), 1U);
}

}  // namespace
}  // namespace gateway::host
