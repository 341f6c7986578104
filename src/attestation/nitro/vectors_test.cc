// Real documents of AWS's hypervisors, judged as their manifest says. Needs GATEWAY_VECTORS; says so loudly without.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "attestation/verification_json.h"
#include "attestation/verify.h"

namespace gateway::attestation {
namespace {

namespace json = boost::json;

struct Vector {
  std::string path;
  TimeWindow window;
  std::string verdict;
  json::object fields;
};

Bytes read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return to_bytes(content.str());
}

std::vector<Vector> read_manifest(const std::string& folder) {
  std::vector<Vector> vectors;
  std::ifstream manifest(folder + "/MANIFEST.tsv");
  for (std::string line; std::getline(manifest, line);) {
    std::vector<std::string> columns;
    std::stringstream stream(line);
    for (std::string column; std::getline(stream, column, '\t');) columns.push_back(column);
    if (columns.size() < 9 || columns[1] != "nitro" || !columns[0].ends_with(".cbor")) continue;
    Vector vector{.path = folder + "/" + columns[0], .window = {}, .verdict = columns[7], .fields = {}};
    const std::size_t gap = columns[6].find(" .. ");
    vector.window.not_before = from_rfc3339(columns[6].substr(0, gap)).value();
    vector.window.not_after = from_rfc3339(columns[6].substr(gap + 4)).value();
    vector.fields = json::parse(columns[8]).as_object();
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

class NitroVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) {
      GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL DOCUMENT IS CHECKED. Set it to the folder of the vectors.";
    }
    vectors_ = read_manifest(folder);
    ASSERT_GE(vectors_.size(), 11U);
  }
  static bool malformed(const Vector& vector) { return vector.verdict.starts_with("REJECT"); }
  static bool debug(const Vector& vector) { return vector.verdict.find("DEBUG") != std::string::npos; }
  static Verification judge(ByteView evidence, Time at, const Policy* policy = nullptr) {
    VerifyInputs inputs{.at = at,
                        .platform = {},
                        .nitro = {},
                        .collateral = nullptr,
                        .expected_nonce = {},
                        .expected_report_data = {},
                        .config_digest = {},
                        .caches = nullptr};
    return verify(evidence, policy, inputs);
  }
  std::vector<Vector> vectors_;
};

TEST_F(NitroVectors, AreAuthenticInsideTheirWindowAsTheManifestSays) {
  for (const Vector& vector : vectors_) {
    const Bytes evidence = read_all(vector.path);
    for (const Time at : {vector.window.not_before, vector.window.not_after}) {
      const Verification verification = judge(evidence, at);
      EXPECT_EQ(verification.authentic, !malformed(vector)) << vector.path;
      if (malformed(vector)) continue;
      ASSERT_TRUE(verification.claims) << vector.path;
      EXPECT_EQ(verification.platform, Platform::kNitro);
      EXPECT_EQ(verification.claims->debug(), debug(vector)) << vector.path;
      EXPECT_EQ(verification.claims->validity().not_before, vector.window.not_before) << vector.path;
      EXPECT_EQ(verification.claims->validity().not_after, vector.window.not_after) << vector.path;
      EXPECT_TRUE(verification.claims->nitro().region) << vector.path;
    }
  }
}

TEST_F(NitroVectors, AreRefusedOutsideTheirWindow) {
  for (const Vector& vector : vectors_) {
    if (malformed(vector)) continue;
    const Bytes evidence = read_all(vector.path);
    for (const Time at :
         {vector.window.not_before - std::chrono::seconds(1), vector.window.not_after + std::chrono::seconds(1)}) {
      const Verification verification = judge(evidence, at);
      EXPECT_EQ(verification.authentic, false) << vector.path;
      EXPECT_EQ(verification.reason->id(), "nitro.chain.validity") << vector.path;
    }
  }
}

TEST_F(NitroVectors, SayWhatTheManifestDecoded) {
  for (const Vector& vector : vectors_) {
    if (malformed(vector)) continue;
    const Bytes evidence = read_all(vector.path);
    const Verification verification = judge(evidence, vector.window.not_before);
    ASSERT_TRUE(verification.claims);
    const json::object claims = claims_json(*verification.claims);
    for (const char* key : {"module_id", "timestamp"}) EXPECT_EQ(claims.at(key), vector.fields.at(key)) << vector.path;
    for (const auto& [index, value] : vector.fields.at("pcrs").as_object()) {
      EXPECT_EQ(claims.at("pcrs").at(index), value) << vector.path << " PCR" << index;
    }
    for (const char* key : {"user_data", "nonce", "public_key"}) {
      const json::value& expected = vector.fields.at(key);
      if (!expected.is_string()) {
        EXPECT_EQ(claims.at(key), expected) << vector.path << " " << key;
        continue;
      }
      // The manifest cuts long fields: "…first bytes...(256 bytes)".
      const std::string_view text(expected.as_string());
      const std::string_view start = text.substr(0, text.find("..."));
      EXPECT_TRUE(std::string_view(claims.at(key).as_string()).starts_with(start)) << vector.path << " " << key;
    }
  }
}

TEST_F(NitroVectors, AreRefusedWithOneBitChanged) {
  const Bytes evidence = read_all(vectors_.front().path);
  // A bit every 97 bytes: header, payload, certificates and signature are all hit.
  for (std::size_t at = 0; at < evidence.size(); at += 97) {
    Bytes changed = evidence;
    changed[at] ^= 4U;
    EXPECT_EQ(judge(changed, vectors_.front().window.not_before).authentic, false) << at;
  }
}

TEST_F(NitroVectors, AreAffirmedByTheirOwnMeasurementsAlone) {
  for (const Vector& vector : vectors_) {
    if (malformed(vector)) continue;
    const Bytes evidence = read_all(vector.path);
    const auto& pcrs = vector.fields.at("pcrs").as_object();
    const auto policy_text = [&](bool allow_debug) {
      std::string text = "[[accept]]\nplatform = \"nitro\"\nmax_age = \"3h\"\nmeasurements = { ";
      for (const char* index : {"0", "1", "2", "4"}) {
        text += std::string("\"") + index + "\" = \"" + std::string(pcrs.at(index).as_string()) + "\", ";
      }
      text.resize(text.size() - 2);
      return text + " }\n" + (allow_debug ? "debug = true\n" : "");
    };
    const Policy strict = Policy::parse(policy_text(false), "policy.toml").value();
    const Policy loose = Policy::parse(policy_text(true), "policy.toml").value();
    const Verification judged = judge(evidence, vector.window.not_before, &strict);
    EXPECT_EQ(judged.result.has_value(), !debug(vector)) << vector.path;
    EXPECT_EQ(judged.reason ? judged.reason->id() : "", debug(vector) ? "policy.debug" : "") << vector.path;
    const Verification allowed = judge(evidence, vector.window.not_before, &loose);
    EXPECT_EQ(allowed.appraisal, debug(vector) ? AppraisalStatus::kWarning : AppraisalStatus::kAffirming)
        << vector.path;
  }
}

TEST_F(NitroVectors, HoldTheAnchorThatIsBuiltIn) {
  const Bytes der = read_all(std::string(std::getenv("GATEWAY_VECTORS")) + "/anchors/aws-nitro-root-g1.der");
  EXPECT_EQ(nitro::aws_root().der(), der);
}

}  // namespace
}  // namespace gateway::attestation
