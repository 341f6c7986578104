// gateway build and gateway inspect IMAGE.eif: what they print, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "build.h"
#include "inspect_image.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

class ImageCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "gateway-image-commands-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    ::unsetenv("SOURCE_DATE_EPOCH");
    write("first.cpio", "one");
    write("second.cpio", "two");
    write("kernel", "k");
    write(
        "image.toml",
        "[image]\nname = \"s\"\nkernel = \"kernel\"\ncmdline = \"c\"\nramdisks = [\"first.cpio\", \"second.cpio\"]\n");
  }
  void TearDown() override {
    ::unsetenv("SOURCE_DATE_EPOCH");
    fs::remove_all(folder_);
  }
  void write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  int build(Output format = Output::kJson) {
    BuildOptions options;
    options.spec = folder_ / "image.toml";
    options.output = folder_ / "out.eif";
    options.cache = folder_ / "cache";
    options.format = format;
    return captured([&] { return run_build(options); });
  }
  int inspect(Output format = Output::kJson, bool snp = false) {
    InspectImageOptions options;
    options.image = folder_ / "out.eif";
    options.format = format;
    options.snp = snp;
    return captured([&] { return run_inspect_image(options); });
  }
  int captured(const std::function<int()>& run) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = run();
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return status;
  }
  fs::path folder_;
  std::string out_;
  std::string err_;
};

TEST_F(ImageCommands, BuildAndInspectAgreeAndPrintOneObject) {
  ASSERT_EQ(build(), kDone) << err_;
  const json::value built = json::parse(out_);
  EXPECT_EQ(built.at("sections").as_array().size(), 5);
  EXPECT_FALSE(built.at("local_only").as_bool());
  EXPECT_TRUE(built.at("lock").is_null());
  ASSERT_EQ(inspect(), kDone) << err_;
  const json::value found = json::parse(out_);
  EXPECT_EQ(found.at("pcrs"), built.at("pcrs"));
  EXPECT_EQ(found.at("sections").at(0).at("type"), "kernel");
  EXPECT_EQ(found.at("sections").at(0).at("size"), 1);
  EXPECT_EQ(found.at("crc"), "ok");
  EXPECT_TRUE(found.at("snp").is_null());
  EXPECT_TRUE(found.at("signature").is_null());
  EXPECT_EQ(found.at("metadata").at("ImageName"), "s");
}

TEST_F(ImageCommands, TextNamesTheRegistersAndWhatIsMeasured) {
  ASSERT_EQ(build(Output::kText), kDone) << err_;
  EXPECT_THAT(out_, ::testing::AllOf(::testing::HasSubstr("PCR0"), ::testing::HasSubstr("PCR2"),
                                     ::testing::HasSubstr("ramdisk")));
  EXPECT_THAT(err_, ::testing::HasSubstr("measured:"));
  ASSERT_EQ(inspect(Output::kText), kDone) << err_;
  EXPECT_THAT(out_, ::testing::AllOf(::testing::HasSubstr("checksum ok"), ::testing::HasSubstr("not signed")));
}

TEST_F(ImageCommands, InspectRefusesADamagedImage) {
  ASSERT_EQ(build(), kDone);
  std::fstream file(folder_ / "out.eif", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('x');
  file.close();
  EXPECT_EQ(inspect(), kRefused);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, ::testing::HasSubstr("image.eif.crc"));
}

TEST_F(ImageCommands, InspectRefusesMetadataThatIsNoJson) {
  const std::string ramdisk = "r";
  image::EifParts parts;
  parts.cmdline = "c";
  parts.metadata = "not json";
  parts.ramdisks = {as_bytes(ramdisk)};
  ASSERT_TRUE(image::write_eif(parts, folder_ / "out.eif"));
  EXPECT_EQ(inspect(), kRefused);
  EXPECT_THAT(err_, ::testing::HasSubstr("image.eif.metadata"));
}

TEST_F(ImageCommands, InspectRefusesTheLaunchDigestByName) {
  ASSERT_EQ(build(), kDone);
  EXPECT_EQ(inspect(Output::kJson, true), kUsage);
  EXPECT_THAT(err_, ::testing::HasSubstr("image.snp_unsupported"));
}

TEST_F(ImageCommands, BuildTakesItsTimeFromSourceDateEpoch) {
  ::setenv("SOURCE_DATE_EPOCH", "1000000000", 1);
  ASSERT_EQ(build(), kDone);
  ASSERT_EQ(inspect(), kDone);
  EXPECT_THAT(out_, ::testing::HasSubstr("2001-09-09T01:46:40"));
  ::setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
  EXPECT_NE(build(), kDone);
  EXPECT_THAT(err_, ::testing::HasSubstr("cli.build.source_date_epoch"));
}

TEST_F(ImageCommands, BuildNamesAMissingSpec) {
  fs::remove(folder_ / "image.toml");
  EXPECT_NE(build(), kDone);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, ::testing::HasSubstr("image.file.missing"));
}

}  // namespace
}  // namespace gateway::cli
