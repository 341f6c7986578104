// The measured description /gateway/image.json: what the image's author decided about the workload, the ways to it
// and what a deployment may still choose. `gateway build` writes it into ramdisk 2; the runtime reads it at boot.
//
// Input:  measured, so it is the author's word; parsed strictly all the same: every key of the schema must be there,
//         unknown keys and values outside their range are refused.
// Output: Description, checked: the runtime needs no further checks of form.
// Bounds: kMaxDescriptionBytes; counts and lengths in description.cc.
// Spec:   schema of docs/image.md. JSON, UTF-8, compact, keys in the order of the structs below, one newline at the
// end;
//         durations are integers with "_ms", sizes are bytes.
// Errors: kMalformed image.description.syntax, image.description.unknown_key, image.description.missing_key,
//         image.description.type, image.description.version; kInvalidArgument image.description.value,
//         image.description.slot, image.description.egress, image.description.kms, image.egress;
//         kLimitExceeded image.description.size
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace gateway::image {

inline constexpr std::size_t kMaxDescriptionBytes = 256UZ * 1024;
inline constexpr std::int64_t kDescriptionVersion = 1;
// Where things lie in the tree that the ramdisks unpack to.
inline constexpr std::string_view kInitPath = "/init";
inline constexpr std::string_view kCmdlinePath = "/gateway/cmdline";
inline constexpr std::string_view kModulesPath = "/gateway/modules";
inline constexpr std::string_view kDescriptionPath = "/gateway/image.json";
inline constexpr std::string_view kRootfsPath = "/rootfs";
// The only folder in which a workload's listening socket may lie.
inline constexpr std::string_view kSocketFolder = "/run/gateway/";

enum class RestartPolicy : std::uint8_t { kNever, kOnFailure, kAlways };  // "never", "on-failure", "always"
enum class IngressProfile : std::uint8_t { kHttp, kLlama };               // "http", "llama"

// The workload counts as ready when GET path answers 2xx; not ready within the timeout is a failure.
struct Readiness {
  std::string path;
  Duration timeout{60'000};
};

struct WorkloadDescription {
  std::vector<std::string> argv;                        // argv[0] is an absolute path in the root file system
  std::map<std::string, std::string, std::less<>> env;  // the whole environment; nothing is inherited
  std::string cwd = "/";
  std::uint32_t uid = 1000;
  std::uint32_t gid = 1000;
  RestartPolicy restart = RestartPolicy::kOnFailure;
  std::optional<Readiness> readiness;  // absent: ready when its socket accepts
  Duration stop_grace{10'000};         // from SIGTERM to SIGKILL
};

// Where the workload's HTTP server listens, inside its own namespaces: exactly one of the two is set.
struct IngressDescription {
  std::string socket;      // Unix socket, kSocketFolder + name; empty when port is set
  std::uint16_t port = 0;  // TCP on its loopback, 1024 and up; 0 when socket is set
  IngressProfile profile = IngressProfile::kHttp;
  std::vector<std::string> paths;  // patterns, see path_allowed()
  // Answers travel in TLS records padded to multiples of so many bytes, so that who sees the traffic learns their
  // length only as a number of these; 0: no padding, else a power of two from 64 to 16,384.
  std::uint32_t padding = 0;
  // The workload is told what the host says of each caller's address: a claim, in the field Gateway-Claimed-Client.
  bool client_address = false;
};

// Where the workload may go (image/egress.h has the form of an entry). Empty: nowhere.
struct EgressDescription {
  std::vector<std::string> allow;           // names, TCP: TLS to the very name
  std::vector<std::string> insecure_allow;  // names and addresses, TCP and UDP: whatever bytes
  bool transparent = false;                 // TCP that the workload opens itself is led to the runtime
  bool tun = false;                         // a network device, for what is not TCP: insecure_allow alone
  bool runtime_tls = false;  // tls = "runtime": the runtime speaks TLS to `allow`, the workload plaintext to it
  std::string roots;         // PEM, a path in the root file system: whom the runtime's own TLS believes
};

// AWS KMS as the runtime uses it for the workload (docs/trust.md §11).
struct KmsDescription {
  std::string region;
  std::string endpoint;                                     // "name:port"
  std::vector<std::string> keys;                            // full ARNs of keys
  std::map<std::string, std::string, std::less<>> context;  // part of every call's encryption context; never empty
};

// What the deployment's configuration may fill; everything else of it may only narrow.
struct SlotsDescription {
  bool args_append = false;      // may append arguments to argv
  std::vector<std::string> env;  // names that it may set; never one that env above fixes
  bool paths_narrow = true;      // may name a subset of ingress paths
};

// Upper bounds of the runtime's server; configuration may lower them.
struct LimitsDescription {
  std::uint64_t max_header = 16UZ * 1024;
  std::uint64_t max_body = 8ULL * 1024 * 1024;
  std::uint32_t max_in_flight = 256;
  std::uint32_t max_connections = 4096;
  Duration head_timeout{10'000};
  Duration body_timeout{30'000};
  Duration idle_timeout{75'000};
  Duration response_timeout{600'000};  // between bytes of the workload's answer
};

struct ResourcesDescription {
  std::uint64_t memory = 1024ULL * 1024 * 1024;  // bytes for the whole enclave; the EIF header says the same
  std::uint32_t cpus = 2;
};

struct LlamaDescription {
  std::uint32_t max_tokens = 1024;  // ceiling of max_tokens and n_predict of one request
};

struct Description {
  std::string name;         // [a-z0-9._-], starts with a letter or digit, at most 63
  std::string app_version;  // free text of the author, printable ASCII
  WorkloadDescription workload;
  IngressDescription ingress;
  EgressDescription egress;
  SlotsDescription slots;
  LimitsDescription limits;
  ResourcesDescription resources;
  std::optional<LlamaDescription> llama;  // present exactly when the profile is llama
  std::optional<KmsDescription> kms;
  bool insecure_logs_to_host = false;  // the host sees what the workload prints
  bool insecure_host_time = false;     // wall-clock decisions may use the host's clock where no better one exists
};

// Every rule about values; parse and encode both apply it.
Status check(const Description& description);

Result<Description> parse_description(std::string_view json);
// The canonical bytes: the same description always encodes to the same bytes.
Result<std::string> encode_description(const Description& description);

// A pattern is an absolute path of plain segments, or such a path followed by "/*", which stands for everything below
// it ("/v1/*" matches "/v1/models" and "/v1/a/b", not "/v1"). `path` is normalised already and has no query.
bool path_allowed(std::span<const std::string> patterns, std::string_view path);
// Whether all that `pattern` matches is matched by one of `patterns`: what "narrow" means for paths.
bool pattern_within(std::span<const std::string> patterns, std::string_view pattern);
// Form of one pattern: segments of unreserved characters, no "." or "..", no empty segment, nothing of the runtime's
// own.
bool well_formed_pattern(std::string_view pattern);
bool well_formed_env_name(std::string_view name);  // [A-Za-z_][A-Za-z0-9_]*

}  // namespace gateway::image
