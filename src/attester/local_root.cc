#include "attester/local_root.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "crypto/random.h"
#include "net/descriptor.h"

namespace gateway::attester {
namespace {

constexpr const char* kLockFile = ".local-root.lock";
constexpr std::size_t kMaxFileSize = 16UZ * 1024;
constexpr auto kRootLifetime = std::chrono::days(3650);
constexpr auto kClockSlack = std::chrono::hours(1);  // a clock that was ahead at first start and was put right later

std::unexpected<Error> file_error(const std::string& what, int error) {
  return fail(ErrorCode::kUnavailable, "local_root.file", what + ": " + std::generic_category().message(error),
              "check the folder's owner, permissions and free space");
}

class Folder {
 public:
  static Result<Folder> open(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return file_error("cannot make the folder " + path, errno);
    net::Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor.valid()) return file_error("cannot open the folder " + path, errno);
    struct stat status{};
    if (::fstat(descriptor.get(), &status) != 0) return file_error("cannot read the folder " + path, errno);
    if (status.st_uid != ::geteuid() || (status.st_mode & 022U) != 0) {
      return fail(ErrorCode::kInvalidArgument, "local_root.mode",
                  "expected the folder " + path + " to be this user's own and writable by nobody else",
                  "chown it to this user and chmod go-w it");
    }
    return Folder(path, std::move(descriptor));
  }

  // Held until the descriptor goes.
  Result<net::Descriptor> lock() const {
    net::Descriptor descriptor(::openat(folder_.get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!descriptor.valid()) return file_error("cannot make the lock file in " + path_, errno);
    while (::flock(descriptor.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return file_error("cannot lock " + path_, errno);
    }
    return descriptor;
  }

  bool has(const char* name) const { return ::faccessat(folder_.get(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

  // `loose`: mode bits that must not be set.
  Result<Secret> read(const char* name, unsigned loose) const {
    const net::Descriptor descriptor(::openat(folder_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!descriptor.valid()) return file_error("cannot open " + full(name), errno);
    struct stat status{};
    if (::fstat(descriptor.get(), &status) != 0) return file_error("cannot read " + full(name), errno);
    if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & loose) != 0) {
      return fail(ErrorCode::kInvalidArgument, "local_root.mode",
                  "expected " + full(name) + " to be a file of this user's own with tighter permissions",
                  "whoever could write or read it may know the key: delete the folder's files to make a new root");
    }
    Secret content(kMaxFileSize);
    std::size_t have = 0;
    while (have < kMaxFileSize) {
      const ssize_t count = ::read(descriptor.get(), content.reveal_mutable().data() + have, kMaxFileSize - have);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return file_error("cannot read " + full(name), errno);
      if (count == 0) break;
      have += static_cast<std::size_t>(count);
    }
    return Secret(content.reveal().first(have));
  }

  // All or nothing: readers see the old file or the new one, never a part.
  Status write(const char* name, ByteView content, mode_t mode) const {
    const std::string temporary = std::string(name) + ".new";
    ::unlinkat(folder_.get(), temporary.c_str(), 0);  // left by a crash; we hold the lock
    const net::Descriptor descriptor(
        ::openat(folder_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!descriptor.valid()) return file_error("cannot make " + full(name), errno);
    while (!content.empty()) {
      const ssize_t count = ::write(descriptor.get(), content.data(), content.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return file_error("cannot write " + full(name), errno);
      content = content.subspan(static_cast<std::size_t>(count));
    }
    if (::fchmod(descriptor.get(), mode) != 0 || ::fsync(descriptor.get()) != 0 ||
        ::renameat(folder_.get(), temporary.c_str(), folder_.get(), name) != 0) {
      return file_error("cannot write " + full(name), errno);
    }
    return {};
  }

  std::string full(const char* name) const { return path_ + "/" + name; }

 private:
  Folder(std::string path, net::Descriptor descriptor) : path_(std::move(path)), folder_(std::move(descriptor)) {}
  std::string path_;
  net::Descriptor folder_;
};

Result<LocalRoot> load(const Folder& folder, Time now) {
  GATEWAY_ASSIGN(const Secret key_pem, folder.read(kLocalRootKeyFile, 077));
  GATEWAY_ASSIGN(const Secret certificate_pem, folder.read(kLocalRootFile, 022));
  auto key = crypto::PrivateKey::from_pem(key_pem);
  auto certificates = crypto::Certificate::from_pem(as_text(certificate_pem.reveal()), 1);
  if (!key || !certificates || certificates->size() != 1) {
    return fail(ErrorCode::kMalformed, "local_root.parse", "the local root's key or certificate cannot be read",
                "delete " + folder.full(kLocalRootKeyFile) +
                    " to make a new root; policies that name the old one need the new hash");
  }
  const crypto::Certificate& certificate = certificates->front();
  if (certificate.public_key().spki() != key->public_key().spki() || !certificate.is_ca()) {
    return fail(ErrorCode::kInvalidArgument, "local_root.mismatch", "the local root's certificate is not of its key",
                "delete " + folder.full(kLocalRootKeyFile) + " to make a new root");
  }
  if (!certificate.validity().contains(now)) {
    return fail(ErrorCode::kInvalidArgument, "local_root.expired",
                "the local root is valid from " + to_rfc3339(certificate.validity().not_before) + " to " +
                    to_rfc3339(certificate.validity().not_after) + ", now is " + to_rfc3339(now),
                "check this machine's clock, or delete " + folder.full(kLocalRootKeyFile) + " to make a new root");
  }
  return LocalRoot{std::move(*key), certificate};
}

}  // namespace

Result<LocalRoot> LocalRoot::create(Time now) {
  GATEWAY_ASSIGN(auto key, crypto::PrivateKey::generate(crypto::KeyType::kP384));
  const std::string name = "gateway-local-root-" + to_hex(crypto::random_array<8>());
  const crypto::CertificateSpec spec{.subject_common_name = name,
                                     .issuer_common_name = name,
                                     .subject_key = key.public_key(),
                                     .validity = {.not_before = now - kClockSlack, .not_after = now + kRootLifetime},
                                     .is_ca = true,
                                     .path_length = std::nullopt,
                                     .dns_names = {},
                                     .extensions = {}};
  GATEWAY_ASSIGN(auto certificate, crypto::issue_certificate(spec, key));
  return LocalRoot{std::move(key), std::move(certificate)};
}

Result<LocalRoot> LocalRoot::load_or_create(const std::string& path, Time now) {
  GATEWAY_ASSIGN(const Folder folder, Folder::open(path));
  GATEWAY_ASSIGN(const net::Descriptor lock, folder.lock());
  if (folder.has(kLocalRootKeyFile)) return load(folder, now);
  GATEWAY_ASSIGN(LocalRoot root, create(now));
  // The certificate first: a key file means that both are there.
  GATEWAY_TRY(folder.write(kLocalRootFile, as_bytes(root.certificate.to_pem()), 0644));
  GATEWAY_ASSIGN(const Secret key_pem, root.key.to_pem());
  GATEWAY_TRY(folder.write(kLocalRootKeyFile, key_pem.reveal(), 0600));
  return root;
}

}  // namespace gateway::attester
