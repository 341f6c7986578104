#include "policy.h"

#include <algorithm>
#include <boost/json.hpp>

#include "attestation/appraisal/draft.h"
#include "key_files.h"
#include "policy_evidence.h"
#include "terminal.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;
using attestation::AppraisalStatus;
using attestation::Verification;

// From what is best to what is worst for whoever holds the evidence.
enum class Answer : std::uint8_t { kAffirmed, kWarned, kUndecided, kRefused };

Answer answer_of(const Verification& verification) {
  if (verification.result)
    return verification.appraisal == AppraisalStatus::kWarning ? Answer::kWarned : Answer::kAffirmed;
  const bool undecided = verification.reason && exit_status(verification.reason->code()) == kUndecided;
  return undecided ? Answer::kUndecided : Answer::kRefused;
}

const char* word_of(Answer answer) {
  switch (answer) {
    case Answer::kAffirmed: return "affirmed";
    case Answer::kWarned: return "warned";
    case Answer::kUndecided: return "undecided";
    case Answer::kRefused: return "refused";
  }
  return "?";
}

struct Judged {
  Answer answer{};
  std::string reason;  // "" when accepted
  std::string detail;
  std::optional<std::size_t> entry;
};

Judged judged(const Verification& verification) {
  Judged out{.answer = answer_of(verification), .reason = {}, .detail = {}, .entry = {}};
  if (verification.reason) {
    out.reason = verification.reason->id();
    out.detail = verification.reason->detail();
  }
  if (verification.result) out.entry = verification.result->policy_entry();
  return out;
}

struct Row {
  std::string file;
  std::string platform;
  std::optional<Judged> old;
  Judged now;

  // "none", "reason" (the same answer for another reason), or the answer that would be new.
  std::string change() const {
    if (!old) return "none";
    if (old->answer != now.answer) return word_of(now.answer);
    return old->reason == now.reason ? "none" : "reason";
  }
};

struct Table {
  std::vector<Row> rows;
  std::size_t passed_over = 0;

  std::size_t count(Answer answer) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(rows, [&](const Row& row) { return row.now.answer == answer; }));
  }
  std::size_t changed() const {
    return static_cast<std::size_t>(std::ranges::count_if(rows, [](const Row& row) { return row.change() != "none"; }));
  }
};

Result<Table> test_policy(const PolicyTestOptions& options) {
  GATEWAY_ASSIGN(const auto policy, read_policy_file(options.policy));
  std::optional<attestation::Policy> old;
  if (options.against) {
    GATEWAY_ASSIGN(old, read_policy_file(*options.against));
  }
  GATEWAY_ASSIGN(const EvidenceFolder folder, read_evidence(options.evidence, SystemClock().now()));
  Table table;
  for (const RecordedEvidence& item : folder.evidence) {
    const Verification now = folder.verify(item, &policy);
    if (!item.named && now.reason && (now.reason->id() == "evidence.unrecognised" || item.bytes.empty())) {
      ++table.passed_over;
      continue;
    }
    Row row{.file = item.file, .platform = {}, .old = {}, .now = judged(now)};
    row.platform = now.platform ? to_string(*now.platform) : std::string_view("unknown");
    if (old) row.old = judged(folder.verify(item, &*old));
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) {
    return fail(ErrorCode::kNotFound, "policy.no_evidence", "none of the files named is evidence of any platform",
                "name files or folders with the raw bytes of recorded evidence");
  }
  return table;
}

json::value judged_json(const Judged& judged) {
  json::object object{{"answer", word_of(judged.answer)}, {"reason", nullptr}, {"entry", nullptr}};
  if (!judged.reason.empty()) object["reason"] = judged.reason;
  if (judged.entry) object["entry"] = *judged.entry;
  return object;
}

void print_table_json(const PolicyTestOptions& options, const Table& table) {
  json::array evidence;
  for (const Row& row : table.rows) {
    evidence.push_back(json::object{{"file", row.file},
                                    {"platform", row.platform},
                                    {"old", row.old ? judged_json(*row.old) : json::value(nullptr)},
                                    {"new", judged_json(row.now)},
                                    {"change", row.change()}});
  }
  json::object summary{{"evidence", table.rows.size()}, {"passed_over", table.passed_over}};
  for (const Answer answer : {Answer::kAffirmed, Answer::kWarned, Answer::kUndecided, Answer::kRefused})
    summary[word_of(answer)] = table.count(answer);
  summary["changed"] = options.against ? json::value(table.changed()) : json::value(nullptr);
  json::object object{{"policy", options.policy}, {"against", nullptr}};
  if (options.against) object["against"] = *options.against;
  object["evidence"] = std::move(evidence);
  object["summary"] = std::move(summary);
  print_json(object);
}

std::string answer_text(const Judged& judged) {
  return word_of(judged.answer) + (judged.reason.empty() ? std::string() : " (" + judged.reason + ")");
}

// File names are the operator's own, but a terminal is no place for control characters.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

void print_table(const PolicyTestOptions& options, const Table& table) {
  std::vector<std::vector<std::string>> cells;
  if (options.against) cells.push_back({"", "evidence", "platform", "before", "after"});
  else cells.push_back({"", "evidence", "platform", "answer"});
  for (const Row& row : table.rows) {
    std::vector<std::string> line{row.change() == "none" ? " " : "*", printable(row.file), row.platform};
    if (row.old) line.push_back(answer_text(*row.old));
    line.push_back(answer_text(row.now));
    cells.push_back(std::move(line));
  }
  std::vector<std::size_t> widths(cells.front().size());
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths.at(i) = std::max(widths.at(i), line[i].size());
  }
  for (const auto& line : cells) {
    std::string text;
    for (std::size_t i = 0; i + 1 < line.size(); ++i)
      text += line[i] + std::string(widths.at(i) - line[i].size() + 2, ' ');
    print_line(text + line.back());
  }
  print_line("");
  for (const Row& row : table.rows) {
    if (row.change() == "none" || row.now.detail.empty()) continue;
    print_line("* " + printable(row.file) + ": " + row.now.detail);
  }
  std::string summary =
      std::to_string(table.rows.size()) + " judged: " + std::to_string(table.count(Answer::kAffirmed)) + " affirmed, " +
      std::to_string(table.count(Answer::kWarned)) + " warned, " + std::to_string(table.count(Answer::kUndecided)) +
      " undecided, " + std::to_string(table.count(Answer::kRefused)) + " refused";
  if (options.against) summary += "; " + std::to_string(table.changed()) + " would change";
  if (table.passed_over != 0) summary += "; " + std::to_string(table.passed_over) + " files are no evidence";
  print_line(summary);
}

// With an old policy: what would get worse. Without: the worst answer there is.
int status_of(const Table& table) {
  int status = kDone;
  for (const Row& row : table.rows) {
    if (row.old && row.now.answer <= row.old->answer) continue;
    if (row.now.answer == Answer::kRefused) return kRefused;
    if (row.now.answer == Answer::kUndecided) status = kUndecided;
  }
  return status;
}

Result<std::string> drafted(const PolicyInitOptions& options) {
  GATEWAY_ASSIGN(const EvidenceFolder folder, read_evidence(options.evidence, std::nullopt));
  attestation::DraftOptions draft{.at = {}, .insecure_allow_debug = options.insecure_allow_debug};
  std::vector<attestation::DraftEvidence> evidence;
  std::vector<const RecordedEvidence*> used;
  draft.at = folder.at.value_or(Time::min());
  for (const RecordedEvidence& item : folder.evidence) {
    const Verification verification = folder.verify(item, nullptr);
    if (!verification.claims) {
      const bool other = verification.reason && verification.reason->id() == "evidence.unrecognised";
      if (!item.named && (other || item.bytes.empty())) continue;
      if (verification.reason) return std::unexpected(*verification.reason);
    }
    evidence.push_back({*verification.claims, folder.time_of(item)});
    used.push_back(&item);
    draft.at = std::max(draft.at, folder.time_of(item));
  }
  GATEWAY_ASSIGN(std::string text, attestation::draft_policy(evidence, draft));
  // A draft that refuses its own evidence is worse than none. One that lacks something to decide is only incomplete.
  GATEWAY_ASSIGN(const auto policy, attestation::Policy::parse(text, "the draft"));
  for (const RecordedEvidence* item : used) {
    const Verification verification = folder.verify(*item, &policy);
    if (verification.result || !verification.reason) continue;
    if (exit_status(verification.reason->code()) != kUndecided) return std::unexpected(*verification.reason);
    say("note: under this policy the evidence stays undecided (" + std::string(verification.reason->id()) + ")");
    say("  what to do: " + verification.reason->remedy());
  }
  return text;
}

}  // namespace

int run_policy_test(const PolicyTestOptions& options) {
  const auto table = test_policy(options);
  if (!table) return report(table.error());
  if (options.json) print_table_json(options, *table);
  else print_table(options, *table);
  return status_of(*table);
}

int run_policy_init(const PolicyInitOptions& options) {
  const auto text = drafted(options);
  if (!text) return report(text.error());
  if (!options.output) {
    print_line(std::string_view(*text).substr(0, text->size() - 1));
    return kDone;
  }
  if (const Status written = write_new_file(*options.output, as_bytes(*text), 0644); !written)
    return report(written.error());
  say("wrote " + *options.output + ": read it before you use it");
  return kDone;
}

}  // namespace gateway::cli
