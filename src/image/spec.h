// SPEC.toml: what a person writes to say what an image holds.
//
// Input:  a file of the person who builds, read strictly: unknown keys are refused with file, line and nearest key.
// Output: Spec. All paths are absolute or count from the working folder (the spec's own folder is put before them).
// Spec:   docs/image.md. Raw form: [image] with ramdisks, nothing else. Full form: [image], [rootfs], [workload],
//         [ingress], [egress], [kms], [slots], [resources], [limits], [llama].
// Errors: the reader's toml.*; kInvalidArgument image.spec.rootfs, image.spec.value; and description.h's
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "image/description.h"

namespace gateway::image {

// Without a kernel of its own choice an image has Debian's.
inline constexpr std::string_view kDefaultCmdline = "reboot=t panic=-1 console=ttyS0 quiet";
inline constexpr std::string_view kDefaultSuite = "forky";

struct SpecPath {
  std::string written;  // as in the spec: the name in the lock
  std::string path;     // where it is
};

struct RawParts {
  std::vector<SpecPath> ramdisks;
};

struct KernelNone {};
struct KernelPackage {};
struct KernelFile {
  SpecPath image;
  std::vector<SpecPath> modules;  // .ko, .ko.xz or .ko.zst, in load order
};
using KernelChoice = std::variant<KernelNone, KernelPackage, KernelFile>;

struct SpecFile {
  SpecPath from;
  std::string to;  // absolute in the root file system
  bool executable = false;
};

struct PackagesSource {
  std::vector<std::string> packages;
  std::string suite;
};
struct OciSource {
  SpecPath image;  // a layout's folder, or a tar of one, or a `docker save` archive
};
struct FolderSource {
  SpecPath folder;
};
struct EmptySource {};  // files alone

struct RootfsSpec {
  std::variant<EmptySource, PackagesSource, OciSource, FolderSource> source;
  std::vector<SpecFile> files;
  std::string lock;  // path of the lock file
};

struct FullParts {
  RootfsSpec rootfs;
  Description description;
};

struct Spec {
  std::string name;
  std::string version;
  KernelChoice kernel;
  std::string cmdline;
  std::variant<RawParts, FullParts> parts;
};

Result<Spec> read_spec(const std::string& path);
// `path` names the file in messages; its folder is put before the paths in it.
Result<Spec> parse_spec(std::string_view text, const std::string& path);

}  // namespace gateway::image
