#include "attestation/testing/fake_intel.h"

#include <algorithm>
#include <cstdlib>

#include "attestation/sgx/report.h"
#include "attestation/tdx/report.h"
#include "codec/der.h"
#include "crypto/crl_for_test.h"

namespace gateway::attestation::testing {
namespace {

namespace tag = codec::der_tag;
using dcap::PckExtensions;

// Test data that cannot be made is a broken test: stop where it happens.
template <class T>
T must(Result<T> result) {
  if (!result) std::abort();
  return std::move(*result);
}

std::string name_of(IntelCertificate which, bool processor_ca) {
  switch (which) {
    case IntelCertificate::kRootCa: return "Intel SGX Root CA";
    case IntelCertificate::kPckCa: return processor_ca ? "Intel SGX PCK Processor CA" : "Intel SGX PCK Platform CA";
    case IntelCertificate::kPck: return "Intel SGX PCK Certificate";
    case IntelCertificate::kTcbSigning: return "Intel SGX TCB Signing";
  }
  return {};
}

IntelCertificate issuer_of(IntelCertificate which) {
  return which == IntelCertificate::kPck ? IntelCertificate::kPckCa : IntelCertificate::kRootCa;
}

TimeWindow window_of(IntelCertificate which, Time now) {
  const Time start = std::chrono::floor<std::chrono::seconds>(now);
  switch (which) {
    case IntelCertificate::kRootCa: return {start - std::chrono::days(3000), start + std::chrono::days(8000)};
    case IntelCertificate::kPckCa: return {start - std::chrono::days(2900), start + std::chrono::days(2500)};
    case IntelCertificate::kTcbSigning: return {start - std::chrono::days(400), start + std::chrono::days(2000)};
    case IntelCertificate::kPck: return {start - std::chrono::days(300), start + std::chrono::days(2200)};
  }
  return {};
}

crypto::Certificate sign_again(const crypto::Certificate& certificate, const crypto::PrivateKey& issuer,
                               const std::function<void(Bytes&)>& change) {
  auto outer = must(codec::DerReader(certificate.der()).enter(tag::kSequence));
  Bytes tbs = to_bytes(must(outer.element(tag::kSequence)).encoding);
  const Bytes algorithm = to_bytes(must(outer.element(tag::kSequence)).encoding);
  change(tbs);
  const Bytes signature = must(issuer.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kDer, tbs));
  return must(
      crypto::Certificate::from_der(codec::der(tag::kSequence, {tbs, algorithm, codec::der_bit_string(signature)})));
}

Bytes point_of(const crypto::PublicKey& key) { return {key.spki().end() - 64, key.spki().end()}; }

Bytes octets(ByteView bytes) { return codec::der(tag::kOctetString, {bytes}); }
Bytes integer(unsigned value) {
  const ByteArray<2> bytes{{static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value & 0xffU)}};
  return codec::der_unsigned(bytes);
}
Bytes boolean(bool value) {
  return codec::der(tag::kBoolean, {ByteArray<1>{{value ? std::uint8_t{0xff} : std::uint8_t{0}}}});
}
Bytes field(const std::string& arcs, ByteView value) {
  return codec::der(tag::kSequence, {codec::der_oid(std::string(dcap::kSgxExtensionOid) + arcs).value(), value});
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string advisories_json(const std::vector<std::string>& advisories) {
  if (advisories.empty()) return {};
  std::string text = R"(,"advisoryIDs":[)";
  for (const std::string& id : advisories) text += (text.back() == '[' ? "" : ",") + quoted(id);
  return text + "]";
}

std::string rest_of_level(const std::string& status, const std::vector<std::string>& advisories) {
  return R"(,"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":)" + quoted(status) + advisories_json(advisories) + "}";
}

std::string components_json(const ByteArray<16>& svns) {
  std::string text = "[";
  for (const std::uint8_t svn : svns) {
    text += (text.size() > 1 ? "," : "") + std::string(R"({"svn":)") + std::to_string(svn) +
            (text.size() > 1 ? "}" : R"(,"category":"BIOS","type":"Early Microcode Update"})");
  }
  return text + "]";
}

std::string v2_components_json(const ByteArray<16>& svns) {
  std::string text;
  for (std::size_t i = 0; i < svns.size(); ++i) {
    text += R"("sgxtcbcomp)" + std::string(i < 9 ? "0" : "") + std::to_string(i + 1) + R"(svn":)" +
            std::to_string(svns.at(i)) + ",";
  }
  return text;
}

std::string level_json(const FakeTcbInfo& info, const FakeLevel& level) {
  std::string text = R"({"tcb":{)";
  if (info.version == 2) text += v2_components_json(level.sgx);
  else text += R"("sgxtcbcomponents":)" + components_json(level.sgx) + ",";
  text += R"("pcesvn":)" + std::to_string(level.pce_svn);
  if (info.id == "TDX") text += R"(,"tdxtcbcomponents":)" + components_json(level.tdx);
  return text + "}" + rest_of_level(level.status, level.advisories);
}

std::string isv_levels_json(const std::vector<FakeIsvLevel>& levels) {
  std::string text = R"("tcbLevels":[)";
  for (const FakeIsvLevel& level : levels) {
    text += (text.back() == '[' ? "" : ",") + std::string(R"({"tcb":{"isvsvn":)") + std::to_string(level.isv_svn) +
            "}" + rest_of_level(level.status, level.advisories);
  }
  return text + "]";
}

std::string module_json(const FakeModule& module) {
  return R"("mrsigner":)" + quoted(module.mr_signer) + R"(,"attributes":)" + quoted(module.attributes) +
         R"(,"attributesMask":)" + quoted(module.attributes_mask);
}

std::string window_json(const TimeWindow& window) {
  return R"("issueDate":)" + quoted(to_rfc3339(window.not_before)) + R"(,"nextUpdate":)" +
         quoted(to_rfc3339(window.not_after));
}

Bytes envelope_json(std::string_view name, std::string_view inner, const crypto::PrivateKey& key) {
  const Bytes signature =
      must(key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, as_bytes(inner)));
  return to_bytes("{" + quoted(name) + ":" + std::string(inner) + R"(,"signature":)" + quoted(to_hex(signature)) + "}");
}

Bytes sgx_report(std::uint8_t fill, ByteView attributes, ByteView mr_signer, std::uint16_t prod_id, std::uint16_t svn,
                 ByteView report_data) {
  ByteWriter writer;
  writer.put(Bytes(16, 0x07));  // cpu_svn
  writer.u32le(0);              // misc_select
  writer.zeros(12);
  writer.zeros(16);  // isv_ext_prod_id
  writer.put(attributes);
  writer.put(Bytes(32, fill));  // mr_enclave
  writer.zeros(32);
  writer.put(mr_signer);
  writer.zeros(32);
  writer.put(Bytes(64, 0x0c));  // config_id
  writer.u16le(prod_id);
  writer.u16le(svn);
  writer.u16le(3);  // config_svn
  writer.zeros(42);
  writer.put(Bytes(16, 0x0f));  // isv_family_id
  writer.put(report_data);
  return std::move(writer).take();
}

Bytes qe_report_of(dcap::Tee tee) {
  Bytes attributes(16);
  attributes[0] = 0x15;  // INIT, MODE64BIT, PROVISION_KEY
  return sgx_report(0xe0, attributes, Bytes(32, 0xdd), tee == dcap::Tee::kTdx ? 2 : 1, 8, Bytes(64));
}

Bytes intel_vendor() { return from_hex("939a7233f79c4ca9940a0db3957f0607").value(); }

}  // namespace

Bytes encode_pck_extensions(const PckExtensions& pck) {
  Bytes tcb;
  for (std::size_t i = 0; i < pck.tcb_components.size(); ++i) {
    append(tcb, field(".2." + std::to_string(i + 1), integer(pck.tcb_components.at(i))));
  }
  append(tcb, field(".2.17", integer(pck.pce_svn)));
  append(tcb, field(".2.18", octets(pck.cpu_svn)));
  const ByteArray<1> type{{static_cast<std::uint8_t>(pck.sgx_type)}};
  Bytes fields = field(".1", octets(pck.ppid));
  append(fields, field(".2", codec::der(tag::kSequence, {tcb})));
  append(fields, field(".3", octets(pck.pce_id)));
  append(fields, field(".4", octets(pck.fmspc)));
  append(fields, field(".5", codec::der(0x0a, {type})));
  if (pck.platform_instance_id) append(fields, field(".6", octets(*pck.platform_instance_id)));
  if (pck.configuration) {
    Bytes configuration;
    const auto put = [&](const char* arcs, const std::optional<bool>& value) {
      if (value) append(configuration, field(arcs, boolean(*value)));
    };
    put(".7.1", pck.configuration->dynamic_platform);
    put(".7.2", pck.configuration->cached_keys);
    put(".7.3", pck.configuration->smt_enabled);
    append(fields, field(".7", codec::der(tag::kSequence, {configuration})));
  }
  return codec::der(tag::kSequence, {fields});
}

std::string to_json(const FakeTcbInfo& info) {
  std::string text = "{";
  if (info.version >= 3) text += R"("id":)" + quoted(info.id) + ",";
  text += R"("version":)" + std::to_string(info.version) + "," + window_json(info.window) + R"(,"fmspc":)" +
          quoted(info.fmspc) + R"(,"pceId":)" + quoted(info.pce_id) + R"(,"tcbType":0,"tcbEvaluationDataNumber":)" +
          std::to_string(info.evaluation_number);
  if (info.id == "TDX") {
    text += R"(,"tdxModule":{)" + module_json(info.module) + "}";
    if (!info.identities.empty()) {
      text += R"(,"tdxModuleIdentities":[)";
      for (const FakeModule& module : info.identities) {
        text += (text.back() == '[' ? "{" : ",{") + std::string(R"("id":)") + quoted(module.id) + "," +
                module_json(module) + "," + isv_levels_json(module.levels) + "}";
      }
      text += "]";
    }
  }
  text += R"(,"tcbLevels":[)";
  for (const FakeLevel& level : info.levels) text += (text.back() == '[' ? "" : ",") + level_json(info, level);
  return text + "]}";
}

std::string to_json(const FakeQeIdentity& identity) {
  return R"({"id":)" + quoted(identity.id) + R"(,"version":2,)" + window_json(identity.window) +
         R"(,"tcbEvaluationDataNumber":)" + std::to_string(identity.evaluation_number) + R"(,"miscselect":)" +
         quoted(identity.misc_select) + R"(,"miscselectMask":)" + quoted(identity.misc_select_mask) +
         R"(,"attributes":)" + quoted(identity.attributes) + R"(,"attributesMask":)" +
         quoted(identity.attributes_mask) + R"(,"mrsigner":)" + quoted(identity.mr_signer) + R"(,"isvprodid":)" +
         std::to_string(identity.isv_prod_id) + "," + isv_levels_json(identity.levels) + "}";
}

FakeIntel::FakeIntel(const IntelOptions& options)
    : options_(options), attestation_key_(must(crypto::PrivateKey::generate(crypto::KeyType::kP256))) {
  if (options_.pck.fmspc == ByteArray<6>{}) options_.pck = pck_fields();
  for (std::size_t i = 0; i < kIntelCertificates; ++i) {
    const auto which = static_cast<IntelCertificate>(i);
    keys_.push_back(
        must(crypto::PrivateKey::generate(which == IntelCertificate::kPck ? options.pck_key : crypto::KeyType::kP256)));
    const bool authority = which == IntelCertificate::kRootCa || which == IntelCertificate::kPckCa;
    const auto issuer = static_cast<std::size_t>(issuer_of(which));
    crypto::CertificateSpec spec{.subject_common_name = name_of(which, options.processor_ca),
                                 .issuer_common_name = name_of(issuer_of(which), options.processor_ca),
                                 .subject_key = keys_.back().public_key(),
                                 .validity = window_of(which, options.now),
                                 .is_ca = authority,
                                 .path_length = std::nullopt,
                                 .dns_names = {},
                                 .extensions = {}};
    if (authority) spec.path_length = which == IntelCertificate::kRootCa ? 1 : 0;
    if (which == IntelCertificate::kPck) {
      spec.extensions.push_back(
          {.oid = dcap::kSgxExtensionOid, .value = encode_pck_extensions(options_.pck), .critical = false});
    }
    if (options.alter) options.alter(which, spec);
    certificates_.push_back(must(crypto::issue_certificate(spec, keys_.at(issuer))));
    if (options.patch) {
      certificates_.back() =
          sign_again(certificates_.back(), keys_.at(issuer), [&](Bytes& tbs) { options.patch(which, tbs); });
    }
  }
}

PckExtensions FakeIntel::pck_fields() {
  PckExtensions pck;
  pck.ppid.fill(0x33);
  for (std::size_t i = 0; i < pck.tcb_components.size(); ++i) {
    pck.tcb_components.at(i) = static_cast<std::uint8_t>(10 + i);
  }
  pck.pce_svn = 11;
  pck.cpu_svn = pck.tcb_components;
  pck.fmspc = {{0x00, 0x80, 0x6f, 0x05, 0x00, 0x00}};
  pck.sgx_type = DcapSgxType::kScalable;
  pck.platform_instance_id.emplace().fill(0x44);
  pck.configuration = DcapConfiguration{.dynamic_platform = true, .cached_keys = true, .smt_enabled = false};
  return pck;
}

const crypto::Certificate& FakeIntel::certificate(IntelCertificate which) const {
  return certificates_.at(static_cast<std::size_t>(which));
}
const crypto::PrivateKey& FakeIntel::key(IntelCertificate which) const {
  return keys_.at(static_cast<std::size_t>(which));
}

std::string FakeIntel::pck_chain() const {
  return certificate(IntelCertificate::kPck).to_pem() + certificate(IntelCertificate::kPckCa).to_pem() +
         root().to_pem();
}

QuoteParts FakeIntel::sgx_parts(std::uint16_t version) const {
  QuoteParts parts;
  parts.version = version;
  parts.tee_type = 0;
  if (version == 3) parts.svns = {8, 0, 11, 0};
  parts.qe_vendor_id = intel_vendor();
  if (version == 5) parts.body_type = 1;
  Bytes attributes(16);
  attributes[0] = 0x05;  // INIT, MODE64BIT
  attributes[8] = 0xe7;
  parts.body = sgx_report(0xa0, attributes, Bytes(32, 0xa1), 0x1234, 5, Bytes(64, 0x11));
  parts.qe_report = qe_report_of(dcap::Tee::kSgx);
  parts.certification_data = to_bytes(pck_chain());
  parts.certification_data.push_back(0);  // as Intel's quote provider ends its text
  return parts;
}

QuoteParts FakeIntel::tdx_parts(std::uint16_t version, bool report15) const {
  QuoteParts parts = sgx_parts(version);
  parts.tee_type = 0x81;
  parts.svns = Bytes(4);
  if (version == 5) parts.body_type = report15 ? 3 : 2;
  ByteWriter writer;
  Bytes tee_tcb_svn(16);
  tee_tcb_svn[0] = 5;
  tee_tcb_svn[1] = 1;
  tee_tcb_svn[2] = 6;
  writer.put(tee_tcb_svn);
  writer.put(Bytes(48, 0xb2));  // mr_seam
  writer.zeros(48);             // mr_signer_seam
  writer.zeros(8);              // seam_attributes
  writer.put(Bytes{0, 0, 0, 0x10, 0, 0, 0, 0});
  writer.put(Bytes{0xe7, 0, 6, 0, 0, 0, 0, 0});
  writer.put(Bytes(48, 0xb0));                                                      // mr_td
  for (std::uint8_t fill = 0xb3; fill < 0xb6; ++fill) writer.put(Bytes(48, fill));  // config id, owner, owner config
  for (std::uint8_t fill = 0xc0; fill < 0xc4; ++fill) writer.put(Bytes(48, fill));  // rtmr
  writer.put(Bytes(64, 0x11));                                                      // report_data
  if (report15) {
    writer.put(tee_tcb_svn);
    writer.put(Bytes(48, 0xb7));  // mr_service_td
  }
  parts.body = std::move(writer).take();
  parts.qe_report = qe_report_of(dcap::Tee::kTdx);
  return parts;
}

Bytes FakeIntel::build(QuoteParts parts) const {
  Bytes point = point_of(attestation_key_.public_key());
  if (parts.alter_key) parts.alter_key(point);
  const crypto::Sha256 bound = crypto::sha256({point, parts.qe_auth_data});
  std::ranges::copy(bound, parts.qe_report.end() - 64);
  if (parts.alter_qe) parts.alter_qe(parts.qe_report);
  const auto sign = [](const crypto::PrivateKey& key, ByteView message) {
    return must(key.sign(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, message));
  };
  ByteWriter quote;
  quote.u16le(parts.version);
  quote.u16le(parts.key_type);
  quote.u32le(parts.tee_type);
  quote.put(parts.svns);
  quote.put(parts.qe_vendor_id);
  quote.put(parts.user_data);
  if (parts.body_type) {
    quote.u16le(*parts.body_type);
    quote.u32le(parts.body_size.value_or(static_cast<std::uint32_t>(parts.body.size())));
  }
  quote.put(parts.body);

  ByteWriter qe;
  qe.put(parts.qe_report);
  Bytes qe_signature = sign(key(IntelCertificate::kPck), parts.qe_report);
  qe_signature.resize(64);  // another size belongs to another kind of key
  qe.put(qe_signature);
  qe.u16le(static_cast<std::uint16_t>(parts.qe_auth_data.size()));
  qe.put(parts.qe_auth_data);
  qe.u16le(parts.certification_type);
  qe.u32le(static_cast<std::uint32_t>(parts.certification_data.size()));
  qe.put(parts.certification_data);
  qe.put(parts.after_inner_parts);

  ByteWriter data;
  data.put(sign(attestation_key_, quote.bytes()));
  data.put(point);
  if (parts.version != 3) {
    data.u16le(parts.outer_certification_type);
    data.u32le(static_cast<std::uint32_t>(qe.bytes().size()));
  }
  data.put(qe.bytes());
  data.put(parts.after_parts);
  quote.u32le(static_cast<std::uint32_t>(static_cast<std::int64_t>(data.bytes().size()) + parts.signature_size_error));
  quote.put(data.bytes());
  return std::move(quote).take();
}

FakeTcbInfo FakeIntel::tcb_info(dcap::Tee tee) const {
  const Time issued = std::chrono::floor<std::chrono::seconds>(options_.now) - std::chrono::days(10);
  const PckExtensions& pck = options_.pck;
  FakeTcbInfo info;
  info.id = tee == dcap::Tee::kTdx ? "TDX" : "SGX";
  info.window = {issued, issued + std::chrono::days(30)};
  info.fmspc = to_hex(pck.fmspc);
  FakeLevel best{.sgx = pck.tcb_components, .pce_svn = pck.pce_svn, .tdx = {}, .status = "UpToDate", .advisories = {}};
  best.tdx = {{6, 0, 6}};  // the first two count for modules of version 0 alone
  FakeLevel middle = best;
  middle.sgx.at(0) -= 2;
  middle.tdx.at(2) -= 2;
  middle.status = "OutOfDate";
  middle.advisories = {"INTEL-SA-00999", "INTEL-SA-00111"};
  FakeLevel worst = middle;
  worst.sgx.at(0) -= 2;
  worst.tdx = {};
  worst.pce_svn = 5;
  worst.status = "Revoked";
  info.levels = {best, middle, worst};
  FakeModule module;
  module.levels = {{5, "UpToDate", {}}, {3, "OutOfDate", {"INTEL-SA-00222"}}};
  FakeModule newer = module;
  newer.id = "TDX_03";
  info.identities = {newer, module};
  return info;
}

FakeQeIdentity FakeIntel::qe_identity(dcap::Tee tee) const {
  const Time issued = std::chrono::floor<std::chrono::seconds>(options_.now) - std::chrono::days(9);
  FakeQeIdentity identity;
  identity.id = tee == dcap::Tee::kTdx ? "TD_QE" : "QE";
  identity.window = {issued, issued + std::chrono::days(30)};
  identity.isv_prod_id = tee == dcap::Tee::kTdx ? 2 : 1;
  identity.levels = {{8, "UpToDate", {}}, {6, "OutOfDate", {"INTEL-SA-00333"}}, {5, "Revoked", {}}};
  return identity;
}

Bytes FakeIntel::sign_tcb_info(std::string_view inner, const crypto::PrivateKey* by) const {
  return envelope_json("tcbInfo", inner, by != nullptr ? *by : key(IntelCertificate::kTcbSigning));
}
Bytes FakeIntel::sign_qe_identity(std::string_view inner, const crypto::PrivateKey* by) const {
  return envelope_json("enclaveIdentity", inner, by != nullptr ? *by : key(IntelCertificate::kTcbSigning));
}

namespace {

crypto::Crl crl_by(const crypto::Certificate& issuer, const crypto::PrivateKey& key,
                   const std::vector<crypto::Certificate>& revoked, Time issued) {
  auto parts = crypto::CrlParts::of(issuer, key, {issued, issued + std::chrono::days(30)});
  for (const crypto::Certificate& certificate : revoked) parts.revoke(certificate);
  return must(crypto::Crl::from_der(parts.encode()));
}

}  // namespace

crypto::Crl FakeIntel::root_crl(const std::vector<crypto::Certificate>& revoked, Duration age) const {
  return crl_by(root(), key(IntelCertificate::kRootCa), revoked, options_.now - age);
}
crypto::Crl FakeIntel::pck_crl(const std::vector<crypto::Certificate>& revoked, Duration age) const {
  return crl_by(certificate(IntelCertificate::kPckCa), key(IntelCertificate::kPckCa), revoked, options_.now - age);
}

Collateral FakeIntel::collateral() const {
  Collateral collateral;
  collateral.certificates = {certificate(IntelCertificate::kTcbSigning), root()};
  collateral.crls = {root_crl(), pck_crl()};
  for (const dcap::Tee tee : {dcap::Tee::kSgx, dcap::Tee::kTdx}) {
    collateral.tcb_infos.push_back(sign_tcb_info(to_json(tcb_info(tee))));
    collateral.qe_identities.push_back(sign_qe_identity(to_json(qe_identity(tee))));
  }
  return collateral;
}

Result<Claims> FakeIntel::authenticate(ByteView quote, const Collateral& collateral, Time at,
                                       dcap::Cache* cache) const {
  CheckList checks;
  GATEWAY_ASSIGN(const auto parsed, dcap::parse_quote(quote, &checks));
  return dcap::dangerous_authenticate_with_vendor_root(parsed, root(), collateral, at, cache, &checks);
}

const FakeIntel& fake_intel() {
  static const FakeIntel vendor;
  return vendor;
}

}  // namespace gateway::attestation::testing
