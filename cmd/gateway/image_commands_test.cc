// gateway build and gateway inspect IMAGE.eif: what they print, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attestation/appraisal/policy.h"
#include "build.h"
#include "image/snp_launch.h"
#include "image/testing_ovmf.h"
#include "inspect_image.h"
#include "release.h"
#include "sign.h"

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
  void write(const std::string& name, ByteView bytes) { write(name, as_text(bytes)); }
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
  int inspect(Output format = Output::kJson) {
    InspectImageOptions options;
    options.image = folder_ / "out.eif";
    options.format = format;
    return captured([&] { return run_inspect_image(options); });
  }
  int sign(const SignOptions& given) {
    SignOptions options = given;
    options.image = folder_ / "out.eif";
    options.format = Output::kJson;
    return captured([&] { return run_sign(options); });
  }
  // A signer's key and certificate, as openssl makes them.
  void make_signer() {
    const auto key = crypto::PrivateKey::generate(crypto::KeyType::kP384);
    const auto certificate =
        crypto::issue_certificate({.subject_common_name = "image signer",
                                   .issuer_common_name = "image signer",
                                   .subject_key = key->public_key(),
                                   .validity = {.not_before = *from_rfc3339("2025-01-01T00:00:00Z"),
                                                .not_after = *from_rfc3339("2035-01-01T00:00:00Z")},
                                   .is_ca = false,
                                   .path_length = std::nullopt,
                                   .dns_names = {},
                                   .extensions = {}},
                                  *key);
    write("signer.key", key->to_pem()->reveal());
    write("signer.pem", certificate->to_pem());
    signer_ = *key;
  }
  struct Snp {
    std::string ovmf = "firmware.fd";
    unsigned vcpus = 2;
    std::string vcpu_type = "EPYC-Milan";
    std::string vmm_type = "qemu";
    std::uint64_t guest_features = 1;
    Output format = Output::kJson;
  };
  int inspect_snp(const Snp& snp) {
    write("firmware.fd", as_text(image::testing::ovmf_file({})));
    InspectImageOptions options;
    options.image = folder_ / "out.eif";
    options.format = snp.format;
    options.snp = true;
    options.ovmf = snp.ovmf.empty() ? snp.ovmf : (folder_ / snp.ovmf).string();
    options.vcpus = snp.vcpus;
    options.vcpu_type = snp.vcpu_type;
    options.vmm_type = snp.vmm_type;
    options.guest_features = snp.guest_features;
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
  std::optional<crypto::PrivateKey> signer_;
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

TEST_F(ImageCommands, PolicyNamesWhatTheImageMeasuresTo) {
  ASSERT_EQ(build(), kDone);
  const std::string pcr2(json::parse(out_).at("pcrs").at("2").as_string());
  ReleaseOptions options;
  options.file = folder_ / "out.eif";
  options.config = "sha384:" + std::string(96, 'a');
  ASSERT_EQ(captured([&] { return run_policy_image(options); }), kDone);
  const auto nitro = attestation::Policy::parse(out_, "policy.toml");
  ASSERT_TRUE(nitro) << nitro.error().message();
  ASSERT_EQ(nitro->accept.size(), 1U) << "local needs a root";
  EXPECT_EQ(nitro->accept[0].platform, attestation::Platform::kNitro);
  EXPECT_EQ(to_hex(nitro->accept[0].measurements.at(2)), pcr2);
  EXPECT_TRUE(nitro->accept[0].config);

  options.root = "sha256:" + std::string(64, 'b');
  options.platforms = {"local"};
  options.output = folder_ / "policy.toml";
  ASSERT_EQ(captured([&] { return run_policy_image(options); }), kDone);
  EXPECT_EQ(out_, "");
  std::stringstream written;
  written << std::ifstream(options.output).rdbuf();
  const auto local = attestation::Policy::parse(written.str(), "policy.toml");
  ASSERT_TRUE(local) << local.error().message();
  EXPECT_EQ(local->accept[0].platform, attestation::Platform::kLocal);

  options.root.clear();
  EXPECT_EQ(captured([&] { return run_policy_image(options); }), kUsage);
  options.file = folder_ / "image.toml";
  EXPECT_EQ(captured([&] { return run_policy_image(options); }), kRefused);
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

TEST_F(ImageCommands, InspectPrintsTheLaunchDigest) {
  ASSERT_EQ(build(), kDone);
  ASSERT_EQ(inspect_snp({}), kDone) << err_;
  const json::value snp = json::parse(out_).at("snp");
  const Bytes firmware = image::testing::ovmf_file({});
  const ByteArray<1> zero{};
  const image::KernelHashes boot{.kernel = crypto::sha256(as_bytes("k")),
                                 .initrd = crypto::sha256(as_bytes("onetwo")),
                                 .cmdline = crypto::sha256({as_bytes("c"), zero})};
  const auto expected = image::snp_launch_digest({.firmware = firmware,
                                                  .boot = boot,
                                                  .vcpus = 2,
                                                  .vcpu_signature = image::snp_vcpu_signature("EPYC-Milan").value()});
  EXPECT_EQ(snp.at("launch_digest").as_string(), to_hex(expected.value()));
  EXPECT_EQ(snp.at("firmware_digest").as_string(), to_hex(image::snp_firmware_digest(firmware)));
  EXPECT_EQ(snp.at("kernel_hashes").at("initrd").as_string(), to_hex(boot.initrd));
  EXPECT_EQ(snp.at("vcpus"), 2);
  EXPECT_EQ(snp.at("vcpu_type"), "EPYC-Milan");
  ASSERT_EQ(inspect_snp({.format = Output::kText}), kDone);
  EXPECT_THAT(out_, ::testing::HasSubstr("SNP       " + to_hex(expected.value())));
}

TEST_F(ImageCommands, InspectPassesOnWhoStartsTheGuest) {
  ASSERT_EQ(build(), kDone);
  std::vector<std::string> seen;
  for (const char* const vmm : {"qemu", "ec2", "gce"}) {
    for (const std::uint64_t features : {0x1U, 0x21U}) {
      ASSERT_EQ(inspect_snp({.vmm_type = vmm, .guest_features = features}), kDone) << err_;
      seen.emplace_back(json::parse(out_).at("snp").at("launch_digest").as_string());
    }
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::unique(seen).size(), 0U);
  EXPECT_EQ(inspect_snp({.vcpu_type = "", .vmm_type = "gce"}), kDone) << err_;
}

TEST_F(ImageCommands, InspectSaysWhatTheLaunchDigestNeeds) {
  ASSERT_EQ(build(), kDone);
  EXPECT_EQ(inspect_snp({.ovmf = ""}), kUsage);
  EXPECT_THAT(err_, ::testing::AllOf(::testing::HasSubstr("cli.inspect.snp_option"), ::testing::HasSubstr("--ovmf")));
  EXPECT_EQ(inspect_snp({.vcpus = 0}), kUsage);
  EXPECT_THAT(err_, ::testing::AllOf(::testing::HasSubstr("cli.inspect.snp_option"), ::testing::HasSubstr("--vcpus")));
  EXPECT_EQ(inspect_snp({.vcpu_type = ""}), kUsage);
  EXPECT_THAT(err_, ::testing::AllOf(::testing::HasSubstr("--vcpu-type"), ::testing::HasSubstr("EPYC-Turin")));
  EXPECT_EQ(inspect_snp({.vcpu_type = "i386"}), kUsage);
  EXPECT_THAT(err_, ::testing::AllOf(::testing::HasSubstr("image.snp.vcpu_type"), ::testing::HasSubstr("EPYC-Turin")));
  EXPECT_EQ(inspect_snp({.ovmf = "nowhere.fd"}), kUndecided);
  EXPECT_THAT(err_, ::testing::HasSubstr("image.file.missing"));
  EXPECT_EQ(inspect_snp({.ovmf = "kernel"}), kRefused);
  EXPECT_THAT(err_, ::testing::HasSubstr("image.ovmf.page_size"));
  EXPECT_EQ(out_, "");
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

TEST_F(ImageCommands, SignsWithAKeyAtHandAndWithOneElsewhere) {
  ASSERT_EQ(build(), 0);
  make_signer();
  SignOptions at_hand;
  at_hand.certificate = folder_ / "signer.pem";
  at_hand.key = folder_ / "signer.key";
  at_hand.output = folder_ / "signed.eif";
  ASSERT_EQ(sign(at_hand), 0) << err_;
  const json::value made = json::parse(out_);
  InspectImageOptions inspected;
  inspected.image = at_hand.output;
  inspected.format = Output::kJson;
  ASSERT_EQ(captured([&] { return run_inspect_image(inspected); }), 0) << err_;
  EXPECT_EQ(json::parse(out_).at("pcrs").at("8"), made.at("pcrs").at("8"));
  EXPECT_EQ(json::parse(out_).at("pcrs").at("0"), made.at("pcrs").at("0"));

  SignOptions elsewhere;
  elsewhere.to_be_signed = folder_ / "image.tbs";
  ASSERT_EQ(sign(elsewhere), 0) << err_;
  std::ifstream file(elsewhere.to_be_signed, std::ios::binary);
  const std::string to_sign((std::istreambuf_iterator<char>(file)), {});
  const auto signature =
      signer_->sign(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kDer, as_bytes(to_sign));
  ASSERT_TRUE(signature);
  write("image.sig", as_text(*signature));
  SignOptions attach;
  attach.certificate = folder_ / "signer.pem";
  attach.signature = folder_ / "image.sig";
  attach.output = folder_ / "attached.eif";
  ASSERT_EQ(sign(attach), 0) << err_;
  EXPECT_EQ(json::parse(out_).at("pcrs"), made.at("pcrs"));
}

TEST_F(ImageCommands, RefusesToSignHalfWay) {
  ASSERT_EQ(build(), 0);
  make_signer();
  SignOptions options;
  const auto refused = [&](std::string_view id) {
    EXPECT_NE(sign(options), 0);
    EXPECT_THAT(err_, ::testing::HasSubstr(std::string(id)));
  };
  refused("sign.usage");
  options.key = folder_ / "signer.key";
  refused("sign.usage");
  options.certificate = folder_ / "signer.pem";
  refused("sign.usage");
  options.output = folder_ / "signed.eif";
  options.to_be_signed = folder_ / "image.tbs";
  refused("sign.usage");
  options.to_be_signed.clear();
  options.certificate = folder_ / "signer.key";
  refused("sign.usage");
  options.certificate = folder_ / "signer.pem";
  write("other.key", crypto::PrivateKey::generate(crypto::KeyType::kP256)->to_pem()->reveal());
  options.key = folder_ / "other.key";
  refused("sign.usage");
  write("other.key", crypto::PrivateKey::generate(crypto::KeyType::kP384)->to_pem()->reveal());
  refused("cose.signature");
  EXPECT_FALSE(fs::exists(options.output));
}

}  // namespace
}  // namespace gateway::cli
