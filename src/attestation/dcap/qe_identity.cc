#include "attestation/dcap/qe_identity.h"

namespace gateway::attestation::dcap {
namespace {

constexpr DocumentIds kIds{.json = {ErrorCode::kMalformed, "dcap.qe_identity.json"},
                           .limit = {ErrorCode::kLimitExceeded, "dcap.qe_identity.limit"},
                           .version = {ErrorCode::kUnsupported, "dcap.qe_identity.version"},
                           .field = {ErrorCode::kMalformed, "dcap.qe_identity.field"}};

constexpr const char* kNotIntels = "do not trust this quote: another enclave than Intel's quoting enclave signed it";

class QeIdentityReader {
 public:
  QeIdentityReader(FieldReader& reader, QeIdentity& identity) : reader_(reader), identity_(identity) {}

  Status read() {
    Members members(kNames);
    GATEWAY_TRY(reader_.object("enclaveIdentity"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      const auto index = members.note(*name);
      if (index) {
        GATEWAY_TRY(read_member(static_cast<Member>(*index)));
      } else {
        GATEWAY_TRY(reader_.skip());
      }
    }
    if (const auto name = members.missing(kNames.size())) return reader_.bad(*name, "it to be there");
    return {};
  }

 private:
  enum Member : std::size_t {
    kId,
    kVersion,
    kIssueDate,
    kNextUpdate,
    kEvaluation,
    kMiscSelect,
    kMiscSelectMask,
    kAttributes,
    kAttributesMask,
    kMrSigner,
    kIsvProdId,
    kLevels
  };
  static constexpr std::array<std::string_view, 12> kNames{
      "id",         "version",        "issueDate",  "nextUpdate",     "tcbEvaluationDataNumber",
      "miscselect", "miscselectMask", "attributes", "attributesMask", "mrsigner",
      "isvprodid",  "tcbLevels"};

  Status read_member(Member member) {
    switch (member) {
      case kId: return read_id();
      case kVersion: {
        GATEWAY_ASSIGN(const std::uint64_t version, reader_.number("version", 0xffff));
        if (version != 2) return reader_.unsupported_version("version 2");
        return {};
      }
      case kIssueDate: {
        GATEWAY_ASSIGN(identity_.window.not_before, reader_.date("issueDate"));
        return {};
      }
      case kNextUpdate: {
        GATEWAY_ASSIGN(identity_.window.not_after, reader_.date("nextUpdate"));
        return {};
      }
      case kEvaluation: {
        GATEWAY_ASSIGN(const std::uint64_t number, reader_.number("tcbEvaluationDataNumber", 0xffffffff));
        identity_.evaluation_number = static_cast<std::uint32_t>(number);
        return {};
      }
      case kMiscSelect: return read_hex("miscselect", identity_.misc_select);
      case kMiscSelectMask: return read_hex("miscselectMask", identity_.misc_select_mask);
      case kAttributes: return read_hex("attributes", identity_.attributes);
      case kAttributesMask: return read_hex("attributesMask", identity_.attributes_mask);
      case kMrSigner: return read_hex("mrsigner", identity_.mr_signer);
      case kIsvProdId: {
        GATEWAY_ASSIGN(const std::uint64_t id, reader_.number("isvprodid", 0xffff));
        identity_.isv_prod_id = static_cast<std::uint16_t>(id);
        return {};
      }
      case kLevels: {
        GATEWAY_ASSIGN(identity_.levels, reader_.isv_levels("tcbLevels"));
        return {};
      }
    }
    return {};
  }

  template <std::size_t N>
  Status read_hex(std::string_view name, ByteArray<N>& into) {
    GATEWAY_ASSIGN(into, reader_.hex<N>(name));
    return {};
  }

  Status read_id() {
    GATEWAY_ASSIGN(const std::string_view id, reader_.text("id"));
    if (id != "QE" && id != "TD_QE" && id != "QVE") return reader_.bad("id", "QE, TD_QE or QVE");
    identity_.kind = id == "QE" ? QeKind::kQe : id == "TD_QE" ? QeKind::kTdQe : QeKind::kQve;
    return {};
  }

  FieldReader& reader_;
  QeIdentity& identity_;
};

template <std::size_t N>
ByteArray<N> masked(ByteArray<N> value, const ByteArray<N>& mask) {
  for (std::size_t i = 0; i < N; ++i) value.at(i) = static_cast<std::uint8_t>(value.at(i) & mask.at(i));
  return value;
}

ByteArray<4> little_endian(std::uint32_t value) {
  ByteArray<4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes.at(i) = static_cast<std::uint8_t>(value >> (8 * i));
  return bytes;
}

}  // namespace

Result<QeIdentity> parse_qe_identity(ByteView file) {
  QeIdentity identity;
  auto body = read_envelope(file, "enclaveIdentity", kIds,
                            [&](FieldReader& reader) { return QeIdentityReader(reader, identity).read(); });
  if (!body) return std::unexpected(std::move(body).error());
  identity.signed_body = *std::move(body);
  return identity;
}

Status check_qe(const SgxReportBody& qe, const QeIdentity& identity, CheckList& checks) {
  const auto misc_select = masked(little_endian(qe.misc_select), identity.misc_select_mask);
  GATEWAY_TRY(checks.require(misc_select == identity.misc_select, ErrorCode::kNotAuthentic,
                             "dcap.qe_identity.miscselect", to_hex(identity.misc_select), to_hex(misc_select),
                             kNotIntels));
  const auto attributes = masked(qe.attributes, identity.attributes_mask);
  GATEWAY_TRY(checks.require(attributes == identity.attributes, ErrorCode::kNotAuthentic, "dcap.qe_identity.attributes",
                             to_hex(identity.attributes), to_hex(attributes), kNotIntels));
  GATEWAY_TRY(checks.require(qe.mr_signer == identity.mr_signer, ErrorCode::kNotAuthentic, "dcap.qe_identity.mrsigner",
                             to_hex(identity.mr_signer), to_hex(qe.mr_signer), kNotIntels));
  return checks.require(qe.isv_prod_id == identity.isv_prod_id, ErrorCode::kNotAuthentic, "dcap.qe_identity.isvprodid",
                        std::to_string(identity.isv_prod_id), std::to_string(qe.isv_prod_id), kNotIntels);
}

}  // namespace gateway::attestation::dcap
