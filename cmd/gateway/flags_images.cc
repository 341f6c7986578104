// Flags of the commands about images.
#include <filesystem>

#include "build.h"
#include "commands.h"
#include "inspect_enclave.h"
#include "inspect_image.h"
#include "sign.h"

namespace gateway::cli {

void add_build(Command& gateway) {
  std::shared_ptr<BuildOptions> o;
  Command app = gateway.command("build", "make an enclave image from a spec and print its measurements", o, run_build);
  app.option("SPEC", o->spec, "the image's spec (TOML)").required();
  app.option("-o,--output", o->output, "the image to write").type("IMAGE.eif").required();
  app.option("--runtime", o->runtime, "gateway-enclave, when it is not the installed one").type("FILE");
  app.option("--cache", o->cache, "where packages are kept between builds").type("FOLDER");
  const Flag all = app.flag(
      "--update-lock", [o] { o->lock = image::LockUse::kUpdateAll; },
      "resolve every package anew and write the lock file");
  app.flag(
         "--update-lock-inputs", [o] { o->lock = image::LockUse::kUpdateInputs; },
         "keep the packages; lock changed files, runtime and kernel")
      .excludes(all);
  add_json(app, o->format);
  app.footer(
      "Examples:\n"
      "  gateway build examples/assistant/image.toml -o assistant.eif\n"
      "  gateway build image.toml -o image.eif --update-lock\n"
      "The same lock gives the same bytes on every machine. " +
      std::string(kExitStatus));
}

namespace {

struct InspectOptions {
  std::string what;
  InspectImageOptions image;
  bool json = false;
};

// A name that contains '/' or names an existing file is an image; otherwise it is an enclave.
int run_inspect(const InspectOptions& options) {
  std::error_code ignored;
  const bool file = options.what.find('/') != std::string::npos || options.what.ends_with(".eif") ||
                    std::filesystem::is_regular_file(options.what, ignored);
  if (!file) return run_inspect_enclave({.name = options.what, .json = options.json});
  InspectImageOptions image = options.image;
  image.image = options.what;
  image.format = options.json ? Output::kJson : Output::kText;
  return run_inspect_image(image);
}

}  // namespace

void add_inspect(Command& gateway) {
  std::shared_ptr<InspectOptions> o;
  Command app = gateway.command("inspect", "what is in an image, or what the host knows of an enclave", o, run_inspect);
  app.option("WHAT", o->what, "IMAGE.eif, or an enclave's name").required();
  const Flag snp = app.flag("--snp", o->image.snp, "also compute the SEV-SNP launch digest");
  app.option("--ovmf", o->image.ovmf, "the firmware that SNP starts with").type("FILE").needs(snp);
  app.option("--vcpus", o->image.vcpus, "virtual processors").type("N").needs(snp);
  app.option("--vcpu-type", o->image.vcpu_type, "their model, as QEMU's -cpu has it: EPYC-Milan, EPYC-Genoa, …")
      .type("T")
      .needs(snp);
  app.option("--vmm-type", o->image.vmm_type, "who starts the guest: qemu, ec2 or gce")
      .type("V")
      .shows_default()
      .needs(snp);
  app.option("--guest-features", o->image.guest_features, "SEV_FEATURES of the guest (0x21 with DebugSwap)")
      .type("BITS")
      .shows_default()
      .needs(snp);
  add_json(app, o->json);
  app.footer(
      "Examples:\n  gateway inspect assistant.eif\n  gateway inspect assistant --json\n"
      "  gateway inspect assistant.eif --snp --ovmf OVMF.amdsev.fd --vcpus 4 --vcpu-type EPYC-Genoa");
}

void add_sign(Command& gateway) {
  std::shared_ptr<SignOptions> o;
  Command app = gateway.command("sign", "sign an image (PCR8), with a key at hand or with one elsewhere", o, run_sign);
  app.option("IMAGE", o->image, "the image (EIF)").required();
  app.option("--certificate", o->certificate, "who signs: one certificate of a P-384 key, PEM").type("FILE");
  const Flag key = app.option("--key", o->key, "its private key, PEM").type("FILE");
  app.option("--signature", o->signature, "made elsewhere: DER, or r and s").type("FILE").excludes(key);
  app.option("--to-be-signed", o->to_be_signed, "write what a key elsewhere signs, and end").type("FILE").excludes(key);
  app.option("-o,--output", o->output, "the signed image").type("SIGNED.eif");
  add_json(app, o->format);
  app.footer(
      "Examples:\n"
      "  gateway sign assistant.eif --certificate signer.pem --key signer.key -o signed.eif\n"
      "  gateway sign assistant.eif --to-be-signed image.tbs\n"
      "  openssl dgst -sha384 -sign signer.key -out image.sig image.tbs      # wherever the key is\n"
      "  gateway sign assistant.eif --certificate signer.pem --signature image.sig -o signed.eif");
}

}  // namespace gateway::cli
