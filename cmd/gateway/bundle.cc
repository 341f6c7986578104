#include "bundle.h"

#include <boost/json.hpp>

#include "attestation/formats/bundle.h"
#include "attestation/formats/unwrap.h"
#include "crypto/hash.h"
#include "image/file.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace formats = attestation::formats;
namespace json = boost::json;

struct Made {
  Bytes bundle;
  Bytes evidence;
  std::string carrier;  // empty: raw evidence
};

// Refused here rather than by everyone who gets the bundle: a certificate without evidence, a damaged header.
Status check_evidence(Made& made) {
  GATEWAY_ASSIGN(const formats::Unwrapped found, formats::unwrap(made.evidence));
  if (found.bundled()) {
    return fail(ErrorCode::kMalformed, "bundle.nested", "the evidence is a bundle already",
                "give the evidence itself, with the collateral that it needs now");
  }
  if (found.carried()) made.carrier = formats::to_string(found.carried()->format);
  return {};
}

Result<Made> make(const BundleOptions& options) {
  Made made;
  GATEWAY_ASSIGN(made.evidence, read_file(options.evidence, formats::kMaxBundledEvidence));
  GATEWAY_TRY(check_evidence(made));
  GATEWAY_ASSIGN(const std::vector<Bytes> collateral, read_collateral(options.collateral));
  GATEWAY_ASSIGN(made.bundle, formats::encode_bundle(made.evidence, collateral));
  GATEWAY_ASSIGN(image::NewFile file, image::NewFile::create(options.output));
  GATEWAY_TRY(file.write(made.bundle));
  GATEWAY_TRY(file.commit());
  return made;
}

json::object item(ByteView bytes) { return {{"size", bytes.size()}, {"sha256", to_hex(crypto::sha256(bytes))}}; }

}  // namespace

int run_bundle(const BundleOptions& options) {
  const auto made = make(options);
  if (!made) return report(made.error());
  const auto bundle = formats::parse_bundle(made->bundle);
  if (!bundle) return report(bundle.error());
  if (options.format == Output::kJson) {
    json::object evidence = item(made->evidence);
    evidence.emplace("carrier", made->carrier.empty() ? json::value(nullptr) : json::value(made->carrier));
    json::array collateral;
    for (const ByteView file : bundle->collateral) collateral.push_back(item(file));
    json::object out = item(made->bundle);
    out.emplace("bundle", options.output);
    out.emplace("evidence", std::move(evidence));
    out.emplace("collateral", std::move(collateral));
    print_json(out);
  } else {
    print_line(options.output + "  " + std::to_string(made->bundle.size()) + " bytes: evidence and " +
               std::to_string(bundle->collateral.size()) + " files of collateral");
  }
  return kDone;
}

}  // namespace gateway::cli
