#include "attestation/appraisal/draft.h"

#include <algorithm>
#include <set>

namespace gateway::attestation {
namespace {

// One entry while evidence is added to it. Evidence of the same identity shares an entry.
struct Entry {
  Platform platform{};
  std::string keys;          // what identifies the workload and how it was launched
  std::string measurements;  // the table of that name, last
  Duration age{};            // nitro and local: of the oldest document
  std::optional<SnpTcbFloor> floor;
  std::optional<std::uint32_t> evaluation_number;
  std::set<std::string> statuses, advisories;
  std::size_t evidence = 0;
};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

template <class Bytes>
bool is_zero(const Bytes& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// Fits into a TOML string as it stands.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

std::string line(const std::string& key, const std::string& value, const std::string& comment = {}) {
  return key + " = " + value + (comment.empty() ? "" : "  # " + comment) + "\n";
}
std::string hex_line(const std::string& key, ByteView value, const std::string& comment = {}) {
  return line(key, quoted(to_hex(value)), comment);
}
// Zero unless the owner chose something.
std::string chosen_line(const std::string& key, ByteView value, const std::string& comment) {
  return is_zero(value) ? std::string() : hex_line(key, value, comment);
}
std::string hint(const std::string& key, ByteView value, const std::string& comment) {
  return "# " + hex_line(key, value, comment);
}

void describe_nitro(const NitroClaims& claims, Time at, Entry& entry) {
  if (entry.platform == Platform::kLocal) {
    entry.keys += line("root", quoted("sha256:" + to_hex(claims.root_sha256)), "the virtual NSM that may speak");
  }
  if (claims.region) entry.keys += line("regions", "[" + quoted(*claims.region) + "]", "leave out for any");
  for (const auto& [index, value] : claims.pcrs) {
    const std::string name = quoted(std::to_string(index));
    if (index <= 2) entry.measurements += hex_line(name, value);
    else if (!is_zero(value)) entry.measurements += hint(name, value, "optional");
  }
  entry.age = std::max(at - claims.timestamp, claims.timestamp - at);
}

void describe_snp(const SnpClaims& claims, Entry& entry) {
  entry.keys +=
      line("product", quoted(to_string(claims.product)), "TCB components of one product mean nothing on another");
  entry.keys += line("signing_key", quoted(to_string(claims.signing_key)));
  if (claims.csp_id && is_plain(*claims.csp_id))
    entry.keys += line("csp_id", quoted(*claims.csp_id), "the provider to whom AMD lent the key");
  if (claims.vmpl != 0)
    entry.keys += line("vmpl", std::to_string(claims.vmpl), "NOT 0: software below VMPL 0 asked for it");
  if (claims.policy.migrate_ma)
    entry.keys += line("allow_migration", "true", "WARNING: a migration agent may move this guest");
  entry.keys +=
      line("min_abi", quoted(std::to_string(claims.policy.abi_major) + "." + std::to_string(claims.policy.abi_minor)),
           "of the guest's own policy");
  entry.keys += line("policy", std::string("{ smt = ") + (claims.policy.smt ? "true" : "false") +
                                   ", single_socket = " + (claims.policy.single_socket ? "true" : "false") + " }");
  if (claims.guest_svn != 0) entry.keys += line("min_guest_svn", std::to_string(claims.guest_svn));
  entry.keys += chosen_line("host_data", claims.host_data, "what the host handed over at launch");
  entry.keys += chosen_line("family_id", claims.family_id, "of the id block");
  entry.keys += chosen_line("image_id", claims.image_id, "of the id block");
  entry.keys += chosen_line("id_key_digest", claims.id_key_digest, "who signed the id block");
  if (claims.author_key_en)
    entry.keys += hex_line("author_key_digest", claims.author_key_digest, "who certified that key");
  entry.measurements += hex_line("measurement", claims.measurement, "firmware, kernel, initrd, cmdline, vCPUs");
  entry.floor = {.fmc = claims.reported_tcb.fmc,
                 .boot_loader = claims.reported_tcb.boot_loader,
                 .tee = claims.reported_tcb.tee,
                 .snp = claims.reported_tcb.snp,
                 .microcode = claims.reported_tcb.microcode};
}

void describe_tdx(const TdxClaims& claims, Entry& entry) {
  const bool migratable = (claims.td_attributes[3] & 0x20U) != 0;
  if (migratable) entry.keys += line("allow_migration", "true", "WARNING: a migration TD may move this TD");
  for (const TdxRegister& known : tdx_registers()) {
    const ByteArray<48>* const value = known.of(claims);
    if (value == nullptr) continue;
    const std::string name(known.name);
    const bool needed = name == "mr_td" || name == "rtmr0" || name == "rtmr1" || name == "rtmr2";
    const bool chosen = name == "mr_config_id" || name == "mr_owner" || name == "mr_owner_config";
    if (needed) entry.measurements += hex_line(name, *value);
    else if (chosen) entry.measurements += chosen_line(name, *value, "what the host handed over at launch");
    else if (!is_zero(*value)) entry.measurements += hint(name, *value, "optional");
  }
}

void describe_sgx(const SgxReportBody& report, Entry& entry) {
  if (!is_zero(report.config_id)) {
    entry.keys += hex_line("config_id", report.config_id, "what the host handed over at launch");
    entry.keys += line("min_config_svn", std::to_string(report.config_svn));
  }
  entry.measurements += hex_line("mr_enclave", report.mr_enclave);
  entry.measurements += "# Or every version of the product that its signer made, in place of mr_enclave:\n";
  entry.measurements += hint("mr_signer", report.mr_signer, "");
  entry.measurements += "# isv_prod_id = " + std::to_string(report.isv_prod_id) +
                        "\n# min_isv_svn = " + std::to_string(report.isv_svn) + "\n";
}

Status describe_tcb(const Claims& claims, Entry& entry) {
  const auto& tcb = claims.tcb();
  if (!tcb || tcb->status == "Unknown" || !tcb->evaluation_number) {
    return fail(ErrorCode::kUnavailable, "policy.tcb_unknown",
                "a policy for " + std::string(to_string(claims.platform())) +
                    " needs a minimum evaluation number, and no TCB data applies to this evidence",
                "give Intel's TCB info and QE identity with --collateral");
  }
  entry.evaluation_number = tcb->evaluation_number;
  entry.statuses.insert(tcb->status);
  if (tcb->status != "UpToDate") entry.advisories.insert(tcb->advisories.begin(), tcb->advisories.end());
  return {};
}

Result<Entry> describe(const DraftEvidence& evidence, const DraftOptions& options) {
  const Claims& claims = evidence.claims;
  Entry entry;
  entry.platform = claims.platform();
  if (claims.debug() && !options.insecure_allow_debug) {
    return fail(ErrorCode::kPolicyRejected, "policy.draft_debug",
                "expected evidence of a workload that keeps secrets, found one in debug mode",
                "start it without debug mode, or say --insecure-allow-debug for a policy that accepts it");
  }
  if (claims.debug()) entry.keys += line("debug", "true", "WARNING: the host can read everything; for tests alone");
  switch (claims.platform()) {
    case Platform::kNitro:
    case Platform::kLocal: describe_nitro(claims.nitro(), evidence.at, entry); break;
    case Platform::kSnp: describe_snp(claims.snp(), entry); break;
    case Platform::kTdx: describe_tdx(claims.tdx(), entry); break;
    case Platform::kSgx: describe_sgx(claims.sgx().report, entry); break;
  }
  if (claims.platform() == Platform::kTdx || claims.platform() == Platform::kSgx)
    GATEWAY_TRY(describe_tcb(claims, entry));
  entry.evidence = 1;
  return entry;
}

// The lowest of both: everything that was given is to be accepted.
void merge(Entry& into, const Entry& other) {
  into.age = std::max(into.age, other.age);
  if (into.floor) {
    SnpTcbFloor& floor = *into.floor;
    if (floor.fmc) floor.fmc = std::min(*floor.fmc, other.floor->fmc.value_or(0));
    floor.boot_loader = std::min(floor.boot_loader, other.floor->boot_loader);
    floor.tee = std::min(floor.tee, other.floor->tee);
    floor.snp = std::min(floor.snp, other.floor->snp);
    floor.microcode = std::min(floor.microcode, other.floor->microcode);
  }
  if (into.evaluation_number) into.evaluation_number = std::min(*into.evaluation_number, *other.evaluation_number);
  into.statuses.insert(other.statuses.begin(), other.statuses.end());
  into.advisories.insert(other.advisories.begin(), other.advisories.end());
  ++into.evidence;
}

std::string list(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + quoted(text);
  return "[" + all + "]";
}

std::string floor_text(const SnpTcbFloor& floor) {
  return "{ " + (floor.fmc ? "fmc = " + std::to_string(*floor.fmc) + ", " : std::string()) +
         "boot_loader = " + std::to_string(floor.boot_loader) + ", tee = " + std::to_string(floor.tee) +
         ", snp = " + std::to_string(floor.snp) + ", microcode = " + std::to_string(floor.microcode) + " }";
}

// Statuses that a policy can name at all; the others stay refused.
bool can_be_accepted(const std::string& status) { return status != "Revoked" && status != "NotSupported"; }
bool out_of_date(const std::string& status) { return status.starts_with("OutOfDate"); }

std::string age_text(Duration age) {
  if (age <= kDefaultMaxAge) return line("max_age", "\"5m\"", "of a document, and of trust in a key without a new one");
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(age).count();
  return line("max_age", quoted(std::to_string(minutes) + "m"),
              "WARNING: a stored document; the usual value is \"5m\"");
}

std::string text_of(const Entry& entry, const DraftOptions& options) {
  const bool of_nitro = entry.platform == Platform::kNitro || entry.platform == Platform::kLocal;
  std::string text = "[[accept]]\n" + line("platform", quoted(to_string(entry.platform))) + entry.keys;
  text += of_nitro ? age_text(entry.age) : line("max_age", "\"5m\"", "of trust in a key without new evidence");
  text += "# config = \"sha384:…\"  # the deployment's configuration, from gateway run or gateway config digest\n";
  if (entry.floor) text += line("min_tcb", floor_text(*entry.floor), "reported_tcb; raise it after every update");
  std::vector<std::string> accepted, tolerated;
  std::vector<std::string> advisories(entry.advisories.begin(), entry.advisories.end());
  if (entry.evaluation_number) {
    text +=
        line("min_tcb_evaluation_number", std::to_string(*entry.evaluation_number), "of Intel's TCB data; raise it");
    accepted.emplace_back("UpToDate");
    for (const std::string& status : entry.statuses) {
      if (out_of_date(status)) tolerated.push_back(status);
      else if (status != "UpToDate" && can_be_accepted(status)) accepted.push_back(status);
    }
    text += line("tcb_status", list(accepted));
    if (accepted.size() > 1 && !advisories.empty())
      text += line("advisories_allowed", list(advisories), "read them first");
  }
  text += "[accept.measurements]\n" + entry.measurements;
  if (!tolerated.empty()) {
    text += "[[accept.grace]]  # tolerated with a warning until then, refused afterwards\n";
    text += line("until", quoted(to_rfc3339(std::chrono::ceil<std::chrono::seconds>(options.at + options.grace))));
    text += line("tcb_status", list(tolerated));
    if (!advisories.empty()) text += line("advisories_allowed", list(advisories), "read them first");
  }
  return text;
}

}  // namespace

Result<std::string> draft_policy(std::span<const DraftEvidence> evidence, const DraftOptions& options) {
  std::vector<Entry> entries;
  for (const DraftEvidence& item : evidence) {
    GATEWAY_ASSIGN(Entry entry, describe(item, options));
    const auto same = std::ranges::find_if(entries, [&](const Entry& other) {
      return other.platform == entry.platform && other.keys == entry.keys && other.measurements == entry.measurements;
    });
    if (same == entries.end()) entries.push_back(std::move(entry));
    else merge(*same, entry);
  }
  if (entries.empty()) {
    return fail(ErrorCode::kInvalidArgument, "policy.draft_empty",
                "expected evidence to draft a policy from, found none", "name at least one file of evidence");
  }
  std::string text = "# Drafted from evidence as of " + to_rfc3339(options.at) +
                     ". It accepts what that evidence shows, no more: read every\n"
                     "# line, and compare the measurements with those of an image that you trust. docs/policy.md "
                     "explains every key.\n";
  for (const Entry& entry : entries) {
    text += "\n# From " + std::to_string(entry.evidence) + (entry.evidence == 1 ? " piece" : " pieces") +
            " of evidence.\n" + text_of(entry, options);
  }
  return text;
}

}  // namespace gateway::attestation
