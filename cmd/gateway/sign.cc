#include "sign.h"

#include <boost/json.hpp>

#include "host/files.h"
#include "image/eif.h"
#include "image/measure.h"
#include "key_files.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxCertificateFile = 64UZ * 1024;
constexpr std::size_t kMaxSignatureFile = 1024;

std::unexpected<Error> usage(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "sign.usage", std::move(detail), std::move(remedy));
}

json::object pcrs_json(const image::Measurements& measured) {
  return {{"0", to_hex(measured.pcr0)}, {"1", to_hex(measured.pcr1)}, {"2", to_hex(measured.pcr2)}};
}

Status write_to_be_signed(const SignOptions& options, const image::Measurements& measured) {
  const Bytes bytes = image::image_to_be_signed(measured.pcr0);
  GATEWAY_TRY(host::write_file(options.to_be_signed, bytes, 0644));
  const std::string digest = to_hex(crypto::sha384(bytes));
  if (options.format == Output::kJson) {
    print_json(json::object{{"file", options.to_be_signed}, {"sha384", digest}, {"pcrs", pcrs_json(measured)}});
    return {};
  }
  print_line(options.to_be_signed + "  sha384:" + digest);
  say("sign it with the P-384 key of the certificate, for example:\n"
      "  openssl dgst -sha384 -sign KEY.pem -out image.sig " +
      options.to_be_signed + "\nthen: gateway sign " + options.image +
      " --certificate CERTIFICATE.pem --signature image.sig -o SIGNED.eif");
  return {};
}

Result<crypto::Certificate> read_certificate(const std::string& path) {
  GATEWAY_ASSIGN(const Bytes content, read_file(path, kMaxCertificateFile));
  auto certificates = crypto::Certificate::from_pem(as_text(content), 1);
  if (certificates && certificates->size() == 1) return std::move(certificates->front());
  return usage(path + " does not hold one certificate in PEM",
               "make one: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -keyout KEY.pem -out "
               "CERTIFICATE.pem -days 365 -subj /CN=NAME");
}

Result<Bytes> read_signature(const SignOptions& options, const image::Measurements& measured) {
  if (!options.signature.empty()) return read_file(options.signature, kMaxSignatureFile);
  GATEWAY_ASSIGN(const crypto::PrivateKey key, read_private_key(options.key));
  if (key.type() != crypto::KeyType::kP384) {
    return usage(options.key + " is no P-384 key, and images are signed with nothing else",
                 "make one: openssl ecparam -name secp384r1 -genkey -noout -out KEY.pem");
  }
  return key.sign(crypto::HashAlgorithm::kSha384, crypto::SignatureFormat::kRaw,
                  image::image_to_be_signed(measured.pcr0));
}

Status check_flags(const SignOptions& options) {
  if (!options.to_be_signed.empty()) {
    if (options.key.empty() && options.signature.empty() && options.output.empty()) return {};
    return usage("--to-be-signed writes what is signed elsewhere, and signs nothing", "give it alone");
  }
  if (options.key.empty() == options.signature.empty()) {
    return usage("a signature is made with --key, or was made elsewhere and is given with --signature",
                 "give one of the two, or --to-be-signed FILE for what is signed elsewhere");
  }
  if (options.certificate.empty())
    return usage("an image names its signer by a certificate", "give --certificate FILE");
  if (options.output.empty()) return usage("the signed image needs a name", "give -o SIGNED.eif");
  return {};
}

Status sign(const SignOptions& options) {
  GATEWAY_TRY(check_flags(options));
  GATEWAY_ASSIGN(const image::Eif eif, image::Eif::open(options.image));
  // A signature that it may have is replaced, so it need not hold.
  GATEWAY_ASSIGN(const image::Measurements measured, image::measure_unsigned(eif));
  if (!options.to_be_signed.empty()) return write_to_be_signed(options, measured);
  GATEWAY_ASSIGN(const crypto::Certificate certificate, read_certificate(options.certificate));
  GATEWAY_ASSIGN(const Bytes signature, read_signature(options, measured));
  GATEWAY_ASSIGN(const Bytes section, image::signature_section(certificate, signature, measured.pcr0));
  GATEWAY_TRY(image::write_signed(eif, section, options.output));
  const crypto::Sha384 pcr8 = image::extended_from_zero(crypto::sha384(certificate.der()));
  if (options.format == Output::kJson) {
    json::object pcrs = pcrs_json(measured);
    pcrs["8"] = to_hex(pcr8);
    print_json(
        json::object{{"image", options.output},
                     {"pcrs", std::move(pcrs)},
                     {"signature", json::object{{"subject", certificate.subject()},
                                                {"issuer", certificate.issuer()},
                                                {"not_before", to_rfc3339(certificate.validity().not_before)},
                                                {"not_after", to_rfc3339(certificate.validity().not_after)},
                                                {"certificate_sha256", to_hex(crypto::sha256(certificate.der()))}}}});
    return {};
  }
  print_line(options.output + "  signed by " + certificate.subject());
  print_line("PCR0  " + to_hex(measured.pcr0));
  print_line("PCR8  " + to_hex(pcr8));
  say("PCR0, 1 and 2 are those of the unsigned image; a policy that names PCR8 names them as well");
  return {};
}

}  // namespace

int run_sign(const SignOptions& options) {
  const Status done = sign(options);
  return done ? kDone : report(done.error());
}

}  // namespace gateway::cli
