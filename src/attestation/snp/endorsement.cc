#include "attestation/snp/endorsement.h"

#include <algorithm>
#include <array>

#include "codec/der.h"

namespace gateway::attestation::snp {
namespace {

using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::string_view kProductName = "1.3.6.1.4.1.3704.1.2";
constexpr std::string_view kHardwareId = "1.3.6.1.4.1.3704.1.4";
constexpr std::string_view kCspId = "1.3.6.1.4.1.3704.1.5";
constexpr std::size_t kMaxCspId = 255;

enum class Presence : std::uint8_t { kRequired, kOptional };

// A component's extension and its byte in TCB_VERSION.
struct Component {
  std::string_view oid;
  unsigned byte;
  Presence presence;
};
constexpr std::array<Component, 8> kMilanLayout{{{"1.3.6.1.4.1.3704.1.3.1", 0, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.2", 1, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.4", 2, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.5", 3, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.6", 4, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.7", 5, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.3", 6, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.8", 7, Presence::kRequired}}};
constexpr std::array<Component, 8> kTurinLayout{{{"1.3.6.1.4.1.3704.1.3.9", 0, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.1", 1, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.2", 2, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.3", 3, Presence::kRequired},
                                                 {"1.3.6.1.4.1.3704.1.3.5", 4, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.6", 5, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.7", 6, Presence::kOptional},
                                                 {"1.3.6.1.4.1.3704.1.3.8", 7, Presence::kRequired}}};

std::unexpected<Error> bad(std::string_view what) {
  return fail(ErrorCode::kMalformed, "snp.endorsement.format", "expected " + std::string(what));
}

struct Names {
  SnpProduct product;
  std::string_view ask, asvk;                 // common names of the issuers
  std::array<std::string_view, 3> extension;  // productName before the stepping
};
constexpr std::array<Names, 3> kNames{
    {{SnpProduct::kMilan, "SEV-Milan", "SEV-VLEK-Milan", {"Milan", "", ""}},
     {SnpProduct::kGenoa, "SEV-Genoa", "SEV-VLEK-Genoa", {"Genoa", "Bergamo", "Siena"}},
     {SnpProduct::kTurin, "SEV-Turin", "SEV-VLEK-Turin", {"Turin", "", ""}}}};

Result<SnpProduct> read_product(const crypto::Certificate& certificate, SnpSigningKey kind) {
  const auto issuer = certificate.issuer_common_name();
  const auto names = std::ranges::find_if(kNames, [&](const Names& one) {
    return issuer && *issuer == (kind == SnpSigningKey::kVcek ? one.ask : one.asvk);
  });
  if (names == kNames.end()) return bad("an issuer that AMD names for this kind of key");
  const auto extension = certificate.extension(kProductName);
  if (!extension) return bad("a product name");
  DerReader reader(*extension);
  const auto text = reader.element(tag::kIa5String);
  if (!text || !reader.finish()) return bad("a product name as IA5String");
  const std::string_view name = as_text(text->content);
  const std::string_view stem = name.substr(0, name.find('-'));
  if (stem.empty() || std::ranges::find(names->extension, stem) == names->extension.end()) {
    return bad("the product name of the issuer's product");
  }
  return names->product;
}

Result<std::uint8_t> read_level(ByteView extension) {
  DerReader reader(extension);
  const auto value = reader.small_integer();
  if (!value || !reader.finish() || *value > 255) return bad("security patch levels as INTEGER of 0 to 255");
  return static_cast<std::uint8_t>(*value);
}

Result<SnpTcb> read_tcb(const crypto::Certificate& certificate, SnpProduct product) {
  std::uint64_t raw = 0;
  for (const Component& component : product == SnpProduct::kTurin ? kTurinLayout : kMilanLayout) {
    const auto extension = certificate.extension(component.oid);
    if (!extension) {
      if (component.presence == Presence::kRequired) return bad("a security patch level for every component");
      continue;
    }
    GATEWAY_ASSIGN(const std::uint8_t level, read_level(*extension));
    raw |= std::uint64_t{level} << (8 * component.byte);
  }
  return tcb_of(raw, product);
}

Result<ByteArray<64>> read_hardware_id(const crypto::Certificate& certificate, SnpProduct product) {
  const std::size_t size = product == SnpProduct::kTurin ? kTurinChipIdSize : 64;
  const auto extension = certificate.extension(kHardwareId);
  if (!extension) return bad("a hardware id");
  ByteView id = *extension;
  if (id.size() != size) {
    DerReader reader(id);
    const auto wrapped = reader.element(tag::kOctetString);
    if (!wrapped || !reader.finish() || wrapped->content.size() != size) {
      return bad("a hardware id of " + std::to_string(size) + " bytes");
    }
    id = wrapped->content;
  }
  ByteArray<64> chip_id{};
  std::ranges::copy(id, chip_id.begin());
  return chip_id;
}

Result<std::string> read_csp_id(const crypto::Certificate& certificate) {
  const auto extension = certificate.extension(kCspId);
  if (!extension) return bad("a provider's id");
  DerReader reader(*extension);
  const auto text = reader.any();
  const bool of_text = text && (text->tag == tag::kIa5String || text->tag == tag::kUtf8String);
  const auto plain = [](std::uint8_t c) { return c >= ' ' && c <= '~'; };
  if (!of_text || !reader.finish() || text->content.empty() || text->content.size() > kMaxCspId ||
      !std::ranges::all_of(text->content, plain)) {
    return bad("a provider's id of 1 to 255 printable characters");
  }
  return std::string(as_text(text->content));
}

std::string two_digits(std::uint8_t value) {
  const std::string text = std::to_string(value);
  return text.size() < 2 ? "0" + text : text;
}

}  // namespace

std::optional<SnpSigningKey> endorsement_kind(const crypto::Certificate& certificate) {
  const auto name = certificate.subject_common_name();
  if (name == "SEV-VCEK") return SnpSigningKey::kVcek;
  if (name == "SEV-VLEK") return SnpSigningKey::kVlek;
  return std::nullopt;
}

Result<Endorsement> read_endorsement(const crypto::Certificate& certificate) {
  const auto kind = endorsement_kind(certificate);
  if (!kind) return bad("a certificate for SEV-VCEK or SEV-VLEK");
  Endorsement endorsement{.kind = *kind, .product = {}, .tcb = {}, .chip_id = {}, .csp_id = {}};
  GATEWAY_ASSIGN(endorsement.product, read_product(certificate, *kind));
  GATEWAY_ASSIGN(endorsement.tcb, read_tcb(certificate, endorsement.product));
  if (*kind == SnpSigningKey::kVcek) {
    GATEWAY_ASSIGN(endorsement.chip_id, read_hardware_id(certificate, endorsement.product));
  } else {
    GATEWAY_ASSIGN(endorsement.csp_id, read_csp_id(certificate));
  }
  if (certificate.public_key().type() != crypto::KeyType::kP384 || certificate.is_ca()) {
    return bad("a P-384 key that issues nothing");
  }
  return endorsement;
}

bool may_endorse_chip(const crypto::Certificate& certificate, const ByteArray<64>& chip_id) {
  const auto extension = certificate.extension(kHardwareId);
  if (!extension) return false;
  const auto ends_with = [&](std::size_t size) {
    return extension->size() >= size && equal(ByteView(*extension).last(size), ByteView(chip_id).first(size));
  };
  return ends_with(chip_id.size()) || ends_with(kTurinChipIdSize);
}

Fit fit_of(const Endorsement& endorsement, const UnverifiedReport& report) {
  if (endorsement.kind != report.fields.signing_key) return Fit::kOtherKind;
  if (report.product && *report.product != endorsement.product) return Fit::kOtherProduct;
  if (endorsement.kind == SnpSigningKey::kVcek && endorsement.chip_id != report.fields.chip_id) return Fit::kOtherChip;
  // All eight bytes: every component, and what is reserved beside them.
  if (endorsement.tcb.raw != report.fields.reported_tcb.raw) return Fit::kOtherTcb;
  return Fit::kFits;
}

std::string tcb_text(const SnpTcb& tcb) {
  return (tcb.fmc ? "fmc " + std::to_string(*tcb.fmc) + ", " : std::string()) + "boot loader " +
         std::to_string(tcb.boot_loader) + ", tee " + std::to_string(tcb.tee) + ", snp " + std::to_string(tcb.snp) +
         ", microcode " + std::to_string(tcb.microcode);
}

std::string vcek_url(const UnverifiedReport& report) {
  const SnpProduct product = report.product.value_or(SnpProduct::kMilan);
  const bool turin = product == SnpProduct::kTurin;
  const SnpTcb tcb = tcb_of(report.fields.reported_tcb.raw, product);
  return "https://kdsintf.amd.com/vcek/v1/" +
         (report.product ? std::string(to_string(product)) : std::string("{Milan|Genoa}")) + "/" +
         to_hex(ByteView(report.fields.chip_id).first(turin ? kTurinChipIdSize : 64)) + "?" +
         (tcb.fmc ? "fmcSPL=" + two_digits(*tcb.fmc) + "&" : std::string()) + "blSPL=" + two_digits(tcb.boot_loader) +
         "&teeSPL=" + two_digits(tcb.tee) + "&snpSPL=" + two_digits(tcb.snp) + "&ucodeSPL=" + two_digits(tcb.microcode);
}

}  // namespace gateway::attestation::snp
