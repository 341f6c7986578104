#include "attestation/dcap/tcb_info.h"

namespace gateway::attestation::dcap {
namespace {

constexpr DocumentIds kIds{.json = {ErrorCode::kMalformed, "dcap.tcb_info.json"},
                           .limit = {ErrorCode::kLimitExceeded, "dcap.tcb_info.limit"},
                           .version = {ErrorCode::kUnsupported, "dcap.tcb_info.version"},
                           .field = {ErrorCode::kMalformed, "dcap.tcb_info.field"}};
constexpr std::size_t kComponents = 16;

// "sgxtcbcomp01svn" … "sgxtcbcomp16svn" → 0 … 15.
std::optional<std::size_t> v2_component(std::string_view name) {
  constexpr std::string_view kPrefix = "sgxtcbcomp";
  constexpr std::string_view kSuffix = "svn";
  if (name.size() != kPrefix.size() + 2 + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const char tens = name[kPrefix.size()];
  const char ones = name[kPrefix.size() + 1];
  if ((tens != '0' && tens != '1') || ones < '0' || ones > '9') return std::nullopt;
  const int number = (tens - '0') * 10 + (ones - '0');
  if (number < 1 || number > static_cast<int>(kComponents)) return std::nullopt;
  return static_cast<std::size_t>(number - 1);
}

class TcbInfoReader {
 public:
  TcbInfoReader(FieldReader& reader, TcbInfo& info) : reader_(reader), info_(info) {}

  // Members come in any order, so what depends on the version and the TEE is judged at the end.
  Status read() {
    Members members(kNames);
    GATEWAY_TRY(reader_.object("tcbInfo"));
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
    return judge(members);
  }

 private:
  enum Member : std::size_t {
    kVersion,
    kIssueDate,
    kNextUpdate,
    kFmspc,
    kTcbType,
    kEvaluation,
    kLevels,
    kPceId,
    kId,
    kModule,
    kIdentities
  };
  static constexpr std::array<std::string_view, 11> kNames{
      "version", "issueDate", "nextUpdate",         "fmspc", "tcbType", "tcbEvaluationDataNumber", "tcbLevels", "pceId",
      "id",      "tdxModule", "tdxModuleIdentities"};

  Status judge(const Members& members) {
    if (const auto name = members.missing(kLevels + 1)) return reader_.bad(*name, "it to be there");
    if (info_.version == 3) {
      if (!members.has(kId)) return reader_.bad("id", "SGX or TDX");
      if (!members.has(kPceId)) return reader_.bad("pceId", "it to be there");
    } else if (members.has(kId)) {
      return reader_.bad("id", "none in version 2");
    }
    const bool tdx = info_.tee == Tee::kTdx;
    if (tdx && !members.has(kModule)) return reader_.bad("tdxModule", "it to be there");
    if (!tdx && (members.has(kModule) || members.has(kIdentities))) return reader_.bad("tdxModule", "TDX alone");
    if (v2_levels_ != (info_.version == 2)) return reader_.bad("tcbLevels", "components as in this version");
    if (tdx_levels_ != (tdx ? info_.levels.size() : 0)) return reader_.bad("tdxtcbcomponents", "them in TDX alone");
    return {};
  }

  Status read_member(Member member) {
    switch (member) {
      case kVersion: {
        GATEWAY_ASSIGN(const std::uint64_t version, reader_.number("version", 0xffff));
        if (version != 2 && version != 3) return reader_.unsupported_version("version 2 or 3");
        info_.version = static_cast<unsigned>(version);
        return {};
      }
      case kIssueDate: {
        GATEWAY_ASSIGN(info_.window.not_before, reader_.date("issueDate"));
        return {};
      }
      case kNextUpdate: {
        GATEWAY_ASSIGN(info_.window.not_after, reader_.date("nextUpdate"));
        return {};
      }
      case kFmspc: {
        GATEWAY_ASSIGN(info_.fmspc, reader_.hex<6>("fmspc"));
        return {};
      }
      case kTcbType: {
        GATEWAY_ASSIGN(const std::uint64_t type, reader_.number("tcbType", 0xffff));
        if (type != 0) return reader_.bad("tcbType", "0: components compared one by one");
        return {};
      }
      case kEvaluation: {
        GATEWAY_ASSIGN(const std::uint64_t number, reader_.number("tcbEvaluationDataNumber", 0xffffffff));
        info_.evaluation_number = static_cast<std::uint32_t>(number);
        return {};
      }
      case kLevels: return read_levels();
      case kPceId: {
        GATEWAY_ASSIGN(info_.pce_id, reader_.hex<2>("pceId"));
        return {};
      }
      case kId: return read_id();
      case kModule: {
        GATEWAY_ASSIGN(info_.tdx_module, read_module());
        return {};
      }
      case kIdentities: return read_identities();
    }
    return {};
  }

  Status read_id() {
    GATEWAY_ASSIGN(const std::string_view id, reader_.text("id"));
    if (id != "SGX" && id != "TDX") return reader_.bad("id", "SGX or TDX");
    info_.tee = id == "TDX" ? Tee::kTdx : Tee::kSgx;
    return {};
  }

  // mrsigner, attributes and attributesMask into `module`; false for another member.
  Result<bool> read_module_member(std::string_view name, TdxModule& module, Members& members) {
    const auto index = members.note(name);
    if (index == 0) {
      GATEWAY_ASSIGN(module.mr_signer, reader_.hex<48>("mrsigner"));
    } else if (index == 1) {
      GATEWAY_ASSIGN(module.attributes, reader_.hex<8>("attributes"));
    } else if (index == 2) {
      GATEWAY_ASSIGN(module.attributes_mask, reader_.hex<8>("attributesMask"));
    } else {
      return false;
    }
    return true;
  }
  static constexpr std::array<std::string_view, 3> kModuleNames{"mrsigner", "attributes", "attributesMask"};

  Result<TdxModule> read_module() {
    TdxModule module;
    Members members(kModuleNames);
    GATEWAY_TRY(reader_.object("tdxModule"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      GATEWAY_ASSIGN(const bool known, read_module_member(*name, module, members));
      if (!known) GATEWAY_TRY(reader_.skip());
    }
    if (const auto name = members.missing(kModuleNames.size())) return reader_.bad(*name, "it in tdxModule");
    return module;
  }

  Result<std::uint8_t> read_module_version() {
    GATEWAY_ASSIGN(const std::string_view id, reader_.text("id"));
    constexpr std::string_view kPrefix = "TDX_";
    const auto version = id.starts_with(kPrefix) ? from_hex(id.substr(kPrefix.size())) : std::nullopt;
    if (!version || version->size() != 1) return reader_.bad("id", "TDX_ and a version of two digits");
    return version->front();
  }

  Result<TdxModuleIdentity> read_identity() {
    TdxModuleIdentity identity;
    Members members(kModuleNames);
    bool has_id = false;
    GATEWAY_TRY(reader_.object("tdxModuleIdentities"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      GATEWAY_ASSIGN(const bool known, read_module_member(*name, identity.module, members));
      if (known) continue;
      if (*name == "id") {
        GATEWAY_ASSIGN(identity.version, read_module_version());
        has_id = true;
      } else if (*name == "tcbLevels") {
        GATEWAY_ASSIGN(identity.levels, reader_.isv_levels("tdxModuleIdentities"));
      } else {
        GATEWAY_TRY(reader_.skip());
      }
    }
    if (!has_id) return reader_.bad("id", "it in every TDX module identity");
    if (identity.levels.empty()) return reader_.bad("tcbLevels", "them in every TDX module identity");
    if (const auto name = members.missing(kModuleNames.size())) return reader_.bad(*name, "it in every identity");
    return identity;
  }

  Status read_identities() {
    GATEWAY_TRY(reader_.array("tdxModuleIdentities"));
    while (true) {
      GATEWAY_ASSIGN(const bool another, reader_.element());
      if (!another) return {};
      if (info_.tdx_module_identities.size() == kMaxModules) return reader_.bad("tdxModuleIdentities", "fewer");
      GATEWAY_ASSIGN(TdxModuleIdentity identity, read_identity());
      const auto same = [&](const TdxModuleIdentity& other) { return other.version == identity.version; };
      if (std::ranges::any_of(info_.tdx_module_identities, same)) {
        return reader_.bad("tdxModuleIdentities", "every version once");
      }
      info_.tdx_module_identities.push_back(std::move(identity));
    }
  }

  Status read_levels() {
    GATEWAY_TRY(reader_.array("tcbLevels"));
    while (true) {
      GATEWAY_ASSIGN(const bool another, reader_.element());
      if (!another) break;
      if (info_.levels.size() == kMaxLevels) return reader_.bad("tcbLevels", "fewer levels");
      GATEWAY_ASSIGN(TcbLevel level, read_level());
      info_.levels.push_back(std::move(level));
    }
    if (info_.levels.empty()) return reader_.bad("tcbLevels", "at least one level");
    return {};
  }

  Result<TcbLevel> read_level() {
    static constexpr std::array<std::string_view, 4> kLevelNames{"tcb", "tcbDate", "tcbStatus", "advisoryIDs"};
    Members members(kLevelNames);
    TcbLevel level;
    GATEWAY_TRY(reader_.object("tcbLevels"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      const auto index = members.note(*name);
      if (index == 0) {
        GATEWAY_TRY(read_tcb(level));
      } else if (index == 1) {
        GATEWAY_ASSIGN(level.date, reader_.date("tcbDate"));
      } else if (index == 2) {
        GATEWAY_ASSIGN(level.status, reader_.status("tcbStatus"));
      } else if (index == 3) {
        GATEWAY_ASSIGN(level.advisories, reader_.advisories("advisoryIDs"));
      } else {
        GATEWAY_TRY(reader_.skip());
      }
    }
    if (const auto name = members.missing(3)) return reader_.bad(*name, "it in every level");
    return level;
  }

  Status read_tcb(TcbLevel& level) {
    std::uint32_t v2_seen = 0;
    bool has_pce = false, has_sgx = false, has_tdx = false;
    GATEWAY_TRY(reader_.object("tcb"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      if (*name == "pcesvn") {
        GATEWAY_ASSIGN(const std::uint64_t svn, reader_.number("pcesvn", 0xffff));
        level.pce_svn = static_cast<std::uint16_t>(svn);
        has_pce = true;
      } else if (*name == "sgxtcbcomponents") {
        GATEWAY_ASSIGN(level.sgx_components, read_components("sgxtcbcomponents"));
        has_sgx = true;
      } else if (*name == "tdxtcbcomponents") {
        GATEWAY_ASSIGN(level.tdx_components, read_components("tdxtcbcomponents"));
        has_tdx = true;
      } else if (const auto component = v2_component(*name)) {
        GATEWAY_ASSIGN(const std::uint64_t svn, reader_.number("sgxtcbcomp", 0xff));
        level.sgx_components.at(*component) = static_cast<std::uint8_t>(svn);
        v2_seen |= 1U << *component;
      } else {
        GATEWAY_TRY(reader_.skip());
      }
    }
    const bool v2 = v2_seen == (1U << kComponents) - 1;
    if (!has_pce) return reader_.bad("pcesvn", "it in every level");
    if (v2 == has_sgx || (!v2 && v2_seen != 0)) return reader_.bad("tcb", "sixteen SGX components, in one form");
    if (info_.levels.empty()) v2_levels_ = v2;
    if (v2_levels_ != v2) return reader_.bad("tcb", "one form of components in all levels");
    if (has_tdx) ++tdx_levels_;
    return {};
  }

  Result<ByteArray<kComponents>> read_components(std::string_view what) {
    ByteArray<kComponents> svns{};
    GATEWAY_TRY(reader_.array(what));
    for (std::size_t i = 0;; ++i) {
      GATEWAY_ASSIGN(const bool another, reader_.element());
      if (!another && i == kComponents) return svns;
      if (!another || i == kComponents) return reader_.bad(what, "sixteen components");
      GATEWAY_ASSIGN(svns.at(i), read_component());
    }
  }

  Result<std::uint8_t> read_component() {
    std::optional<std::uint8_t> svn;
    GATEWAY_TRY(reader_.object("tcb"));
    while (true) {
      GATEWAY_ASSIGN(const auto name, reader_.key());
      if (!name) break;
      if (*name == "svn") {
        GATEWAY_ASSIGN(const std::uint64_t value, reader_.number("svn", 0xff));
        svn = static_cast<std::uint8_t>(value);
      } else if (*name == "category" || *name == "type") {
        GATEWAY_TRY(reader_.text(*name));
      } else {
        GATEWAY_TRY(reader_.skip());
      }
    }
    if (!svn) return reader_.bad("svn", "it in every component");
    return *svn;
  }

  FieldReader& reader_;
  TcbInfo& info_;
  bool v2_levels_ = false;
  std::size_t tdx_levels_ = 0;
};

}  // namespace

Result<TcbInfo> parse_tcb_info(ByteView file) {
  TcbInfo info;
  auto body =
      read_envelope(file, "tcbInfo", kIds, [&](FieldReader& reader) { return TcbInfoReader(reader, info).read(); });
  if (!body) return std::unexpected(std::move(body).error());
  info.signed_body = *std::move(body);
  return info;
}

}  // namespace gateway::attestation::dcap
