#include "attestation/dcap/pck.h"

#include <algorithm>

#include "codec/der.h"

namespace gateway::attestation::dcap {
namespace {

using codec::DerReader;
namespace tag = codec::der_tag;

constexpr std::uint8_t kEnumerated = 0x0a;
constexpr ByteArray<9> kPrefix{{0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01}};  // 1.2.840.113741.1.13.1

// The last arcs of the fields' OIDs.
constexpr std::uint8_t kPpid = 1, kTcb = 2, kPceId = 3, kFmspc = 4, kSgxType = 5, kPlatformInstance = 6,
                       kConfiguration = 7;
constexpr std::uint8_t kComponents = 16, kPceSvn = 17, kCpuSvn = 18;
constexpr std::uint8_t kDynamicPlatform = 1, kCachedKeys = 2, kSmtEnabled = 3;

std::unexpected<Error> bad(std::string detail) {
  return fail(ErrorCode::kMalformed, "dcap.pck.extension", std::move(detail));
}

// Each field once: bit n for the field with the last arc n.
class Seen {
 public:
  Status note(std::uint8_t field) {
    const std::uint32_t bit = 1U << field;
    if ((bits_ & bit) != 0) return bad("field " + std::to_string(field) + " is there twice");
    bits_ |= bit;
    return {};
  }
  bool has(std::uint8_t field) const { return (bits_ & (1U << field)) != 0; }
  bool all(std::uint8_t from, std::uint8_t to) const {
    for (std::uint8_t field = from; field <= to; ++field) {
      if (!has(field)) return false;
    }
    return true;
  }

 private:
  std::uint32_t bits_ = 0;
};

// SEQUENCE { OID = prefix ‖ arcs, value }: gives the last arc and leaves the reader before the value.
Result<std::uint8_t> enter_field(DerReader& field, ByteView prefix, std::uint8_t last_known) {
  GATEWAY_ASSIGN(const ByteView id, field.oid());
  const bool ours = id.size() == prefix.size() + 1 && equal(id.first(prefix.size()), prefix);
  if (!ours || id.back() == 0 || id.back() > last_known) return bad("a field that the specification does not have");
  return id.back();
}

template <std::size_t N>
Result<ByteArray<N>> octets(DerReader& reader) {
  GATEWAY_ASSIGN(const auto element, reader.element(tag::kOctetString));
  if (element.content.size() != N) {
    return bad("expected " + std::to_string(N) + " bytes, found " + std::to_string(element.content.size()));
  }
  ByteArray<N> out{};
  std::ranges::copy(element.content, out.begin());
  return out;
}

Result<std::uint64_t> number(DerReader& reader, std::uint64_t max) {
  GATEWAY_ASSIGN(const std::int64_t value, reader.small_integer());
  if (static_cast<std::uint64_t>(value) > max) return bad("an SVN beyond " + std::to_string(max));
  return static_cast<std::uint64_t>(value);
}

Status read_tcb(PckExtensions& pck, DerReader fields) {
  ByteArray<kPrefix.size() + 1> prefix{};
  std::ranges::copy(kPrefix, prefix.begin());
  prefix.back() = kTcb;
  Seen seen;
  while (!fields.empty()) {
    GATEWAY_ASSIGN(DerReader field, fields.enter(tag::kSequence));
    GATEWAY_ASSIGN(const std::uint8_t arc, enter_field(field, prefix, kCpuSvn));
    GATEWAY_TRY(seen.note(arc));
    if (arc <= kComponents) {
      GATEWAY_ASSIGN(const std::uint64_t svn, number(field, 0xff));
      pck.tcb_components.at(arc - 1U) = static_cast<std::uint8_t>(svn);
    } else if (arc == kPceSvn) {
      GATEWAY_ASSIGN(const std::uint64_t svn, number(field, 0xffff));
      pck.pce_svn = static_cast<std::uint16_t>(svn);
    } else {
      GATEWAY_ASSIGN(pck.cpu_svn, octets<16>(field));
    }
    GATEWAY_TRY(field.finish());
  }
  if (!seen.all(1, kCpuSvn)) return bad("expected sixteen component SVNs, the PCE SVN and the CPU SVN");
  return {};
}

Result<DcapConfiguration> read_configuration(DerReader fields) {
  ByteArray<kPrefix.size() + 1> prefix{};
  std::ranges::copy(kPrefix, prefix.begin());
  prefix.back() = kConfiguration;
  DcapConfiguration configuration;
  Seen seen;
  while (!fields.empty()) {
    GATEWAY_ASSIGN(DerReader field, fields.enter(tag::kSequence));
    GATEWAY_ASSIGN(const std::uint8_t arc, enter_field(field, prefix, kSmtEnabled));
    GATEWAY_TRY(seen.note(arc));
    GATEWAY_ASSIGN(const bool value, field.boolean());
    GATEWAY_TRY(field.finish());
    if (arc == kDynamicPlatform) configuration.dynamic_platform = value;
    if (arc == kCachedKeys) configuration.cached_keys = value;
    if (arc == kSmtEnabled) configuration.smt_enabled = value;
  }
  return configuration;
}

Status read_sgx_type(PckExtensions& pck, DerReader& field) {
  GATEWAY_ASSIGN(const auto type, field.element(kEnumerated));
  if (type.content.size() != 1 || type.content[0] > static_cast<std::uint8_t>(DcapSgxType::kScalableWithIntegrity)) {
    return bad("an SGX type that the specification does not have");
  }
  pck.sgx_type = static_cast<DcapSgxType>(type.content[0]);
  return {};
}

Status read_field(PckExtensions& pck, std::uint8_t arc, DerReader& field) {
  switch (arc) {
    case kPpid: {
      GATEWAY_ASSIGN(pck.ppid, octets<16>(field));
      return {};
    }
    case kTcb: {
      GATEWAY_ASSIGN(const DerReader tcb, field.enter(tag::kSequence));
      return read_tcb(pck, tcb);
    }
    case kPceId: {
      GATEWAY_ASSIGN(pck.pce_id, octets<2>(field));
      return {};
    }
    case kFmspc: {
      GATEWAY_ASSIGN(pck.fmspc, octets<6>(field));
      return {};
    }
    case kSgxType: return read_sgx_type(pck, field);
    case kPlatformInstance: {
      GATEWAY_ASSIGN(pck.platform_instance_id, octets<16>(field));
      return {};
    }
    default: {
      GATEWAY_ASSIGN(const DerReader configuration, field.enter(tag::kSequence));
      GATEWAY_ASSIGN(pck.configuration, read_configuration(configuration));
      return {};
    }
  }
}

Result<PckExtensions> read(ByteView value) {
  PckExtensions pck;
  DerReader input(value);
  GATEWAY_ASSIGN(DerReader fields, input.enter(tag::kSequence));
  GATEWAY_TRY(input.finish());
  Seen seen;
  while (!fields.empty()) {
    GATEWAY_ASSIGN(DerReader field, fields.enter(tag::kSequence));
    GATEWAY_ASSIGN(const std::uint8_t arc, enter_field(field, kPrefix, kConfiguration));
    GATEWAY_TRY(seen.note(arc));
    GATEWAY_TRY(read_field(pck, arc, field));
    GATEWAY_TRY(field.finish());
  }
  if (!seen.all(kPpid, kSgxType)) return bad("expected PPID, TCB, PCE id, FMSPC and SGX type");
  return pck;
}

}  // namespace

Result<PckExtensions> parse_pck_extensions(ByteView value) {
  auto pck = read(value);
  if (!pck && pck.error().id().starts_with("der.")) return bad(pck.error().detail());
  return pck;
}

}  // namespace gateway::attestation::dcap
