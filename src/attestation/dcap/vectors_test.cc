// Real quotes of SGX and TDX platforms with Intel's real collateral, judged as their manifest says. Needs
// GATEWAY_VECTORS; says so loudly without.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "attestation/dcap/authenticate.h"
#include "attestation/dcap/chain.h"
#include "attestation/dcap/tcb_level.h"

namespace gateway::attestation::dcap {
namespace {

namespace json = boost::json;

struct Row {
  std::string path;
  std::string format;
  TimeWindow window;
  std::string verdict;
  json::object fields;
};

// "2024-05-16/eval17: platform OutOfDate, module TDX_01 OutOfDate ['INTEL-SA-00960']"
struct ExpectedTcb {
  std::string date;
  std::uint32_t evaluation = 0;
  std::string platform;
  std::string module;                   // "" when there is none
  std::vector<std::string> advisories;  // empty: not stated
};

Bytes read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return to_bytes(content.str());
}

std::optional<TimeWindow> window_of(const std::string& column) {
  const std::size_t gap = column.find(" .. ");
  if (gap == std::string::npos) return std::nullopt;
  const auto from = from_rfc3339(column.substr(0, gap));
  const auto to = from_rfc3339(column.substr(gap + 4));
  if (!from || !to) return std::nullopt;
  return TimeWindow{*from, *to};
}

std::vector<Row> read_manifest(const std::string& folder, std::string_view under) {
  std::vector<Row> rows;
  std::ifstream manifest(folder + "/MANIFEST.tsv");
  for (std::string line; std::getline(manifest, line);) {
    std::vector<std::string> columns;
    std::stringstream stream(line);
    for (std::string column; std::getline(stream, column, '\t');) columns.push_back(column);
    if (columns.size() < 9 || !columns[0].starts_with(under)) continue;
    Row row{.path = columns[0], .format = columns[2], .window = {}, .verdict = columns[7], .fields = {}};
    if (const auto window = window_of(columns[6])) row.window = *window;
    json::error_code error;
    const json::value fields = json::parse(columns[8], error);
    if (!error && fields.is_object()) row.fields = fields.as_object();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string until(std::string_view text, std::string_view any_of) {
  return std::string(text.substr(0, std::min(text.find_first_of(any_of), text.size())));
}

std::vector<ExpectedTcb> expected_tcbs(const std::string& verdict) {
  std::vector<ExpectedTcb> all;
  const std::size_t from = verdict.find("TCB: ");
  if (from == std::string::npos) return all;
  std::string text = verdict.substr(from + 5);
  text = text.substr(0, text.find("; QE id"));
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, '|');) {
    part = part.substr(part.find_first_not_of(' '));
    ExpectedTcb tcb;
    tcb.date = part.substr(0, 10);
    tcb.evaluation = static_cast<std::uint32_t>(std::stoul(part.substr(part.find("/eval") + 5)));
    tcb.platform = until(part.substr(part.find("platform ") + 9), " ,");
    if (const std::size_t module = part.find("module TDX_"); module != std::string::npos) {
      tcb.module = until(part.substr(module + 14), " ,");
    } else if (part.find("no TDX module identity") != std::string::npos) {
      tcb.module = "NotSupported";
    }
    for (std::size_t at = part.find("INTEL-"); at != std::string::npos; at = part.find("INTEL-", at + 1)) {
      tcb.advisories.push_back(until(part.substr(at), "'"));
    }
    all.push_back(std::move(tcb));
  }
  return all;
}

// The collections of other projects hold the parts of a reply side by side: put together as Intel serves them.
void add_bundle(Collateral& collateral, const json::object& bundle) {
  const auto text = [&](const char* name) { return std::string(bundle.at(name).as_string()); };
  collateral.tcb_infos.push_back(
      to_bytes(R"({"tcbInfo":)" + text("tcb_info") + R"(,"signature":")" + text("tcb_info_signature") + "\"}"));
  collateral.qe_identities.push_back(to_bytes(R"({"enclaveIdentity":)" + text("qe_identity") + R"(,"signature":")" +
                                              text("qe_identity_signature") + "\"}"));
}

class DcapVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("GATEWAY_VECTORS");
    if (folder == nullptr) {
      GTEST_SKIP() << "GATEWAY_VECTORS is not set: NO REAL QUOTE IS CHECKED. Set it to the folder of the vectors.";
    }
    folder_ = folder;
    quotes_ = read_manifest(folder_, "sgx/quotes/");
    const auto tdx = read_manifest(folder_, "tdx/quotes/");
    quotes_.insert(quotes_.end(), tdx.begin(), tdx.end());
    ASSERT_GE(quotes_.size(), 40U);
    for (const char* part : {"sgx/collateral", "tdx/collateral"}) add_collateral(folder_ + "/" + part);
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/sgx/certs")) {
      auto certificate = crypto::Certificate::from_der(read_all(entry.path()));
      if (certificate) all_.certificates.push_back(*std::move(certificate));
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/sgx/crl")) {
      auto crl = crypto::Crl::from_der(read_all(entry.path()));
      EXPECT_TRUE(crl) << entry.path() << " " << crl.error().message();
      if (crl) all_.crls.push_back(*std::move(crl));
    }
  }

  void add_collateral(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const Bytes file = read_all(entry.path());
      const std::string name = entry.path().filename();
      if (name.starts_with("full_")) add_bundle(all_, json::parse(as_text(file)).as_object());
      else if (name.starts_with("tcbinfo_")) all_.tcb_infos.push_back(file);
      else all_.qe_identities.push_back(file);
    }
  }

  Bytes quote(const Row& row) const { return read_all(folder_ + "/" + row.path); }
  static bool refused(const Row& row) {
    return row.verdict.find("crypto NOT ok") != std::string::npos || row.verdict.find("REJECT") != std::string::npos;
  }
  static Time middle(const TimeWindow& window) {
    return window.not_before + (window.not_after - window.not_before) / 2;
  }

  std::string folder_;
  std::vector<Row> quotes_;
  Collateral all_;  // everything that the collection holds
};

TEST_F(DcapVectors, AreAuthenticOrRefusedAsTheManifestSays) {
  std::map<std::string, int> refusals;
  for (const Row& row : quotes_) {
    SCOPED_TRACE(row.path);
    const Bytes bytes = quote(row);
    EXPECT_TRUE(looks_like_dcap_quote(bytes));
    const Time at =
        row.window.not_before == Time::min() ? from_rfc3339("2024-01-01T00:00:00Z").value() : middle(row.window);
    const auto parsed = parse_quote(bytes);
    const auto claims = parsed ? authenticate(*parsed, {}, at) : std::unexpected(parsed.error());
    EXPECT_EQ(claims.has_value(), !refused(row)) << (claims ? "" : claims.error().message());
    if (!claims) {
      ++refusals[std::string(claims.error().id())];
      continue;
    }
    EXPECT_EQ(claims->debug(), row.verdict.find("DEBUG") != std::string::npos);
    EXPECT_EQ(claims->tcb()->status, "Unknown");
    EXPECT_EQ(claims->revocation(), Revocation::kUnknown);
    EXPECT_EQ(claims->platform(), row.path.starts_with("tdx/") ? Platform::kTdx : Platform::kSgx);
  }
  for (const auto& [id, count] : refusals) RecordProperty(id, count);
  EXPECT_EQ(refusals["dcap.certification_data_type"], 3);
  EXPECT_EQ(refusals["dcap.quote.signature"], 1);
}

TEST_F(DcapVectors, HaveTheFieldsThatTheManifestLists) {
  const auto text = [](const json::object& fields, const char* name) {
    return std::string(fields.at(name).as_string());
  };
  for (const Row& row : quotes_) {
    if (refused(row)) continue;
    SCOPED_TRACE(row.path);
    const Bytes bytes = quote(row);
    const auto parsed = parse_quote(bytes);
    ASSERT_TRUE(parsed);
    const auto claims = authenticate(*parsed, {}, middle(row.window));
    ASSERT_TRUE(claims);
    const json::object& pck = row.fields.at("pck").as_object();
    const DcapPlatform& platform = parsed->tee == Tee::kTdx ? claims->tdx().platform : claims->sgx().platform;
    EXPECT_EQ(to_hex(platform.fmspc), text(pck, "fmspc"));
    EXPECT_EQ(to_hex(platform.pce_id), text(pck, "pceid"));
    EXPECT_EQ(to_hex(platform.ppid), text(pck, "ppid"));
    EXPECT_EQ(to_hex(platform.cpu_svn), text(pck, "cpusvn"));
    EXPECT_EQ(platform.pce_svn, pck.at("pcesvn").as_int64());
    EXPECT_EQ(platform.pck_ca, text(row.fields, "ca"));
    EXPECT_EQ(platform.qe_isv_svn, row.fields.at("qe_isvsvn").as_int64());
    EXPECT_EQ(platform.quote_version, row.fields.at("quote_version").as_int64());
    if (parsed->tee == Tee::kTdx) {
      const TdxClaims& tdx = claims->tdx();
      EXPECT_EQ(to_hex(tdx.tee_tcb_svn), text(row.fields, "tee_tcb_svn"));
      EXPECT_EQ(to_hex(tdx.mr_seam), text(row.fields, "mrseam"));
      EXPECT_EQ(to_hex(tdx.td_attributes), text(row.fields, "td_attr"));
      EXPECT_EQ(to_hex(tdx.xfam), text(row.fields, "xfam"));
      EXPECT_EQ(to_hex(tdx.mr_td), text(row.fields, "mrtd"));
      EXPECT_EQ(to_hex(tdx.mr_config_id), text(row.fields, "mrconfigid"));
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(to_hex(tdx.rtmr.at(i)), text(row.fields, ("rtmr" + std::to_string(i)).c_str()));
      }
      EXPECT_EQ(to_hex(tdx.report_data), text(row.fields, "report_data"));
      EXPECT_EQ(tdx.mr_service_td.has_value(), row.path.find("tdx1.5") != std::string::npos);
      if (tdx.mr_service_td) {
        EXPECT_EQ(to_hex(*tdx.mr_service_td), text(row.fields, "mrservicetd"));
        EXPECT_EQ(to_hex(*tdx.tee_tcb_svn_2), text(row.fields, "tee_tcb_svn2"));
      }
    } else {
      const SgxReportBody& sgx = claims->sgx().report;
      EXPECT_EQ(to_hex(sgx.mr_enclave), text(row.fields, "mrenclave"));
      EXPECT_EQ(to_hex(sgx.mr_signer), text(row.fields, "mrsigner"));
      EXPECT_EQ(to_hex(sgx.attributes), text(row.fields, "attributes"));
      EXPECT_EQ(sgx.isv_prod_id, row.fields.at("isvprodid").as_int64());
      EXPECT_EQ(sgx.isv_svn, row.fields.at("isvsvn").as_int64());
      EXPECT_EQ(to_hex(sgx.report_data), text(row.fields, "report_data"));
    }
  }
}

// Every status that the manifest lists and whose TCB info is in the collection, whenever the PCK certificate was made.
TEST_F(DcapVectors, MatchTheTcbLevelsThatTheManifestLists) {
  int judged = 0;
  for (const Row& row : quotes_) {
    if (refused(row)) continue;
    SCOPED_TRACE(row.path);
    const Bytes bytes = quote(row);
    const auto parsed = parse_quote(bytes);
    ASSERT_TRUE(parsed);
    CheckList checks;
    const auto chain = verify_pck_chain(parsed->certification_data, intel_root(), middle(row.window), checks);
    ASSERT_TRUE(chain);
    PlatformSvns svns{.sgx_components = chain->pck.tcb_components,
                      .pce_svn = chain->pck.pce_svn,
                      .tee_tcb_svn = {},
                      .tee_tcb_svn_2 = {},
                      .qe_isv_svn = parsed->qe.isv_svn};
    if (parsed->tee == Tee::kTdx) {
      svns.tee_tcb_svn = parsed->tdx().tee_tcb_svn;
      svns.tee_tcb_svn_2 = parsed->tdx().tee_tcb_svn_2;
    }
    for (const ExpectedTcb& expected : expected_tcbs(row.verdict)) {
      SCOPED_TRACE(expected.date + "/" + std::to_string(expected.evaluation));
      for (const Bytes& file : all_.tcb_infos) {
        const auto info = parse_tcb_info(file);
        if (!info || info->tee != parsed->tee || info->fmspc != chain->pck.fmspc) continue;
        if (to_rfc3339(info->window.not_before).substr(0, 10) != expected.date) continue;
        if (info->evaluation_number != expected.evaluation) continue;
        const TcbVerdict verdict = evaluate_tcb(*info, nullptr, svns);
        const bool unsupported = expected.platform == "NotSupported" || expected.module == "NotSupported";
        EXPECT_EQ(verdict.platform ? to_string(*verdict.platform) : "NotSupported", expected.platform);
        if (!expected.module.empty()) {
          EXPECT_EQ(verdict.tdx_module ? to_string(*verdict.tdx_module) : "NotSupported", expected.module);
        }
        EXPECT_EQ(verdict.status == TcbStatus::kNotSupported, unsupported);
        if (!expected.advisories.empty()) {
          EXPECT_EQ(verdict.advisories, expected.advisories);
        }
        ++judged;
      }
    }
  }
  EXPECT_GE(judged, 40);
}

// The whole way, with everything that the collection holds, at the time of each TCB info that the manifest lists.
TEST_F(DcapVectors, HaveTheStatusOfTheirTimeWithAllCollateral) {
  int judged = 0;
  const auto cache = make_cache();
  for (const Row& row : quotes_) {
    if (refused(row)) continue;
    SCOPED_TRACE(row.path);
    const Bytes bytes = quote(row);
    const auto parsed = parse_quote(bytes);
    ASSERT_TRUE(parsed);
    for (const ExpectedTcb& expected : expected_tcbs(row.verdict)) {
      SCOPED_TRACE(expected.date + "/" + std::to_string(expected.evaluation));
      const Time at = from_rfc3339(expected.date + "T23:59:59Z").value();
      const auto claims = authenticate(*parsed, all_, at, cache.get());
      if (!row.window.contains(at)) {
        ASSERT_FALSE(claims);
        EXPECT_EQ(claims.error().id(), "dcap.chain.validity");
        continue;
      }
      ASSERT_TRUE(claims) << claims.error().message();
      const TcbStatement& tcb = *claims->tcb();
      if (tcb.status == "Unknown") continue;                       // its TCB info is not in the collection
      if (tcb.evaluation_number != expected.evaluation) continue;  // a higher one applies at that time as well
      EXPECT_EQ(tcb.platform_status.value_or("NotSupported"), expected.platform);
      if (!expected.advisories.empty()) {
        EXPECT_EQ(tcb.advisories, expected.advisories);
      }
      EXPECT_TRUE(claims->validity().contains(at));
      ++judged;
    }
  }
  EXPECT_GE(judged, 20);
}

// Intel's own samples are under its test root: refused, whatever their collateral.
TEST_F(DcapVectors, RefuseIntelsSamplesUnderTheProductionRoot) {
  for (const char* sample : {"sgx/intel_qvl_sample", "tdx/intel_qvl_sample"}) {
    SCOPED_TRACE(sample);
    const std::string folder = folder_ + "/" + sample;
    const Bytes bytes = read_all(folder + "/quote.dat");
    const auto parsed = parse_quote(bytes);
    if (!parsed) {
      EXPECT_EQ(parsed.error().id(), "dcap.certification_data_type");  // SGX: a PPID, no chain
      continue;
    }
    const auto claims = authenticate(*parsed, all_, from_rfc3339("2024-01-01T00:00:00Z").value());
    ASSERT_FALSE(claims);
    EXPECT_EQ(claims.error().id(), "dcap.chain.pem");  // TDX: its chain is DER
  }
}

// Drivers pad quotes with zeros to their buffer's size.
TEST_F(DcapVectors, ArePaddedWithZerosAtMost) {
  for (const char* path : {"sgx/padded/occlum_quote_4733.dat", "tdx/padded/cos-113-tdx-quote_8000.dat",
                           "tdx/padded/trustee_tdx_quote_5_5006.dat"}) {
    SCOPED_TRACE(path);
    Bytes bytes = read_all(folder_ + "/" + path);
    EXPECT_TRUE(parse_quote(bytes)) << parse_quote(bytes).error().message();
    bytes.push_back(0);
    EXPECT_TRUE(parse_quote(bytes));
    bytes.back() = 1;
    const auto parsed = parse_quote(bytes);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().id(), "dcap.quote.trailing");
  }
}

// Whether a file is malformed or its signature is merely another's: only what parses is ever compared with a key.
TEST_F(DcapVectors, RefuseMalformedCollateral) {
  int refused = 0;
  for (const Row& row : read_manifest(folder_, "sgx/collateral_malformed/")) {
    SCOPED_TRACE(row.path);
    const Bytes file = quote(row);
    const bool identity = row.path.find("qeidentity_data") != std::string::npos;
    const auto error = [&]() -> std::optional<Error> {
      if (identity) {
        auto parsed = parse_qe_identity(file);
        return parsed ? std::nullopt : std::optional(parsed.error());
      }
      auto parsed = parse_tcb_info(file);
      return parsed ? std::nullopt : std::optional(parsed.error());
    }();
    // Version 1 of both is refused as such (docs/platforms/sgx.md).
    const bool version1 = row.path.find("_v2_") == std::string::npos;
    EXPECT_EQ(error.has_value(), row.verdict.starts_with("REJECT") || version1) << (error ? error->message() : "");
    if (error) ++refused;
  }
  EXPECT_GE(refused, 40);
}

// All of Intel's production documents verify under its TCB signing certificates; those of its test PKI do not.
TEST_F(DcapVectors, VerifyTheSignaturesOfProductionCollateralAlone) {
  std::vector<crypto::PublicKey> keys;
  for (const crypto::Certificate& certificate : all_.certificates) {
    if (certificate.subject_common_name() == "Intel SGX TCB Signing" &&
        certificate.verify_signed_by(intel_root().public_key())) {
      keys.push_back(certificate.public_key());
    }
  }
  ASSERT_EQ(keys.size(), 2U);
  const auto verified = [&](const SignedBody& body) {
    return std::ranges::any_of(keys, [&](const auto& key) { return verify_signature(body, key).has_value(); });
  };
  for (const char* part : {"sgx/collateral/", "tdx/collateral/"}) {
    for (const Row& row : read_manifest(folder_, part)) {
      SCOPED_TRACE(row.path);
      const bool production = row.path.find("NONPROD") == std::string::npos;
      const Bytes file = quote(row);
      if (row.path.find("/tcbinfo_") != std::string::npos) {
        const auto info = parse_tcb_info(file);
        if (row.path.find("_v1_") != std::string::npos) {
          ASSERT_FALSE(info);
          EXPECT_EQ(info.error().id(), "dcap.tcb_info.version");
          continue;
        }
        EXPECT_EQ(info && verified(info->signed_body), production) << (info ? "" : info.error().message());
      } else if (row.path.find("/qeid_") != std::string::npos) {
        const auto identity = parse_qe_identity(file);
        ASSERT_TRUE(identity) << identity.error().message();
        EXPECT_EQ(verified(identity->signed_body), production);
      }
    }
  }
}

}  // namespace
}  // namespace gateway::attestation::dcap
