#include "fetch/wants.h"

#include "attestation/snp/report.h"
#include "base/bytes.h"

namespace gateway::fetch {
namespace {

using attestation::SnpProduct;
using attestation::SnpSigningKey;

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return text;
}

// AMD 57230 §4.1: security patch levels are decimal numbers of two digits or more.
std::string level(const char* name, unsigned value) {
  std::string digits = std::to_string(value);
  if (digits.size() < 2) digits.insert(0, "0");
  return std::string(name) + "=" + digits;
}

std::string levels(const attestation::SnpTcb& tcb, SnpProduct product) {
  std::string out;
  if (product == SnpProduct::kTurin) out = level("fmcSPL", tcb.fmc.value_or(0)) + "&";
  return out + level("blSPL", tcb.boot_loader) + "&" + level("teeSPL", tcb.tee) + "&" + level("snpSPL", tcb.snp) + "&" +
         level("ucodeSPL", tcb.microcode);
}

}  // namespace

void Services::use_pccs(std::string_view url) {
  for (const std::string_view suffix : {"/", "/sgx/certification/v4", "/sgx/certification/v3", "/"}) {
    while (url.ends_with(suffix)) url.remove_suffix(suffix.size());
  }
  pcs = url;
  root_crl = join(url, "/sgx/certification/v4/rootcacrl");
}

void Services::use_kds(std::string_view url) {
  kds = url;
  kds_pace = Duration::zero();
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::kVcek: return "vcek";
    case Kind::kAmdChain: return "amd_chain";
    case Kind::kAmdCrl: return "amd_crl";
    case Kind::kTcbInfo: return "tcb_info";
    case Kind::kQeIdentity: return "qe_identity";
    case Kind::kPckCrl: return "pck_crl";
    case Kind::kRootCrl: return "root_crl";
  }
  return "";
}

Result<std::vector<Want>> wants_of(const SnpNeeds& needs, const Services& services) {
  const std::string product(attestation::to_string(needs.product));
  const bool vcek = needs.key == SnpSigningKey::kVcek && !needs.vcek_at_hand;
  const std::string key(attestation::to_string(needs.key));
  const std::string root = "ARK-" + product;
  std::vector<Want> wants;
  const auto add = [&](Kind kind, const std::string& path, std::string name) -> Status {
    GATEWAY_ASSIGN(Url url, Url::parse(join(services.kds, path)));
    wants.push_back({.kind = kind, .url = std::move(url), .pace = services.kds_pace, .name = std::move(name)});
    return {};
  };
  const std::string base = "/" + key + "/v1/" + product;
  if (vcek) {  // a VLEK belongs to the provider, who hands it out with the evidence
    const std::size_t id_size =
        needs.product == SnpProduct::kTurin ? attestation::snp::kTurinChipIdSize : needs.chip_id.size();
    const std::string chip = to_hex(ByteView(needs.chip_id).first(id_size));
    GATEWAY_TRY(add(Kind::kVcek, base + "/" + chip + "?" + levels(needs.tcb, needs.product), "vcek-" + lower(product)));
    wants.back().vcek = needs;
  }
  GATEWAY_TRY(add(Kind::kAmdChain, base + "/cert_chain", key + "-chain-" + lower(product)));
  wants.back().authority = root;
  GATEWAY_TRY(add(Kind::kAmdCrl, base + "/crl", key + "-crl-" + lower(product)));
  wants.back().issuer = root;
  return wants;
}

Result<std::vector<Want>> wants_of(const DcapNeeds& needs, const Services& services) {
  const bool tdx = needs.tee == attestation::dcap::Tee::kTdx;
  const std::string tee = tdx ? "tdx" : "sgx";
  const std::string fmspc = to_hex(needs.fmspc);
  const std::string certification = "/sgx/certification/v4";
  std::vector<Want> wants;
  const auto add = [&](Kind kind, const std::string& url_text, std::string name) -> Status {
    GATEWAY_ASSIGN(Url url, Url::parse(url_text));
    wants.push_back({.kind = kind, .url = std::move(url), .name = std::move(name)});
    return {};
  };
  GATEWAY_TRY(add(Kind::kTcbInfo, join(services.pcs, "/" + tee + "/certification/v4/tcb?fmspc=" + fmspc),
                  "tcb-info-" + tee + "-" + fmspc));
  wants.back().chain_in = {"tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"};
  wants.back().id = tdx ? "TDX" : "SGX";
  wants.back().fmspc = fmspc;
  GATEWAY_TRY(
      add(Kind::kQeIdentity, join(services.pcs, "/" + tee + "/certification/v4/qe/identity"), "qe-identity-" + tee));
  wants.back().chain_in = {"sgx-enclave-identity-issuer-chain"};
  wants.back().id = tdx ? "TD_QE" : "QE";
  GATEWAY_TRY(add(Kind::kPckCrl, join(services.pcs, certification + "/pckcrl?ca=" + needs.ca + "&encoding=der"),
                  "pck-crl-" + needs.ca));
  wants.back().chain_in = {"sgx-pck-crl-issuer-chain"};
  wants.back().issuer = needs.ca == "platform" ? "Intel SGX PCK Platform CA" : "Intel SGX PCK Processor CA";
  GATEWAY_TRY(add(Kind::kRootCrl, services.root_crl, "root-crl"));
  wants.back().issuer = "Intel SGX Root CA";
  return wants;
}

}  // namespace gateway::fetch
