#include "image/lock.h"

#include <algorithm>

#include "codec/toml.h"

namespace gateway::image {
namespace {

using codec::TomlTable;

constexpr codec::TomlLimits kLimits{.bytes = 4UZ * 1024 * 1024, .depth = 4};

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Names and versions become arguments of apt-get: Debian Policy §5.6.1 and §5.6.12 characters only.
bool is_package_word(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '-' && text.front() != '.' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("+-.:~_").find(c) != std::string_view::npos;
         });
}

std::unexpected<Error> bad_value(const TomlTable& table, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, "image.lock.value",
              table.file_name() + ":" + std::to_string(table.line()) + ": " + what,
              "the lock was edited or damaged; take it from version control, or make a new one with --update-lock");
}

Result<LockedPackage> read_package(TomlTable& table) {
  LockedPackage out;
  GATEWAY_ASSIGN(out.name, table.text("name"));
  GATEWAY_ASSIGN(out.version, table.text("version"));
  GATEWAY_ASSIGN(out.architecture, table.text("architecture"));
  GATEWAY_ASSIGN(out.sha256, table.text("sha256"));
  GATEWAY_ASSIGN(const std::int64_t size, table.integer("size"));
  GATEWAY_TRY(table.finish());
  if (!is_package_word(out.name) || !is_package_word(out.version) || !is_package_word(out.architecture)) {
    return bad_value(table, "a package's name, version or architecture has characters that do not belong");
  }
  if (!is_sha256(out.sha256)) return bad_value(table, "sha256 is not 64 lower-case hexadecimal digits");
  if (size <= 0) return bad_value(table, "size is not positive");
  out.size = static_cast<std::uint64_t>(size);
  return out;
}

Status read_packages(TomlTable& root, Lock& lock) {
  GATEWAY_ASSIGN(std::vector<TomlTable> tables, root.tables("package"));
  for (TomlTable& table : tables) {
    GATEWAY_ASSIGN(LockedPackage package, read_package(table));
    if (std::ranges::find(lock.packages, package.name, &LockedPackage::name) != lock.packages.end()) {
      return fail(ErrorCode::kInvalidArgument, "image.lock.duplicate",
                  root.file_name() + ": " + package.name + " is locked twice");
    }
    lock.packages.push_back(std::move(package));
  }
  std::ranges::sort(lock.packages, {}, &LockedPackage::name);
  return {};
}

std::string quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += "\\u00";
      out += kDigits[static_cast<unsigned char>(c) >> 4U];
      out += kDigits[static_cast<unsigned char>(c) & 15U];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void write_package(std::string& out, const LockedPackage& package) {
  out += "name = " + quoted(package.name) + "\nversion = " + quoted(package.version) +
         "\narchitecture = " + quoted(package.architecture) + "\nsha256 = " + quoted(package.sha256) +
         "\nsize = " + std::to_string(package.size) + "\n";
}

}  // namespace

Result<Lock> parse_lock(std::string_view text, const std::string& file_name) {
  GATEWAY_ASSIGN(TomlTable root, TomlTable::parse(text, file_name, kLimits));
  GATEWAY_ASSIGN(const std::int64_t version, root.integer("version"));
  if (version != 1) {
    return fail(ErrorCode::kInvalidArgument, "image.lock.version",
                file_name + " has version " + std::to_string(version) + "; this release reads version 1");
  }
  Lock out;
  GATEWAY_ASSIGN(out.epoch, root.integer("source_date_epoch"));
  if (out.epoch < 0 || out.epoch > 0xffffffffLL)
    return bad_value(root, "source_date_epoch is not a time that an archive can hold");
  GATEWAY_ASSIGN(TomlTable compressor, root.table("compressor"));
  GATEWAY_ASSIGN(out.compressor.name, compressor.text("name"));
  GATEWAY_ASSIGN(out.compressor.version, compressor.text("version"));
  GATEWAY_ASSIGN(out.compressor.level, compressor.integer("level"));
  GATEWAY_TRY(compressor.finish());
  if (out.compressor.name != "zstd" || out.compressor.level < 1 || out.compressor.level > 19) {
    return bad_value(compressor, "the compressor must be zstd with a level from 1 to 19");
  }
  GATEWAY_ASSIGN(TomlTable runtime, root.table("runtime"));
  GATEWAY_ASSIGN(out.runtime, runtime.text("sha256"));
  GATEWAY_TRY(runtime.finish());
  if (out.runtime != kAnyRuntime && !is_sha256(out.runtime))
    return bad_value(runtime, "sha256 is neither a hash nor \"any\"");
  GATEWAY_ASSIGN(std::optional<TomlTable> kernel, root.optional_table("kernel"));
  if (kernel) {
    GATEWAY_ASSIGN(out.kernel_suite, kernel->text("suite"));
    GATEWAY_ASSIGN(out.kernel, read_package(*kernel));
  }
  GATEWAY_ASSIGN(std::optional<TomlTable> rootfs, root.optional_table("rootfs"));
  if (rootfs) {
    GATEWAY_ASSIGN(out.suite, rootfs->text("suite"));
    GATEWAY_ASSIGN(const auto requested, rootfs->optional_texts("requested"));
    out.requested = requested.value_or(std::vector<std::string>{});
    GATEWAY_TRY(rootfs->finish());
  }
  GATEWAY_ASSIGN(std::vector<TomlTable> inputs, root.tables("input"));
  for (TomlTable& input : inputs) {
    GATEWAY_ASSIGN(const std::string name, input.text("name"));
    GATEWAY_ASSIGN(const std::string hash, input.text("sha256"));
    GATEWAY_TRY(input.finish());
    if (!is_sha256(hash)) return bad_value(input, "sha256 is not 64 lower-case hexadecimal digits");
    out.inputs.insert_or_assign(name, hash);
  }
  GATEWAY_TRY(read_packages(root, out));
  GATEWAY_TRY(root.finish());
  return out;
}

std::string encode_lock(const Lock& lock) {
  std::string out =
      "# Every input of the image by hash. Written by `gateway build --update-lock`; commit it beside the spec.\n"
      "version = 1\n";
  out += "source_date_epoch = " + std::to_string(lock.epoch) + "\n";
  out += "\n[compressor]\nname = " + quoted(lock.compressor.name) + "\nversion = " + quoted(lock.compressor.version) +
         "\nlevel = " + std::to_string(lock.compressor.level) + "\n";
  out += "\n[runtime]\nsha256 = " + quoted(lock.runtime) + "\n";
  if (lock.kernel) {
    out += "\n[kernel]\nsuite = " + quoted(lock.kernel_suite) + "\n";
    write_package(out, *lock.kernel);
  }
  if (!lock.suite.empty()) {
    out += "\n[rootfs]\nsuite = " + quoted(lock.suite) + "\nrequested = [";
    for (std::size_t i = 0; i < lock.requested.size(); ++i) out += (i == 0 ? "" : ", ") + quoted(lock.requested[i]);
    out += "]\n";
  }
  for (const auto& [name, hash] : lock.inputs) {
    out += "\n[[input]]\nname = " + quoted(name) + "\nsha256 = " + quoted(hash) + "\n";
  }
  std::vector<LockedPackage> packages = lock.packages;
  std::ranges::sort(packages, {}, &LockedPackage::name);
  for (const LockedPackage& package : packages) {
    out += "\n[[package]]\n";
    write_package(out, package);
  }
  return out;
}

}  // namespace gateway::image
