#include "image/stream.h"

#include <zlib.h>

#include "image/file.h"
#include "image/packages.h"
#include "image/process.h"
#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::Folder;
using testing::MemorySink;
using testing::packed_zstd;

Bytes noise(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 7;
  for (auto& byte : out) byte = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24U);
  return out;
}

Result<Bytes> read_all(ByteSource& source, std::size_t step = 1000) {
  Bytes out;
  Bytes buffer(step);
  while (true) {
    GATEWAY_ASSIGN(const std::size_t got, source.read(buffer));
    if (got == 0) return out;
    append(out, ByteView(buffer).first(got));
  }
}

Result<Bytes> unpacked(ByteView bytes) {
  GATEWAY_ASSIGN(const auto member, open_member(bytes, recognise_compression(bytes)));
  return read_all(*member);
}

TEST(Stream, ZstdComesBackWholeAndIsTheSameHoweverItIsFed) {
  const Bytes contents = noise(700'000);
  MemorySink sink;
  auto compressor = ZstdSink::create(sink, 9);
  ASSERT_OK(compressor);
  for (std::size_t at = 0; at < contents.size(); at += 70'000)
    ASSERT_OK(compressor->write(ByteView(contents).subspan(at, 70'000)));
  ASSERT_OK(compressor->finish());
  EXPECT_EQ(*unpacked(sink.bytes), contents);
  MemorySink again;
  auto second = ZstdSink::create(again, 9);
  ASSERT_OK(second->write(contents));
  ASSERT_OK(second->finish());
  EXPECT_EQ(again.bytes, sink.bytes);
}

TEST(Stream, SaysWhereAMemberEnds) {
  Bytes two = packed_zstd(as_bytes("first"));
  const std::size_t first = two.size();
  append(two, packed_zstd(as_bytes("second")));
  const auto member = open_member(two, Compression::kZstd);
  ASSERT_OK(member);
  EXPECT_EQ(as_text(*read_all(**member)), "first");
  EXPECT_EQ((*member)->consumed(), first);
}

TEST(Stream, RefusesDamagedAndCutData) {
  Bytes packed = packed_zstd(noise(5000));
  EXPECT_REFUSED(unpacked(ByteView(packed).first(packed.size() - 1)), "image.stream.truncated");
  packed.back() ^= 1U;  // the checksum
  EXPECT_REFUSED(unpacked(packed), "image.stream.corrupt");
  EXPECT_REFUSED(unpacked(as_bytes(std::string_view("\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11))),
                 "image.stream.corrupt");
  EXPECT_REFUSED(unpacked(as_bytes(std::string_view("\xfd"
                                                    "7zXZ\0\xff\xff\xff\xff\xff\xff",
                                                    12))),
                 "image.stream.corrupt");
}

TEST(Stream, BoundsWhatAModuleUnpacksTo) {
  const Bytes bomb = packed_zstd(Bytes(70UZ * 1024 * 1024));
  EXPECT_LT(bomb.size(), 100'000U);
  EXPECT_REFUSED(decompress_module(bomb), "image.kernel.size");
}

TEST(File, IsReadWithinItsLimit) {
  const Folder folder;
  const std::string path = folder.write("a", "12345");
  EXPECT_EQ(*read_text_file(path, 5), "12345");
  EXPECT_REFUSED(read_text_file(path, 4), "image.file.size");
  EXPECT_REFUSED(read_text_file(folder / std::string(300, 'x'), 4), "image.file.read");  // a name that no file can have
  EXPECT_REFUSED(read_text_file("/dev/zero", 4), "image.file.kind");
}

TEST(File, AppearsUnderItsNameOnlyWhenCommitted) {
  const Folder folder;
  {
    auto file = NewFile::create(folder / "a");
    ASSERT_OK(file);
    ASSERT_OK(file->write(as_bytes("12345")));
    ASSERT_OK(file->write_at(1, as_bytes("x")));
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    ASSERT_OK(file->commit());
    EXPECT_EQ(testing::slurp(folder / "a"), "1x345");
    auto dropped = NewFile::create(folder / "b");
    ASSERT_OK(dropped);
  }
  EXPECT_THAT(folder.names(), ::testing::ElementsAre("a"));
}

TEST(File, SpoolIsReadBackAndMapped) {
  const Folder folder;
  auto spool = SpoolFile::create(folder.path());
  ASSERT_OK(spool);
  EXPECT_TRUE(folder.names().empty());
  ASSERT_OK(spool->append(as_bytes("hello")));
  Bytes part(3);
  ASSERT_OK(spool->read(1, part));
  EXPECT_EQ(as_text(part), "ell");
  EXPECT_REFUSED(spool->read(4, part), "image.file.read");
  EXPECT_EQ(as_text(spool->map()->view()), "hello");
}

TEST(Process, LimitsWhatAProgramMayPrint) {
  EXPECT_REFUSED(run_program({"head", "-c", "70000000", "/dev/zero"}), "image.process.output");
}

TEST(Packages, NeedsAPlaceForDownloads) {
  const auto saved = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  };
  const auto home = saved("HOME");
  const auto cache = saved("XDG_CACHE_HOME");
  const auto own = saved("GATEWAY_CACHE");
  ::unsetenv("HOME");
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("GATEWAY_CACHE");
  EXPECT_REFUSED(PackageCache::default_folder(), "image.packages.cache");
  ::setenv("HOME", "/home/a", 1);
  EXPECT_EQ(*PackageCache::default_folder(), "/home/a/.cache/gateway");
  ::setenv("XDG_CACHE_HOME", "/c", 1);
  EXPECT_EQ(*PackageCache::default_folder(), "/c/gateway");
  ::setenv("GATEWAY_CACHE", "/own", 1);
  EXPECT_EQ(*PackageCache::default_folder(), "/own");
  const auto restore = [](const char* name, const std::optional<std::string>& value) {
    if (value) ::setenv(name, value->c_str(), 1);
    else ::unsetenv(name);
  };
  restore("HOME", home);
  restore("XDG_CACHE_HOME", cache);
  restore("GATEWAY_CACHE", own);
}

}  // namespace
}  // namespace gateway::image
