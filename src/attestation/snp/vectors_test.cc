// Real reports, where GATEWAY_VECTORS points at them: each judged as the manifest says. Never copied into the tree.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "attestation/snp/authenticate.h"
#include "attestation/snp/chain.h"
#include "attestation/snp/roots.h"
#include "attestation/testing/fake_amd.h"

namespace gateway::attestation::snp {
namespace {

namespace json = boost::json;

Bytes read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return to_bytes(content.str());
}

struct Vector {
  std::filesystem::path path;
  std::optional<TimeWindow> window;  // of the endorsement; none: there is no endorsement for it
  json::object fields;
  bool endorsed() const { return window.has_value(); }
};

std::vector<Vector> read_manifest(const std::string& folder) {
  std::vector<Vector> vectors;
  std::ifstream manifest(folder + "/MANIFEST.tsv");
  for (std::string line; std::getline(manifest, line);) {
    std::vector<std::string> columns;
    std::stringstream stream(line);
    for (std::string column; std::getline(stream, column, '\t');) columns.push_back(column);
    if (columns.size() < 9 || !columns[0].starts_with("snp/reports/") || !columns[0].ends_with(".bin")) continue;
    Vector vector{.path = folder + "/" + columns[0], .window = {}, .fields = json::parse(columns[8]).as_object()};
    if (const std::size_t gap = columns[6].find(" .. "); gap != std::string::npos) {
      vector.window = TimeWindow{.not_before = from_rfc3339(columns[6].substr(0, gap)).value(),
                                 .not_after = from_rfc3339(columns[6].substr(gap + 4)).value()};
    }
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

class SnpVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) {
      GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL REPORT IS CHECKED. Set it to the folder of the vectors.";
    }
    folder_ = folder;
    vectors_ = read_manifest(folder_);
    ASSERT_GE(vectors_.size(), 16U);
    for (const Vector& vector : vectors_) {
      if (vector.endorsed()) everything_.certificates.push_back(certificate(endorsement_path(vector)));
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/snp/certs")) {
      everything_.certificates.push_back(certificate(entry.path()));
    }
  }
  static std::filesystem::path endorsement_path(const Vector& vector) {
    std::filesystem::path path = vector.path;
    path.replace_extension(vector.fields.at("signing_key").as_int64() == 1 ? ".vlek.der" : ".vcek.der");
    return path;
  }
  static crypto::Certificate certificate(const std::filesystem::path& path) {
    return crypto::Certificate::from_der(read_all(path)).value();
  }
  static Collateral alone(const crypto::Certificate& certificate) {
    Collateral collateral;
    collateral.certificates.push_back(certificate);
    return collateral;
  }
  static Collateral own(const Vector& vector) { return alone(certificate(endorsement_path(vector))); }
  static Result<Claims> judge(ByteView evidence, const Collateral& collateral, Time at, ChainCache* cache = nullptr) {
    GATEWAY_ASSIGN(const UnverifiedEvidence parsed, parse_evidence(evidence));
    return authenticate(parsed, collateral, at, cache);
  }
  std::string folder_;
  std::vector<Vector> vectors_;
  Collateral everything_;
};

TEST_F(SnpVectors, AreAuthenticInsideTheirWindowAsTheManifestSays) {
  const auto cache = make_chain_cache();
  for (const Vector& vector : vectors_) {
    if (!vector.endorsed()) continue;
    const Bytes evidence = read_all(vector.path);
    for (const Time at : {vector.window->not_before, vector.window->not_after}) {
      for (const Collateral& collateral : {own(vector), everything_}) {
        for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get(), cache.get()}) {
          const auto claims = judge(evidence, collateral, at, used);
          ASSERT_TRUE(claims) << vector.path << " " << claims.error().message();
          EXPECT_EQ(claims->platform(), Platform::kSnp);
          EXPECT_EQ(claims->debug(), vector.fields.at("debug").as_bool()) << vector.path;
          EXPECT_EQ(claims->validity().not_before, vector.window->not_before);
          EXPECT_EQ(claims->validity().not_after, vector.window->not_after);
          EXPECT_EQ(claims->revocation(), Revocation::kUnknown);
        }
      }
    }
  }
}

TEST_F(SnpVectors, AreRefusedOutsideTheirWindow) {
  const auto cache = make_chain_cache();
  for (const Vector& vector : vectors_) {
    if (!vector.endorsed()) continue;
    const Bytes evidence = read_all(vector.path);
    ASSERT_TRUE(judge(evidence, own(vector), vector.window->not_before, cache.get()));
    for (const Time at :
         {vector.window->not_before - std::chrono::seconds(1), vector.window->not_after + std::chrono::seconds(1)}) {
      for (ChainCache* used : {static_cast<ChainCache*>(nullptr), cache.get()}) {
        const auto refused = judge(evidence, own(vector), at, used);
        ASSERT_FALSE(refused) << vector.path;
        EXPECT_EQ(refused.error().id(), "snp.chain.validity") << vector.path;
        EXPECT_EQ(refused.error().code(), ErrorCode::kExpired) << vector.path;
      }
    }
  }
}

TEST_F(SnpVectors, SayWhatTheManifestDecoded) {
  for (const Vector& vector : vectors_) {
    if (!vector.endorsed()) continue;
    const Bytes evidence = read_all(vector.path);
    const auto claims = judge(evidence, own(vector), vector.window->not_before);
    ASSERT_TRUE(claims) << vector.path;
    const SnpClaims& snp = claims->snp();
    const auto text = [&](const char* key) { return std::string(vector.fields.at(key).as_string()); };
    EXPECT_EQ(snp.version, vector.fields.at("version").as_int64()) << vector.path;
    EXPECT_EQ(snp.vmpl, vector.fields.at("vmpl").as_int64()) << vector.path;
    EXPECT_EQ(snp.guest_svn, vector.fields.at("guest_svn").as_int64()) << vector.path;
    EXPECT_EQ(snp.policy.raw, std::stoull(text("policy"), nullptr, 16)) << vector.path;
    EXPECT_EQ(snp.platform_info.raw, std::stoull(text("plat_info"), nullptr, 16)) << vector.path;
    EXPECT_EQ(to_hex(snp.chip_id), text("chip_id")) << vector.path;
    EXPECT_EQ(to_hex(snp.measurement), text("measurement")) << vector.path;
    EXPECT_EQ(to_hex(snp.report_data), text("report_data")) << vector.path;
    EXPECT_EQ(to_hex(snp.host_data), text("host_data")) << vector.path;
    EXPECT_EQ(to_hex(snp.report_id), text("report_id")) << vector.path;
    const json::object& tcb = vector.fields.at("tcb_decoded").as_object();
    EXPECT_EQ(snp.reported_tcb.boot_loader, tcb.at("bl").as_int64()) << vector.path;
    EXPECT_EQ(snp.reported_tcb.tee, tcb.at("tee").as_int64()) << vector.path;
    EXPECT_EQ(snp.reported_tcb.snp, tcb.at("snp").as_int64()) << vector.path;
    EXPECT_EQ(snp.reported_tcb.microcode, tcb.at("uc").as_int64()) << vector.path;
    const auto& version = snp.current_version;
    EXPECT_EQ(std::to_string(version.major) + "." + std::to_string(version.minor) + "." + std::to_string(version.build),
              text("cur_ver"));
    const std::string_view product(vector.fields.at("vcek_ext").at("prod").as_string());
    EXPECT_TRUE(product.starts_with(to_string(snp.product))) << vector.path;
  }
}

TEST_F(SnpVectors, AreUndecidedWithoutAnEndorsement) {
  const Time at = from_rfc3339("2025-09-01T00:00:00Z").value();
  for (const Vector& vector : vectors_) {
    const Bytes evidence = read_all(vector.path);
    const auto nothing = judge(evidence, {}, at);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().id(), "snp.endorsement_missing") << vector.path;
    EXPECT_EQ(nothing.error().code(), ErrorCode::kUnavailable) << vector.path;
    if (vector.endorsed()) continue;
    const auto others = judge(evidence, everything_, at);
    ASSERT_FALSE(others) << vector.path;
    EXPECT_EQ(others.error().id(), "snp.endorsement_missing") << vector.path;
  }
}

TEST_F(SnpVectors, AreRefusedWithTheEndorsementOfAnother) {
  const Time at = from_rfc3339("2025-09-01T00:00:00Z").value();
  for (const Vector& vector : vectors_) {
    const Bytes evidence = read_all(vector.path);
    if (vector.path.string().find("_oak_c7ff0a93") != std::string::npos) {
      std::filesystem::path other = vector.path;
      const auto wrong = judge(evidence, alone(certificate(other.replace_extension(".WRONGTCB.vcek.der"))), at);
      ASSERT_FALSE(wrong);
      EXPECT_EQ(wrong.error().id(), "snp.endorsement.tcb");
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/snp/certs")) {
      const auto swapped = judge(evidence, alone(certificate(entry.path())), at);
      ASSERT_FALSE(swapped) << vector.path << " " << entry.path();
      const bool vlek = vector.fields.at("signing_key").as_int64() == 1;
      const bool genoa = vector.path.filename().string().starts_with("genoa");
      EXPECT_EQ(swapped.error().id(), vlek    ? "snp.endorsement.kind"
                                      : genoa ? "snp.endorsement.product"
                                              : "snp.endorsement.hwid");
    }
  }
}

TEST_F(SnpVectors, AreRefusedWithAnyBitOfTheSignedRegionChanged) {
  bool first = true;
  for (const Vector& vector : vectors_) {
    if (!vector.endorsed()) continue;
    const Bytes evidence = read_all(vector.path);
    const Collateral collateral = own(vector);
    const auto cache = make_chain_cache();
    ASSERT_TRUE(judge(evidence, collateral, vector.window->not_before, cache.get()));
    // Every bit of the first file, one in 89 of the others.
    for (std::size_t bit = 0; bit < kSignedSize * 8; bit += first ? 1 : 89) {
      Bytes changed = evidence;
      changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const auto refused = judge(changed, collateral, vector.window->not_before, cache.get());
      ASSERT_FALSE(refused) << vector.path << " " << bit;
      EXPECT_NE(refused.error().code(), ErrorCode::kUnavailable) << vector.path << " " << bit;
    }
    first = false;
  }
}

TEST_F(SnpVectors, AreRefusedCutShortOrContinued) {
  const Bytes evidence = read_all(vectors_.front().path);
  for (std::size_t size = 0; size < evidence.size(); ++size)
    EXPECT_FALSE(parse_evidence(ByteView(evidence).first(size)));
  for (const std::size_t more : {1UZ, 23UZ, 24UZ, 4096UZ}) {
    for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{0xff}}) {
      Bytes longer = evidence;
      longer.insert(longer.end(), more, fill);
      EXPECT_FALSE(parse_evidence(longer)) << more;
    }
  }
}

Bytes numbers(const json::value& array) {
  Bytes bytes;
  for (const json::value& one : array.as_array()) bytes.push_back(static_cast<std::uint8_t>(one.as_int64()));
  return bytes;
}

// Confidential Containers send the fields in JSON, with the VCEK: written back, they are a report and its table.
Bytes rebuilt(const json::object& evidence) {
  const json::object& report = evidence.at("attestation_report").as_object();
  ByteWriter writer;
  const auto number = [&](const char* name) { return static_cast<std::uint64_t>(report.at(name).as_int64()); };
  const auto u32 = [&](const char* name) { writer.u32le(static_cast<std::uint32_t>(number(name))); };
  const auto byte = [&](const json::value& value) { writer.u8(static_cast<std::uint8_t>(value.as_int64())); };
  const auto tcb = [&](const char* name) {
    const json::object& parts = report.at(name).as_object();
    for (const char* part : {"bootloader", "tee"}) byte(parts.at(part));
    writer.zeros(4);
    for (const char* part : {"snp", "microcode"}) byte(parts.at(part));
  };
  for (const char* name : {"version", "guest_svn"}) u32(name);
  writer.u64le(number("policy"));
  for (const char* name : {"family_id", "image_id"}) writer.put(numbers(report.at(name)));
  for (const char* name : {"vmpl", "sig_algo"}) u32(name);
  tcb("current_tcb");
  writer.u64le(number("plat_info"));
  u32("key_info");
  writer.zeros(4);
  for (const char* name :
       {"report_data", "measurement", "host_data", "id_key_digest", "author_key_digest", "report_id", "report_id_ma"}) {
    writer.put(numbers(report.at(name)));
  }
  tcb("reported_tcb");
  for (const char* name : {"cpuid_fam_id", "cpuid_mod_id", "cpuid_step"}) byte(report.at(name));
  writer.zeros(21);
  writer.put(numbers(report.at("chip_id")));
  tcb("committed_tcb");
  for (const char* name : {"current", "committed"}) {
    for (const char* part : {"build", "minor", "major"}) byte(report.at(name).at(part));
    writer.zeros(1);
  }
  tcb("launch_tcb");
  writer.zeros(kSignedSize - writer.bytes().size());
  for (const char* scalar : {"r", "s"}) writer.put(numbers(report.at("signature").at(scalar)));
  writer.zeros(kReportSize - writer.bytes().size());
  const Bytes vcek = numbers(evidence.at("cert_chain").as_array().at(0).at("data"));
  writer.put(attestation::testing::certificate_table({{attestation::testing::kVcekGuid, vcek}}));
  return std::move(writer).take();
}

// A sibling of Genoa's (family 19h, model a0h) under Genoa's roots, its VCEK in the table.
TEST_F(SnpVectors, HoldASiblingOfGenoa) {
  const Bytes text = read_all(folder_ + "/snp/trustee_e2e_evidence_genoa.json");
  const Bytes evidence = rebuilt(json::parse(as_text(text)).as_object());
  const auto claims = judge(evidence, {}, from_rfc3339("2025-09-01T00:00:00Z").value());
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_EQ(claims->snp().product, SnpProduct::kGenoa);
  EXPECT_EQ(claims->snp().cpuid_model, 0xa0);
}

// Azure's evidence from TDX guests: another report inside, the same vTPM around it.
TEST_F(SnpVectors, HoldAVtpmsQuoteToTheRuntimeData) {
  const Bytes input = read_all(folder_ + "/tdx/az_vtpm/evidence-v1.json");
  EXPECT_FALSE(looks_like_snp(input));
  CheckList checks;
  auto evidence = parse_azure_vtpm(input, checks);
  ASSERT_TRUE(evidence) << evidence.error().message();
  ASSERT_EQ(evidence->hcl_report.size(), 2600U);
  const ByteView runtime_data = ByteView(evidence->hcl_report).subspan(0x4d4, 1201);
  const auto vtpm = bind_azure_vtpm(*evidence, runtime_data, checks);
  ASSERT_TRUE(vtpm) << vtpm.error().message();
  EXPECT_EQ(as_text(vtpm->nonce), "challenge");
  EXPECT_EQ(vtpm->pcrs.size(), 24U);
  evidence->quote_signature[0] ^= 1U;
  EXPECT_EQ(bind_azure_vtpm(*evidence, runtime_data, checks).error().id(), "snp.vtpm.signature");
}

TEST_F(SnpVectors, HoldTheAnchorsThatAreBuiltIn) {
  const auto der = [&](const std::string& name) { return read_all(folder_ + "/anchors/amd-" + name + ".der"); };
  for (const ProductRoots& roots : amd_roots()) {
    std::string product(to_string(roots.product));
    product[0] = static_cast<char>(std::tolower(product[0]));
    EXPECT_EQ(roots.ark.der(), der("ark-" + product));
    EXPECT_EQ(roots.ask.der(), der("ask-vcek-" + product));
    EXPECT_EQ(roots.asvk.der(), der("asvk-vlek-" + product));
  }
}

}  // namespace
}  // namespace gateway::attestation::snp
