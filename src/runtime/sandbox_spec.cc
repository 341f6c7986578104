#include "runtime/sandbox_spec.h"

#include <cstring>

#include "codec/cbor.h"

namespace gateway::runtime {
namespace {

constexpr codec::CborLimits kLimits{.bytes = 4UZ * 1024 * 1024, .depth = 3, .items = 16'384};

template <class T>
Result<T> as_spec(Result<T> result) {
  if (!result)
    return fail(ErrorCode::kMalformed, "workload.spec", "the sandbox's specification does not follow its form");
  return result;
}

Result<std::vector<std::string>> read_texts(codec::CborReader& reader) {
  GATEWAY_ASSIGN(const auto count, as_spec(reader.array()));
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; count && i < *count; ++i) {
    GATEWAY_ASSIGN(const ByteView text, as_spec(reader.bytes()));
    texts.emplace_back(as_text(text));
  }
  GATEWAY_TRY(reader.end());
  return texts;
}

Result<std::uint32_t> read_id(codec::CborReader& reader) {
  GATEWAY_ASSIGN(const std::uint64_t id, as_spec(reader.unsigned_integer()));
  if (id >= UINT32_MAX) return fail(ErrorCode::kMalformed, "workload.spec", "a user or group id is out of range");
  return static_cast<std::uint32_t>(id);
}

constexpr const char* kHost = "run `gateway doctor` on the host; the enclave does not start a workload less isolated";
constexpr const char* kImage = "correct the image's root file system or its [workload] table and build it again";

Error step_error(SandboxStep step) {
  switch (step) {
    case SandboxStep::kIdentity:
      return Error(ErrorCode::kUnavailable, "workload.identity", "the workload's user could not be mapped", kHost);
    case SandboxStep::kMounts:
      return Error(ErrorCode::kUnavailable, "workload.mounts", "the mount tree could not be made private", kHost);
    case SandboxStep::kRoot:
      return Error(ErrorCode::kUnavailable, "workload.root", "the root file system could not be bound read-only",
                   kImage);
    case SandboxStep::kProc:
      return Error(ErrorCode::kUnavailable, "workload.proc", "a fresh /proc could not be mounted", kHost);
    case SandboxStep::kDevices:
      return Error(ErrorCode::kUnavailable, "workload.devices", "the minimal /dev could not be made", kHost);
    case SandboxStep::kScratch:
      return Error(ErrorCode::kUnavailable, "workload.scratch", "the workload's /tmp could not be mounted", kImage);
    case SandboxStep::kShared:
      return Error(ErrorCode::kUnavailable, "workload.shared", "the shared folder /run could not be mounted", kImage);
    case SandboxStep::kPivot:
      return Error(ErrorCode::kUnavailable, "workload.pivot", "the old root could not be left behind", kHost);
    case SandboxStep::kHostname:
      return Error(ErrorCode::kUnavailable, "workload.hostname", "the host name could not be set", kHost);
    case SandboxStep::kLoopback:
      return Error(ErrorCode::kUnavailable, "workload.loopback", "the loopback interface could not be set up", kHost);
    case SandboxStep::kLimits:
      return Error(ErrorCode::kUnavailable, "workload.limits", "resource limits could not be set", kHost);
    case SandboxStep::kGroups:
      return Error(ErrorCode::kUnavailable, "workload.groups", "the workload's group could not be taken on", kHost);
    case SandboxStep::kUser:
      return Error(ErrorCode::kUnavailable, "workload.user", "the workload's user could not be taken on", kHost);
    case SandboxStep::kCapabilities:
      return Error(ErrorCode::kUnavailable, "workload.capabilities", "capabilities could not be dropped", kHost);
    case SandboxStep::kPrivileges:
      return Error(ErrorCode::kUnavailable, "workload.privileges", "NoNewPrivs could not be set", kHost);
    case SandboxStep::kFilter:
      return Error(ErrorCode::kUnavailable, "workload.seccomp", "the system call filter could not be installed", kHost);
    case SandboxStep::kDescriptors:
      return Error(ErrorCode::kUnavailable, "workload.descriptors", "descriptors could not be closed", kHost);
    case SandboxStep::kFork:
      return Error(ErrorCode::kUnavailable, "workload.fork", "the workload's process could not be made", kHost);
    case SandboxStep::kDirectory:
      return Error(ErrorCode::kUnavailable, "workload.cwd", "the workload's folder could not be entered", kImage);
    case SandboxStep::kExec:
      return Error(ErrorCode::kUnavailable, "workload.exec", "the workload's program could not be executed", kImage);
    case SandboxStep::kSpec:
      return Error(ErrorCode::kUnavailable, "workload.spec", "the sandbox's specification could not be read", kHost);
    case SandboxStep::kDoors:
      return Error(ErrorCode::kUnavailable, "workload.doors", "the doors of the ways out could not be opened", kHost);
    case SandboxStep::kTransparent:
      return Error(ErrorCode::kUnavailable, "workload.transparent",
                   "TCP could not be led to the runtime: the kernel must have nftables with NAT",
                   "leave egress.transparent out of the image, or run it where the kernel has it");
    case SandboxStep::kTun:
      return Error(ErrorCode::kUnavailable, "workload.tun", "the network device could not be made from /dev/net/tun",
                   "leave egress.tun out of the image, or run it where there is such a device");
  }
  return Error(ErrorCode::kUnavailable, "workload.report", "the sandbox reported an unknown step", kHost);
}

}  // namespace

Bytes encode_sandbox_spec(const SandboxSpec& spec) {
  // Arguments and values are byte strings: Linux does not promise UTF-8.
  codec::CborWriter writer;
  writer.array(11).bytes(as_bytes(spec.rootfs)).array(spec.argv.size());
  for (const std::string& argument : spec.argv) writer.bytes(as_bytes(argument));
  writer.array(spec.env.size());
  for (const auto& [name, value] : spec.env) writer.bytes(as_bytes(name + "=" + value));
  writer.bytes(as_bytes(spec.cwd)).unsigned_integer(spec.uid).unsigned_integer(spec.gid);
  writer.unsigned_integer(spec.scratch_bytes);
  for (const bool way : {spec.egress, spec.transparent, spec.tun, spec.kms}) writer.boolean(way);
  return std::move(writer).take();
}

Result<SandboxSpec> parse_sandbox_spec(ByteView bytes) {
  auto opened = codec::CborReader::open(bytes, kLimits, codec::CborProfile::kDeterministic);
  GATEWAY_ASSIGN(codec::CborReader reader, as_spec(std::move(opened)));
  SandboxSpec spec;
  if (!reader.array_of(11)) return fail(ErrorCode::kMalformed, "workload.spec", "expected an array of eleven");
  GATEWAY_ASSIGN(const ByteView rootfs, as_spec(reader.bytes()));
  spec.rootfs = as_text(rootfs);
  GATEWAY_ASSIGN(spec.argv, read_texts(reader));
  GATEWAY_ASSIGN(const auto variables, read_texts(reader));
  for (const std::string& variable : variables) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos) return fail(ErrorCode::kMalformed, "workload.spec", "a variable has no '='");
    spec.env.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  GATEWAY_ASSIGN(const ByteView cwd, as_spec(reader.bytes()));
  spec.cwd = as_text(cwd);
  GATEWAY_ASSIGN(spec.uid, read_id(reader));
  GATEWAY_ASSIGN(spec.gid, read_id(reader));
  GATEWAY_ASSIGN(spec.scratch_bytes, as_spec(reader.unsigned_integer()));
  for (bool* way : {&spec.egress, &spec.transparent, &spec.tun, &spec.kms}) {
    GATEWAY_ASSIGN(*way, as_spec(reader.boolean()));
  }
  if (!reader.end() || spec.argv.empty()) return fail(ErrorCode::kMalformed, "workload.spec", "no program is named");
  return spec;
}

Error sandbox_error(SandboxStep step, int error_number) {
  const Error error = step_error(step);
  return Error(error.code(), error.error_id(), error.detail() + ": " + std::strerror(error_number), error.remedy());
}

ByteArray<kSandboxReportSize> encode_report(const SandboxReport& report) {
  ByteArray<kSandboxReportSize> out{};
  out[0] = static_cast<std::uint8_t>(report.message);
  for (std::size_t i = 0; i < 4; ++i) {
    out[1 + i] = static_cast<std::uint8_t>(report.first >> (8 * (3 - i)));
    out[5 + i] = static_cast<std::uint8_t>(report.second >> (8 * (3 - i)));
  }
  return out;
}

Result<SandboxReport> parse_report(ByteView bytes) {
  ByteReader reader(bytes, "workload.report");
  GATEWAY_ASSIGN(const std::uint8_t message, reader.u8());
  SandboxReport report;
  GATEWAY_ASSIGN(report.first, reader.u32be());
  GATEWAY_ASSIGN(report.second, reader.u32be());
  GATEWAY_TRY(reader.finish("workload.report"));
  if (message < 1 || message > static_cast<std::uint8_t>(SandboxMessage::kDoor)) {
    return fail(ErrorCode::kMalformed, "workload.report", "the sandbox sent an unknown message");
  }
  report.message = static_cast<SandboxMessage>(message);
  return report;
}

}  // namespace gateway::runtime
