#include "image/spec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "codec/toml.h"
#include "image/cpio.h"
#include "image/file.h"

namespace gateway::image {
namespace {

using codec::TomlTable;

constexpr std::size_t kMaxSpec = 1024UZ * 1024;
constexpr std::size_t kMaxFiles = 10'000;

class SpecReader {
 public:
  explicit SpecReader(const std::string& path) : path_(path) {
    const std::size_t slash = path.rfind('/');
    folder_ = slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
  }
  Result<Spec> read(TomlTable& root);

 private:
  SpecPath located(std::string written) const {
    std::string path = written.starts_with('/') ? written : folder_ + written;
    return {std::move(written), std::move(path)};
  }
  std::string default_lock() const {
    const std::string stem = path_.ends_with(".toml") ? path_.substr(0, path_.size() - 5) : path_;
    return stem + ".lock";
  }
  Result<std::vector<SpecPath>> paths(TomlTable& table, std::string_view key) const;
  Result<KernelChoice> kernel(TomlTable& image, bool raw) const;
  Result<RootfsSpec> rootfs(TomlTable& root) const;
  Result<std::vector<SpecFile>> files(TomlTable& rootfs) const;
  Result<FullParts> full(TomlTable& root, const Spec& spec) const;

  std::string path_;
  std::string folder_;
};

// "512MiB", "8KiB", "1GiB", "100": bytes.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  unsigned shift = 0;
  if (unit == "KiB") shift = 10;
  else if (unit == "MiB") shift = 20;
  else if (unit == "GiB") shift = 30;
  else if (!unit.empty()) return std::nullopt;
  if (value > (std::numeric_limits<std::uint64_t>::max() >> shift)) return std::nullopt;
  return value << shift;
}

Status read_size(TomlTable& table, std::string_view key, std::uint64_t& out) {
  GATEWAY_ASSIGN(const auto text, table.optional_text(key));
  if (!text) return {};
  const auto size = parse_size(*text);
  if (!size) return table.bad_value(key, "is not a size", "write it as \"512MiB\", \"2GiB\" or a number of bytes");
  out = *size;
  return {};
}

template <class Integer>
Status read_count(TomlTable& table, std::string_view key, Integer& out) {
  GATEWAY_ASSIGN(const auto number, table.optional_integer(key));
  if (!number) return {};
  if (!std::in_range<Integer>(*number)) return table.bad_value(key, "is out of range");
  out = static_cast<Integer>(*number);
  return {};
}

Status read_duration(TomlTable& table, std::string_view key, Duration& out) {
  GATEWAY_ASSIGN(const auto duration, table.optional_duration(key));
  if (duration) out = *duration;
  return {};
}

Status read_texts(TomlTable& table, std::string_view key, std::vector<std::string>& out) {
  GATEWAY_ASSIGN(auto texts, table.optional_texts(key));
  if (texts) out = *std::move(texts);
  return {};
}

Status read_flag(TomlTable& table, std::string_view key, bool& out) {
  GATEWAY_ASSIGN(const auto flag, table.optional_boolean(key));
  if (flag) out = *flag;
  return {};
}

Result<WorkloadDescription> read_workload(TomlTable table) {
  WorkloadDescription out;
  GATEWAY_TRY(read_texts(table, "argv", out.argv));
  if (out.argv.empty()) return table.bad_value("argv", "is missing or empty", "name the program and its arguments");
  GATEWAY_ASSIGN(auto env, table.optional_table("env"));
  if (env) {
    GATEWAY_ASSIGN(const auto variables, env->all_texts());
    out.env.insert(variables.begin(), variables.end());
  }
  GATEWAY_ASSIGN(auto cwd, table.optional_text("cwd"));
  if (cwd) out.cwd = *std::move(cwd);
  GATEWAY_TRY(read_count(table, "uid", out.uid));
  GATEWAY_TRY(read_count(table, "gid", out.gid));
  GATEWAY_ASSIGN(const auto restart, table.optional_text("restart"));
  if (restart == "never") out.restart = RestartPolicy::kNever;
  else if (restart == "always") out.restart = RestartPolicy::kAlways;
  else if (restart && restart != "on-failure") return table.bad_value("restart", "must be never, on-failure or always");
  GATEWAY_ASSIGN(auto readiness, table.optional_table("readiness"));
  if (readiness) {
    out.readiness.emplace();
    GATEWAY_ASSIGN(out.readiness->path, readiness->text("path"));
    GATEWAY_TRY(read_duration(*readiness, "timeout", out.readiness->timeout));
    GATEWAY_TRY(readiness->finish());
  }
  GATEWAY_TRY(read_duration(table, "stop_grace", out.stop_grace));
  GATEWAY_TRY(table.finish());
  return out;
}

Result<IngressDescription> read_ingress(TomlTable table) {
  IngressDescription out;
  GATEWAY_ASSIGN(auto socket, table.optional_text("socket"));
  if (socket) out.socket = *std::move(socket);
  GATEWAY_TRY(read_count(table, "port", out.port));
  GATEWAY_ASSIGN(const auto profile, table.optional_text("profile"));
  if (profile == "llama") out.profile = IngressProfile::kLlama;
  else if (profile && profile != "http") return table.bad_value("profile", "must be http or llama");
  GATEWAY_TRY(read_texts(table, "paths", out.paths));
  std::uint64_t padding = 0;
  GATEWAY_TRY(read_size(table, "padding", padding));
  if (padding > 16'384) return table.bad_value("padding", "must be at most 16KiB");
  out.padding = static_cast<std::uint32_t>(padding);
  GATEWAY_TRY(read_flag(table, "client_address", out.client_address));
  GATEWAY_TRY(table.finish());
  return out;
}

Result<EgressDescription> read_egress(TomlTable table) {
  EgressDescription out;
  GATEWAY_TRY(read_texts(table, "allow", out.allow));
  GATEWAY_TRY(read_texts(table, "insecure_allow", out.insecure_allow));
  GATEWAY_TRY(read_flag(table, "transparent", out.transparent));
  GATEWAY_TRY(read_flag(table, "tun", out.tun));
  GATEWAY_ASSIGN(const auto tls, table.optional_text("tls"));
  if (tls && tls != "runtime" && tls != "workload") return table.bad_value("tls", "must be workload or runtime");
  out.runtime_tls = tls == "runtime";
  GATEWAY_ASSIGN(auto roots, table.optional_text("roots"));
  if (roots) out.roots = *std::move(roots);
  GATEWAY_TRY(table.finish());
  return out;
}

Result<KmsDescription> read_kms(TomlTable table) {
  KmsDescription out;
  GATEWAY_ASSIGN(out.region, table.text("region"));
  GATEWAY_ASSIGN(auto endpoint, table.optional_text("endpoint"));
  out.endpoint = endpoint ? *std::move(endpoint) : "kms." + out.region + ".amazonaws.com:443";
  GATEWAY_TRY(read_texts(table, "keys", out.keys));
  GATEWAY_ASSIGN(auto context, table.optional_table("context"));
  if (context) {
    GATEWAY_ASSIGN(const auto entries, context->all_texts());
    out.context.insert(entries.begin(), entries.end());
  }
  GATEWAY_TRY(table.finish());
  return out;
}

Result<LimitsDescription> read_limits(TomlTable table) {
  LimitsDescription out;
  GATEWAY_TRY(read_size(table, "max_header", out.max_header));
  GATEWAY_TRY(read_size(table, "max_body", out.max_body));
  GATEWAY_TRY(read_count(table, "max_in_flight", out.max_in_flight));
  GATEWAY_TRY(read_count(table, "max_connections", out.max_connections));
  GATEWAY_TRY(read_duration(table, "head_timeout", out.head_timeout));
  GATEWAY_TRY(read_duration(table, "body_timeout", out.body_timeout));
  GATEWAY_TRY(read_duration(table, "idle_timeout", out.idle_timeout));
  GATEWAY_TRY(read_duration(table, "response_timeout", out.response_timeout));
  GATEWAY_TRY(table.finish());
  return out;
}

Status read_rest(TomlTable& root, Description& out) {
  GATEWAY_ASSIGN(auto egress, root.optional_table("egress"));
  if (egress) {
    GATEWAY_ASSIGN(out.egress, read_egress(*std::move(egress)));
  }
  GATEWAY_ASSIGN(auto kms, root.optional_table("kms"));
  if (kms) {
    GATEWAY_ASSIGN(out.kms, read_kms(*std::move(kms)));
  }
  GATEWAY_ASSIGN(auto slots, root.optional_table("slots"));
  if (slots) {
    GATEWAY_TRY(read_flag(*slots, "args_append", out.slots.args_append));
    GATEWAY_TRY(read_texts(*slots, "env", out.slots.env));
    GATEWAY_TRY(read_flag(*slots, "paths_narrow", out.slots.paths_narrow));
    GATEWAY_TRY(slots->finish());
  }
  GATEWAY_ASSIGN(auto limits, root.optional_table("limits"));
  if (limits) {
    GATEWAY_ASSIGN(out.limits, read_limits(*std::move(limits)));
  }
  GATEWAY_ASSIGN(auto resources, root.optional_table("resources"));
  if (resources) {
    GATEWAY_TRY(read_size(*resources, "memory", out.resources.memory));
    GATEWAY_TRY(read_count(*resources, "cpus", out.resources.cpus));
    GATEWAY_TRY(resources->finish());
  }
  GATEWAY_ASSIGN(auto llama, root.optional_table("llama"));
  if (out.ingress.profile == IngressProfile::kLlama) out.llama.emplace();
  if (llama) {
    out.llama.emplace();
    GATEWAY_TRY(read_count(*llama, "max_tokens", out.llama->max_tokens));
    GATEWAY_TRY(llama->finish());
  }
  return {};
}

Result<std::vector<SpecPath>> SpecReader::paths(TomlTable& table, std::string_view key) const {
  std::vector<std::string> written;
  GATEWAY_TRY(read_texts(table, key, written));
  std::vector<SpecPath> out;
  for (std::string& path : written) {
    if (path.empty()) return table.bad_value(key, "has an empty path in it");
    out.push_back(located(std::move(path)));
  }
  return out;
}

Result<KernelChoice> SpecReader::kernel(TomlTable& image, bool raw) const {
  GATEWAY_ASSIGN(const auto written, image.optional_text("kernel"));
  GATEWAY_ASSIGN(std::vector<SpecPath> modules, paths(image, "modules"));
  if (raw && !written) {
    return image.bad_value("kernel", "is missing",
                           "name a kernel file, or say kernel = \"none\" for an image for platform local alone");
  }
  if (written && written->empty()) return image.bad_value("kernel", "is empty");
  if (written && *written != "none" && *written != "debian") {
    if (raw && !modules.empty()) return image.bad_value("modules", "do not go with ramdisks: put them into a ramdisk");
    return KernelFile{located(*written), std::move(modules)};
  }
  if (!modules.empty()) return image.bad_value("modules", "go with a kernel file only; Debian's kernel brings its own");
  if (written == "none") return KernelNone{};
  if (raw)
    return image.bad_value("kernel", "Debian's kernel does not go with ramdisks of your own", "name the kernel's file");
  return KernelPackage{};
}

Result<std::vector<SpecFile>> SpecReader::files(TomlTable& rootfs) const {
  GATEWAY_ASSIGN(std::vector<TomlTable> tables, rootfs.tables("files"));
  if (tables.size() > kMaxFiles) return rootfs.bad_value("files", "has more than 10,000 entries", "use a folder");
  std::vector<SpecFile> out;
  std::set<std::string> targets;
  for (TomlTable& table : tables) {
    SpecFile file;
    GATEWAY_ASSIGN(std::string from, table.text("from"));
    if (from.empty()) return table.bad_value("from", "is empty");
    file.from = located(std::move(from));
    GATEWAY_ASSIGN(file.to, table.text("to"));
    const auto name = file.to.starts_with('/') ? normalised_name(file.to.substr(1)) : std::nullopt;
    if (!name || name->empty()) return table.bad_value("to", "must be an absolute path without . or ..");
    if (!targets.insert(*name).second) return table.bad_value("to", "names a place that another entry names already");
    GATEWAY_ASSIGN(const auto mode, table.optional_text("mode"));
    if (mode == "0755") file.executable = true;
    else if (mode && mode != "0644") return table.bad_value("mode", "must be \"0644\" or \"0755\"");
    GATEWAY_TRY(table.finish());
    out.push_back(std::move(file));
  }
  return out;
}

Result<RootfsSpec> SpecReader::rootfs(TomlTable& root) const {
  RootfsSpec out;
  out.lock = default_lock();
  GATEWAY_ASSIGN(auto table, root.optional_table("rootfs"));
  if (!table) {
    return fail(ErrorCode::kInvalidArgument, "image.spec.rootfs",
                path_ + ": there is neither [rootfs] nor image.ramdisks",
                "say what the image holds: [rootfs] with packages, oci, folder or files; or [image] ramdisks = […]");
  }
  GATEWAY_ASSIGN(const auto packages, table->optional_texts("packages"));
  GATEWAY_ASSIGN(const auto suite, table->optional_text("suite"));
  GATEWAY_ASSIGN(const auto oci, table->optional_text("oci"));
  GATEWAY_ASSIGN(const auto folder, table->optional_text("folder"));
  GATEWAY_ASSIGN(const auto lock, table->optional_text("lock"));
  GATEWAY_ASSIGN(out.files, files(*table));
  GATEWAY_TRY(table->finish());
  if (int{packages.has_value()} + int{oci.has_value()} + int{folder.has_value()} > 1) {
    return fail(
        ErrorCode::kInvalidArgument, "image.spec.rootfs",
        path_ + ":" + std::to_string(table->line()) + ": [rootfs] has more than one of packages, oci and folder",
        "keep one of them; files may be added to each");
  }
  if (suite && !packages) return table->bad_value("suite", "goes with packages only");
  if (packages) {
    PackagesSource source{*packages, suite.value_or(std::string(kDefaultSuite))};
    const auto word = [](std::string_view text) {
      return !text.empty() && text.front() != '-' && text.size() <= 128 &&
             text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == std::string_view::npos;
    };
    if (source.packages.empty()) return table->bad_value("packages", "is empty");
    if (!std::ranges::all_of(source.packages, word))
      return table->bad_value("packages", "has something in it that is no package name");
    if (!word(source.suite)) return table->bad_value("suite", "is no name of a suite");
    std::ranges::sort(source.packages);
    out.source = std::move(source);
  }
  if (oci) out.source = OciSource{located(*oci)};
  if (folder) out.source = FolderSource{located(*folder)};
  if (!packages && !oci && !folder && out.files.empty()) {
    return fail(ErrorCode::kInvalidArgument, "image.spec.rootfs", path_ + ": [rootfs] is empty",
                "say what the image holds: packages, oci, folder or files");
  }
  if (lock) out.lock = located(*lock).path;
  return out;
}

Result<FullParts> SpecReader::full(TomlTable& root, const Spec& spec) const {
  FullParts out;
  GATEWAY_ASSIGN(out.rootfs, rootfs(root));
  Description& description = out.description;
  description.name = spec.name;
  description.app_version = spec.version;
  GATEWAY_ASSIGN(TomlTable workload, root.table("workload"));
  GATEWAY_ASSIGN(description.workload, read_workload(std::move(workload)));
  GATEWAY_ASSIGN(TomlTable ingress, root.table("ingress"));
  GATEWAY_ASSIGN(description.ingress, read_ingress(std::move(ingress)));
  GATEWAY_TRY(read_rest(root, description));
  if (auto checked = check(description); !checked) {
    const Error& error = checked.error();
    return fail(error.code(), error.error_id(), path_ + ": " + error.detail(), error.remedy());
  }
  return out;
}

Result<Spec> SpecReader::read(TomlTable& root) {
  Spec out;
  GATEWAY_ASSIGN(TomlTable image, root.table("image"));
  GATEWAY_ASSIGN(out.name, image.text("name"));
  const bool raw = image.has("ramdisks");
  GATEWAY_ASSIGN(const auto version, image.optional_text("version"));
  out.version = version.value_or("");
  GATEWAY_ASSIGN(out.kernel, kernel(image, raw));
  GATEWAY_ASSIGN(const auto cmdline, image.optional_text("cmdline"));
  if (raw && !cmdline)
    return image.bad_value("cmdline", "is missing", "write the kernel's command line, \"\" for none");
  out.cmdline = cmdline.value_or(std::string(kDefaultCmdline));
  if (out.cmdline.size() > 2047 || !std::ranges::all_of(out.cmdline, [](char c) { return c >= 0x20 && c < 0x7f; })) {
    return image.bad_value("cmdline", "must be at most 2,047 printable ASCII characters on one line");
  }
  GATEWAY_ASSIGN(std::vector<SpecPath> ramdisks, paths(image, "ramdisks"));
  bool logs_to_host = false;
  bool host_time = false;
  if (!raw) {
    GATEWAY_TRY(read_flag(image, "insecure_logs_to_host", logs_to_host));
    GATEWAY_TRY(read_flag(image, "insecure_host_time", host_time));
  }
  GATEWAY_TRY(image.finish());
  if (raw) {
    if (ramdisks.empty()) return image.bad_value("ramdisks", "is empty");
    out.parts = RawParts{std::move(ramdisks)};
  } else {
    GATEWAY_ASSIGN(FullParts parts, full(root, out));
    parts.description.insecure_logs_to_host = logs_to_host;
    parts.description.insecure_host_time = host_time;
    out.parts = std::move(parts);
  }
  GATEWAY_TRY(root.finish());
  return out;
}

}  // namespace

Result<Spec> parse_spec(std::string_view text, const std::string& path) {
  GATEWAY_ASSIGN(TomlTable root, TomlTable::parse(text, path, {.bytes = kMaxSpec, .depth = 8}));
  return SpecReader(path).read(root);
}

Result<Spec> read_spec(const std::string& path) {
  GATEWAY_ASSIGN(const std::string text, read_text_file(path, kMaxSpec));
  return parse_spec(text, path);
}

}  // namespace gateway::image
