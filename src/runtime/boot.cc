#include "runtime/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "crypto/random.h"
#include "net/control.h"
#include "net/descriptor.h"
#include "runtime/cmdline.h"

namespace gateway::runtime {
namespace {

constexpr std::size_t kMaxCmdline = 64UZ * 1024;
constexpr std::size_t kLeastEntropy = 32;

Result<Bytes> read_whole(const std::string& path, std::size_t limit) {
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  Bytes bytes(limit + 1);
  std::size_t size = 0;
  ssize_t got = -1;
  while (file.valid() && size < bytes.size() &&
         (got = ::read(file.get(), bytes.data() + size, bytes.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  if (got != 0) {
    return fail(ErrorCode::kUnavailable, "runtime.tree", path + " could not be read: " + std::strerror(errno),
                "the image is not whole: build it again with `gateway build`");
  }
  bytes.resize(size);
  return bytes;
}

Result<Bytes> expect_frame(int control, net::ControlType type, const char* name) {
  GATEWAY_ASSIGN(net::ControlFrame frame, net::read_control(control));
  if (frame.type != type) {
    return fail(ErrorCode::kMalformed, "control.order",
                std::string("expected the frame ") + name + ", found type " +
                    std::to_string(static_cast<unsigned>(frame.type)));
  }
  return std::move(frame.body);
}

// Mixed, never used alone: a hostile device cannot lower what the kernel has already.
Status seed_randomness(attester::Attester& attester) {
  GATEWAY_ASSIGN(Bytes entropy, attester.random());
  if (entropy.size() < kLeastEntropy) {
    return fail(ErrorCode::kInternal, "runtime.random", "the device gave fewer than 32 bytes of entropy");
  }
  crypto::mix_entropy(entropy);
  const net::Descriptor pool(::open("/dev/urandom", O_WRONLY | O_CLOEXEC));
  const bool mixed =
      pool.valid() && ::write(pool.get(), entropy.data(), entropy.size()) == static_cast<ssize_t>(entropy.size());
  wipe(entropy);
  if (!mixed) log::info("runtime.random_pool_read_only");  // some sandboxes; the library's pool has it
  return {};
}

Status check_command_line(const BootSources& sources) {
  GATEWAY_ASSIGN(const Bytes measured, read_whole(sources.root + std::string(image::kCmdlinePath), kMaxCmdline));
  Bytes actual;
  if (sources.platform == attestation::Platform::kLocal) {
    GATEWAY_ASSIGN(actual, expect_frame(sources.control, net::ControlType::kCmdline, "cmdline"));
  } else {
    GATEWAY_ASSIGN(actual, read_whole("/proc/cmdline", kMaxCmdline));
  }
  return check_cmdline(as_text(measured), as_text(actual), sources.platform);
}

}  // namespace

Status harden_process() {
  ::umask(077);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return fail(ErrorCode::kInternal, "runtime.harden",
                std::string("core dumps could not be ruled out: ") + std::strerror(errno));
  }
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);  // more is better, and never more than was allowed
  }
  return {};
}

Result<Booted> boot(const BootSources& sources, attester::NsmClient& nsm) {
  GATEWAY_TRY(seed_randomness(nsm));
  GATEWAY_TRY(check_command_line(sources));
  GATEWAY_ASSIGN(const Bytes json,
                 read_whole(sources.root + std::string(image::kDescriptionPath), image::kMaxDescriptionBytes));
  GATEWAY_ASSIGN(image::Description description, image::parse_description(as_text(json)));
  GATEWAY_ASSIGN(const Bytes text, expect_frame(sources.control, net::ControlType::kConfig, "config"));
  GATEWAY_ASSIGN(const channel::DeploymentConfig deployment, channel::parse_deployment(as_text(text), "config"));
  GATEWAY_ASSIGN(EffectiveConfig config, narrow(description, deployment));
  const crypto::Sha384 config_digest = channel::deployment_digest(text);
  GATEWAY_TRY(bind_configuration(nsm, config_digest));
  GATEWAY_ASSIGN(OwnEvidence own, read_own_evidence(nsm, config_digest));
  GATEWAY_ASSIGN(Identity identity, make_identity(nsm, config_digest, own.clock.now()));
  GATEWAY_ASSIGN(Bytes tokens, expect_frame(sources.control, net::ControlType::kTokens, "tokens"));
  log::info("runtime.booted", {{"image", description.name}, {"config", "sha384:" + to_hex(config_digest)}});
  return Booted{.description = std::move(description),
                .config = std::move(config),
                .config_digest = config_digest,
                .clock = own.clock,
                .identity = std::move(identity),
                .tokens = std::move(tokens)};
}

}  // namespace gateway::runtime
