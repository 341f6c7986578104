// gateway bundle: what it writes and what it refuses.
#include "bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/formats/bundle.h"
#include "attestation/formats/testing.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using attestation::formats::parse_bundle;
using attestation::testing::fake_nitro;
using ::testing::HasSubstr;

class BundleCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "gateway-bundle-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
    document_ = fake_nitro().document();
    write("document.cbor", document_);
    fs::create_directories(folder_ / "collateral/deep");
    write("collateral/root.der", fake_nitro().root().der());
    write("collateral/deep/crl", Bytes(20, 7));
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, ByteView bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << as_text(bytes);
  }
  Bytes written() {
    std::ifstream file(folder_ / "out.bundle", std::ios::binary);
    return to_bytes(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  int bundle(const std::string& evidence, Output format = Output::kJson) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = run_bundle({.evidence = folder_ / evidence,
                                   .collateral = {folder_ / "collateral"},
                                   .output = folder_ / "out.bundle",
                                   .format = format});
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return status;
  }
  fs::path folder_;
  Bytes document_;
  std::string out_, err_;
};

TEST_F(BundleCommand, PutsEvidenceAndCollateralIntoOneFile) {
  ASSERT_EQ(bundle("document.cbor"), kDone) << err_;
  const Bytes file = written();
  const auto found = parse_bundle(file);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(equal(found->evidence, document_));
  EXPECT_EQ(found->collateral.size(), 2U);
  const json::value printed = json::parse(out_);
  EXPECT_EQ(printed.at("size"), file.size());
  EXPECT_EQ(printed.at("sha256").as_string(), to_hex(crypto::sha256(file)));
  EXPECT_TRUE(printed.at("evidence").at("carrier").is_null());
  EXPECT_EQ(printed.at("collateral").as_array().size(), 2U);
}

TEST_F(BundleCommand, WritesTheSameBytesEachTime) {
  ASSERT_EQ(bundle("document.cbor", Output::kText), kDone);
  EXPECT_THAT(out_, HasSubstr("2 files of collateral"));
  const Bytes first = written();
  ASSERT_EQ(bundle("document.cbor"), kDone);
  EXPECT_EQ(written(), first);
}

TEST_F(BundleCommand, NamesWhatTheEvidenceCameIn) {
  using namespace attestation::formats::testing;
  write("cert.der", certificate({{"2.23.133.5.4.9", ra_tls(Bytes(10, 1), good_claims()), false}}).der());
  ASSERT_EQ(bundle("cert.der"), kDone) << err_;
  EXPECT_EQ(json::parse(out_).at("evidence").at("carrier"), "ra-tls");
}

TEST_F(BundleCommand, RefusesWhatCannotBeEvidence) {
  write("plain.der", fake_nitro().root().der());
  EXPECT_EQ(bundle("plain.der"), kRefused);
  EXPECT_THAT(err_, HasSubstr("carrier.none"));
  write("empty", {});
  EXPECT_EQ(bundle("empty"), kRefused);
  EXPECT_THAT(err_, HasSubstr("bundle.item"));
  EXPECT_EQ(bundle("missing"), kUndecided);
  EXPECT_FALSE(fs::exists(folder_ / "out.bundle"));
}

TEST_F(BundleCommand, RefusesABundleInABundle) {
  ASSERT_EQ(bundle("document.cbor"), kDone);
  fs::rename(folder_ / "out.bundle", folder_ / "first.bundle");
  EXPECT_EQ(bundle("first.bundle"), kRefused);
  EXPECT_THAT(err_, HasSubstr("bundle.nested"));
}

}  // namespace
}  // namespace gateway::cli
