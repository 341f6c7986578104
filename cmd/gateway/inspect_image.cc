#include "inspect_image.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "codec/json.h"
#include "crypto/hash.h"
#include "image/eif.h"
#include "image/measure.h"
#include "image/snp_launch.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;

struct SnpMeasured {
  crypto::Sha384 launch_digest{};
  crypto::Sha384 firmware_digest{};
  image::KernelHashes boot;
};

struct Inspected {
  image::Eif eif;
  image::Measurements measurements;
  std::optional<image::ImageSignature> signature;
  json::value metadata;
  std::optional<SnpMeasured> snp;
};

// What the digest depends on is never guessed: a wrong guess would look like a forged guest.
Status check_snp_options(const InspectImageOptions& options) {
  const auto missing = [](std::string option, std::string remedy) {
    return fail(ErrorCode::kInvalidArgument, "cli.inspect.snp_option",
                "the SEV-SNP launch digest depends on " + option + ", which is not given", std::move(remedy));
  };
  if (options.ovmf.empty()) {
    return missing("--ovmf", "name the firmware file that the guest is started with (OVMF.amdsev.fd)");
  }
  if (options.vcpus == 0) return missing("--vcpus", "give the number of processors that the guest is started with");
  if (options.vcpu_type.empty() && options.vmm_type == "qemu") {
    return missing("--vcpu-type", "give the -cpu model of the guest; one of: " + image::snp_vcpu_types());
  }
  return {};
}

Result<SnpMeasured> measure_snp(const image::Eif& eif, const InspectImageOptions& options) {
  image::SnpLaunch launch{.firmware = {}, .boot = {}, .vcpus = options.vcpus, .guest_features = options.guest_features};
  GATEWAY_ASSIGN(launch.vmm, image::snp_vmm(options.vmm_type));
  if (!options.vcpu_type.empty()) {
    GATEWAY_ASSIGN(launch.vcpu_signature, image::snp_vcpu_signature(options.vcpu_type));
  }
  GATEWAY_ASSIGN(const image::MappedFile firmware, image::MappedFile::open(options.ovmf));
  launch.firmware = firmware.view();
  GATEWAY_TRY(image::parse_ovmf(launch.firmware));  // its size is judged before it is hashed
  SnpMeasured out;
  GATEWAY_ASSIGN(out.boot, image::kernel_hashes(eif));
  launch.boot = out.boot;
  out.firmware_digest = image::snp_firmware_digest(launch.firmware);
  launch.firmware_digest = out.firmware_digest;
  GATEWAY_ASSIGN(out.launch_digest, image::snp_launch_digest(launch));
  return out;
}

Result<Inspected> inspect(const InspectImageOptions& options) {
  GATEWAY_ASSIGN(image::Eif eif, image::Eif::open(options.image));
  GATEWAY_ASSIGN(const image::Measurements measurements, image::measure(eif));
  Inspected out{std::move(eif), measurements, std::nullopt, nullptr, std::nullopt};
  if (const auto section = out.eif.signature()) {
    GATEWAY_ASSIGN(out.signature, image::verify_signature(*section, measurements.pcr0));
  }
  if (const auto section = out.eif.metadata()) {
    auto parsed = codec::parse_json(as_text(*section), {.bytes = image::kMaxMetadata, .depth = 32, .values = 100'000});
    if (!parsed || !parsed->is_object()) {
      return fail(ErrorCode::kMalformed, "image.eif.metadata", "the metadata section is not a JSON object",
                  "the image was made by a builder that does not follow AWS's format; build it again");
    }
    out.metadata = *std::move(parsed);
  }
  if (options.snp) {
    GATEWAY_ASSIGN(out.snp, measure_snp(out.eif, options));
  }
  return out;
}

json::value signature_json(const std::optional<image::ImageSignature>& signature) {
  if (!signature) return nullptr;
  return json::object{{"subject", signature->subject},
                      {"issuer", signature->issuer},
                      {"not_before", to_rfc3339(signature->validity.not_before)},
                      {"not_after", to_rfc3339(signature->validity.not_after)},
                      {"certificate_sha256", to_hex(crypto::sha256(signature->certificate_der))}};
}

json::value snp_json(const std::optional<SnpMeasured>& snp, const InspectImageOptions& options) {
  if (!snp) return nullptr;
  return json::object{{"launch_digest", to_hex(snp->launch_digest)},
                      {"firmware_digest", to_hex(snp->firmware_digest)},
                      {"vcpus", options.vcpus},
                      {"vcpu_type", options.vcpu_type.empty() ? json::value(nullptr) : json::value(options.vcpu_type)},
                      {"vmm_type", options.vmm_type},
                      {"guest_features", options.guest_features},
                      {"kernel_hashes", json::object{{"kernel", to_hex(snp->boot.kernel)},
                                                     {"initrd", to_hex(snp->boot.initrd)},
                                                     {"cmdline", to_hex(snp->boot.cmdline)}}}};
}

json::object to_json(const Inspected& found, const InspectImageOptions& options) {
  json::object pcrs{{"0", to_hex(found.measurements.pcr0)},
                    {"1", to_hex(found.measurements.pcr1)},
                    {"2", to_hex(found.measurements.pcr2)}};
  if (found.measurements.pcr8) pcrs.emplace("8", to_hex(*found.measurements.pcr8));
  json::array sections;
  for (const image::EifSection& section : found.eif.sections()) {
    sections.push_back(json::object{
        {"type", image::to_string(section.type)}, {"size", section.data.size()}, {"offset", section.offset}});
  }
  return {{"pcrs", std::move(pcrs)},
          {"sections", std::move(sections)},
          {"metadata", found.metadata},
          {"crc", "ok"},
          {"signature", signature_json(found.signature)},
          {"snp", snp_json(found.snp, options)},
          {"local_only", found.eif.local_only()},
          {"architecture", found.eif.arm64() ? "arm64" : "x86_64"},
          {"default_memory", found.eif.default_memory()},
          {"default_cpus", found.eif.default_cpus()},
          {"cmdline", found.eif.cmdline()},
          {"size", found.eif.bytes().size()}};
}

// Words of the image are a stranger's: nothing but printable ASCII reaches the terminal.
std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

void print_text(const std::string& path, const Inspected& found) {
  print_line(path + "  " + std::to_string(found.eif.bytes().size()) + " bytes, checksum ok, " +
             (found.eif.arm64() ? "arm64" : "x86_64"));
  for (const image::EifSection& section : found.eif.sections()) {
    std::string type(image::to_string(section.type));
    type.resize(10, ' ');
    print_line("  " + type + std::to_string(section.data.size()));
  }
  print_line("cmdline   " + printable(found.eif.cmdline()));
  if (!found.metadata.is_null()) print_line("metadata  " + printable(codec::write_json(found.metadata)));
  print_line("PCR0      " + to_hex(found.measurements.pcr0));
  print_line("PCR1      " + to_hex(found.measurements.pcr1));
  print_line("PCR2      " + to_hex(found.measurements.pcr2));
  if (found.measurements.pcr8) print_line("PCR8      " + to_hex(*found.measurements.pcr8));
  if (found.snp) {
    print_line("SNP       " + to_hex(found.snp->launch_digest));
    say("the SNP launch digest holds for this firmware, this number and type of processors, and this VMM alone");
  }
  if (found.signature) {
    print_line("signed by " + printable(found.signature->subject) + ", valid until " +
               to_rfc3339(found.signature->validity.not_after));
  } else {
    print_line("not signed");
  }
  if (found.eif.local_only()) say("this image has no kernel: it runs on platform local alone");
}

}  // namespace

int run_inspect_image(const InspectImageOptions& options) {
  if (options.snp) {
    if (const auto given = check_snp_options(options); !given) return report(given.error());
  }
  const auto found = inspect(options);
  if (!found) return report(found.error());
  if (options.format == Output::kJson) print_json(to_json(*found, options));
  else print_text(options.image, *found);
  return kDone;
}

}  // namespace gateway::cli
