#include "policy_evidence.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "attestation/formats/verify_file.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEvidenceFiles = 10'000;

Time modified_at(const std::string& path) {
  struct stat status{};
  if (path == "-" || ::stat(path.c_str(), &status) != 0) return SystemClock().now();
  return Time(std::chrono::seconds(status.st_mtim.tv_sec));
}

// Not authenticated: it only says when to judge, and a document that lies about it is judged at the wrong time.
Time recorded_at(const std::string& path, ByteView bytes) {
  const auto document = attestation::nitro::parse_document(bytes);
  return document ? document->timestamp : modified_at(path);
}

Status read_item(const std::string& path, bool named, EvidenceFolder& folder) {
  GATEWAY_ASSIGN(Bytes bytes, read_file(path, attestation::kMaxEvidenceSize));
  const Time recorded = recorded_at(path, bytes);
  folder.evidence.push_back({.file = path, .bytes = std::move(bytes), .named = named, .recorded = recorded});
  if (folder.evidence.size() > kMaxEvidenceFiles) {
    return fail(ErrorCode::kLimitExceeded, "file.too_many",
                "expected at most " + std::to_string(kMaxEvidenceFiles) + " files of evidence",
                "name the folder that holds the evidence alone");
  }
  return {};
}

Status read_path(const std::string& path, EvidenceFolder& folder) {
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) return read_item(path, true, folder);
  std::vector<std::string> files;
  constexpr auto kOptions = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(path, kOptions, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_symlink(ignored) && entry->is_regular_file(ignored)) files.push_back(entry->path().string());
    if (files.size() > kMaxEvidenceFiles) break;
  }
  std::ranges::sort(files);
  for (const std::string& file : files) GATEWAY_TRY(read_item(file, false, folder));
  return {};
}

}  // namespace

attestation::Verification EvidenceFolder::verify(const RecordedEvidence& item,
                                                 const attestation::Policy* policy) const {
  attestation::VerifyInputs inputs{.at = time_of(item),
                                   .platform = {},
                                   .nitro = {},
                                   .collateral = &collateral,
                                   .expected_nonce = {},
                                   .expected_report_data = {},
                                   .config_digest = {},
                                   .caches = &caches};
  inputs.nitro.local_roots = roots;
  return attestation::formats::verify_file(item.bytes, policy, inputs);
}

Result<EvidenceFolder> read_evidence(const PolicyEvidence& options, std::optional<Time> otherwise) {
  EvidenceFolder folder;
  folder.at = otherwise;
  if (options.at == "recorded") {
    folder.at.reset();
  } else if (options.at) {
    folder.at = from_rfc3339(*options.at);
    if (!folder.at) {
      return fail(ErrorCode::kInvalidArgument, "policy.usage", "--at is neither a time of RFC 3339 nor \"recorded\"",
                  "write it as 2026-01-31T12:00:00Z");
    }
  }
  for (const std::string& path : options.roots) {
    GATEWAY_ASSIGN(auto certificates, read_certificates(path));
    for (auto& certificate : certificates) folder.roots.push_back(std::move(certificate));
  }
  GATEWAY_ASSIGN(const auto files, read_collateral(options.collateral));
  folder.collateral = attestation::Collateral::recognise(files);
  for (const std::string& path : options.files) GATEWAY_TRY(read_path(path, folder));
  return folder;
}

Result<attestation::Policy> read_policy_file(const std::string& path) {
  GATEWAY_ASSIGN(const Bytes content, read_file(path, attestation::kMaxPolicySize));
  auto policy = attestation::Policy::parse(as_text(content), path);
  if (policy) return policy;
  // Whatever is wrong with a policy is the operator's to mend, never a verdict on the evidence.
  const Error& cause = policy.error();
  return std::unexpected(Error(ErrorCode::kInvalidArgument, cause.error_id(), cause.detail(), cause.remedy()));
}

}  // namespace gateway::cli
