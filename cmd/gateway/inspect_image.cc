#include "inspect_image.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "codec/json.h"
#include "crypto/hash.h"
#include "image/eif.h"
#include "image/measure.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;

struct Inspected {
  image::Eif eif;
  image::Measurements measurements;
  std::optional<image::ImageSignature> signature;
  json::value metadata;
};

Result<Inspected> inspect(const std::string& path) {
  GATEWAY_ASSIGN(image::Eif eif, image::Eif::open(path));
  GATEWAY_ASSIGN(const image::Measurements measurements, image::measure(eif));
  Inspected out{std::move(eif), measurements, std::nullopt, nullptr};
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

json::object to_json(const Inspected& found) {
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
          {"snp", nullptr},
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
    const auto refused = fail(ErrorCode::kUnsupported, "image.snp_unsupported",
                              "this release does not compute SEV-SNP launch digests", "leave --snp out");
    report(refused.error());
    return kUsage;
  }
  const auto found = inspect(options.image);
  if (!found) return report(found.error());
  if (options.format == Output::kJson) print_json(to_json(*found));
  else print_text(options.image, *found);
  return kDone;
}

}  // namespace gateway::cli
