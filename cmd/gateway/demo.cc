#include "demo.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "terminal.h"

namespace gateway::cli {
namespace {

namespace fs = std::filesystem;

// Installed: PREFIX/bin/gateway and PREFIX/share/gateway/demo. In a build tree: build/PRESET/bin and demo.
fs::path find_script(const fs::path& folder) {
  std::error_code ignored;
  for (const char* candidate : {"../share/gateway/demo/demo.sh", "../../../demo/demo.sh"}) {
    const fs::path script = fs::weakly_canonical(folder / candidate, ignored);
    if (fs::is_regular_file(script, ignored)) return script;
  }
  return {};
}

}  // namespace

int run_demo(const DemoOptions& options) {
  std::error_code failed;
  const fs::path folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  const fs::path script = find_script(folder);
  if (script.empty()) {
    return report(Error(ErrorCode::kNotFound, "demo.missing", "the demo's script is not installed beside this program",
                        "install the whole package, or run ./dev demo in a clone"));
  }
  const char* const old = std::getenv("PATH");
  const std::string path =
      folder.string() + ":" + (folder / "../sbin").lexically_normal().string() + ":" + (old ? old : "/usr/bin:/bin");
  ::setenv("PATH", path.c_str(), 1);
  std::string text = script.string();
  std::string keep = "--keep";
  std::vector<char*> arguments{text.data()};
  if (options.keep) arguments.push_back(keep.data());
  arguments.push_back(nullptr);
  ::execv(text.c_str(), arguments.data());
  return report(Error(ErrorCode::kInternal, "demo.start", text + " cannot be started", "check that bash is installed"));
}

}  // namespace gateway::cli
