#include "verify_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "attestation/collateral/collateral.h"
#include "net/descriptor.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxCertificateFile = 64UZ * 1024;
constexpr std::size_t kMaxCollateralFile = attestation::Collateral::kMaxFile;
constexpr std::size_t kMaxCollateralFiles = attestation::Collateral::kMaxFiles;

std::unexpected<Error> file_error(const std::string& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  const std::string detail = path + ": " + std::generic_category().message(error);
  if (missing) return fail(ErrorCode::kNotFound, "file.not_found", detail, "check the name");
  return fail(ErrorCode::kUnavailable, "file.unreadable", detail, "check that it is a file and that you may read it");
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t max_size) {
  net::Descriptor descriptor(path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!descriptor.valid()) return file_error(path, errno);
  Bytes content;
  ByteArray<16UZ * 1024> block{};
  while (content.size() <= max_size) {
    const std::size_t want = std::min(block.size(), max_size + 1 - content.size());
    const ssize_t count = ::read(descriptor.get(), block.data(), want);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error(path, errno);
    if (count == 0) break;
    append(content, ByteView(block).first(static_cast<std::size_t>(count)));
  }
  return content;
}

Result<std::vector<Bytes>> read_collateral(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) return file_error(path, error ? error.value() : ENOENT);
    if (!fs::is_directory(status)) {
      files.push_back(path);
      continue;
    }
    constexpr auto kOptions = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator entry(path, kOptions, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      if (!entry->is_symlink(ignored) && entry->is_regular_file(ignored)) files.push_back(entry->path().string());
      if (files.size() > kMaxCollateralFiles) break;
    }
    if (error) return file_error(path, error.value());
  }
  if (files.size() > kMaxCollateralFiles) {
    return fail(ErrorCode::kLimitExceeded, "file.too_many",
                "expected at most " + std::to_string(kMaxCollateralFiles) + " files of collateral",
                "name the folder that holds the collateral alone");
  }
  std::ranges::sort(files);
  std::vector<Bytes> contents;
  for (const std::string& file : files) {
    GATEWAY_ASSIGN(Bytes content, read_file(file, kMaxCollateralFile));
    if (content.size() <= kMaxCollateralFile) contents.push_back(std::move(content));
  }
  return contents;
}

Result<std::vector<crypto::Certificate>> read_certificates(const std::string& path) {
  GATEWAY_ASSIGN(const Bytes content, read_file(path, kMaxCertificateFile));
  if (content.size() <= kMaxCertificateFile) {
    if (auto der = crypto::Certificate::from_der(content)) return std::vector{std::move(*der)};
    if (auto pem = crypto::Certificate::from_pem(as_text(content)); pem && !pem->empty()) return std::move(*pem);
  }
  return fail(ErrorCode::kInvalidArgument, "verify.root", path + " is not a certificate in DER or PEM",
              "give the root_file that gateway run printed");
}

}  // namespace gateway::cli
