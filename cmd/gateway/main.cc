// The command line of `gateway`: every flag of every command, and nothing else. What a command does is in its own pair of
// files. CLI11 is included here alone.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "build.h"
#include "connect.h"
#include "doctor.h"
#include "inspect_enclave.h"
#include "inspect_image.h"
#include "ps.h"
#include "run.h"
#include "stop.h"
#include "terminal.h"
#include "verify.h"

namespace {

using namespace gateway::cli;

// A command whose flags fill `Options` and whose run() gives the exit status.
template <class Options>
CLI::App* command(CLI::App& parent, const char* name, const char* description, int& status,
                  std::shared_ptr<Options>& options, int (*run)(const Options&)) {
  CLI::App* const app = parent.add_subcommand(name, description);
  options = std::make_shared<Options>();
  app->final_callback([options, run, &status] { status = run(*options); });
  return app;
}

void add_verify(CLI::App& gateway, int& status) {
  std::shared_ptr<VerifyOptions> o;
  CLI::App* const app = command(gateway, "verify", "check evidence in a file, or a live enclave, under a policy", status,
                                o, run_verify);
  app->add_option("EVIDENCE", o->evidence, "a file, '-', HOST:PORT or an enclave's name")->required();
  app->add_option("--policy", o->policy, "what is accepted (TOML)")->type_name("FILE");
  app->add_flag("--authenticate-only", o->authenticate_only, "stop after authenticity; nothing is appraised");
  app->add_option("--platform", o->platform, "auto, nitro, local, snp, tdx or sgx")->type_name("NAME");
  app->add_option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders")->type_name("PATH");
  app->add_option("--at", o->at, "judge as of this time (default: now)")->type_name("RFC3339");
  app->add_option("--nonce", o->nonce, "the nonce that the document must carry")->type_name("HEX");
  app->add_option("--report-data", o->report_data, "the report data that it must carry")->type_name("HEX");
  app->add_option("--root", o->roots, "a further trust anchor, for platform local alone")->type_name("FILE");
  app->add_flag("--json", o->json, "one JSON object on standard output");
  app->add_flag("--ear", o->ear, "a signed EAR token on standard output");
  app->add_option("--ear-key", o->ear_key, "the key that signs it (PEM)")->type_name("FILE");
  app->footer(
      "Examples:\n"
      "  gateway verify document.cbor --authenticate-only\n"
      "  gateway verify document.cbor --policy policy.toml --at 2026-01-31T12:00:00Z --json\n"
      "  gateway verify enclave.example:8443 --policy policy.toml\n"
      "Exit status: 0 affirmed, 1 refused, 2 usage, 3 undecided, 4 a fault of ours.");
}

void add_connect(CLI::App& gateway, int& status) {
  std::shared_ptr<ConnectOptions> o;
  CLI::App* const app = command(gateway, "connect", "verify an enclave, then offer its API on a plain local port",
                                status, o, run_connect);
  app->add_option("ENDPOINT", o->endpoint, "HOST:PORT, or an enclave's name on this host")->required();
  app->add_option("--policy", o->policy, "what is accepted (TOML)")->type_name("FILE")->required();
  app->add_option("--listen", o->listen, "local address (default 127.0.0.1:0, a free port)")->type_name("HOST:PORT");
  app->add_option("--root", o->roots, "a local root's certificate; not needed when the document carries it")
      ->type_name("FILE");
  app->add_option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders")->type_name("PATH");
  app->add_option("--token-file", o->token_file, "a token to add to requests that carry none")->type_name("FILE");
  app->add_flag("--json", o->json, "one JSON object with the address and the verdict on standard output");
  app->footer(
      "Examples:\n"
      "  gateway connect enclave.example:8443 --policy policy.toml --listen 127.0.0.1:8080\n"
      "  gateway connect assistant --policy policy.toml --token-file token\n"
      "Then point any OpenAI client at http://127.0.0.1:8080/v1. Ctrl-C ends it.");
}

void add_run(CLI::App& gateway, int& status) {
  std::shared_ptr<RunOptions> o;
  CLI::App* const app = command(gateway, "run", "start an enclave from an image and wait until it is ready", status, o,
                                run_run);
  app->add_option("IMAGE", o->image, "the .eif file that `gateway build` wrote")->required();
  app->add_option("--name", o->name, "what to call it: a-z, 0-9, '.', '_' and '-'")->required();
  app->add_option("--config", o->config, "the deployment's configuration (default: made here, with a fresh access key)")
      ->type_name("FILE");
  app->add_option("--tokens", o->tokens, "a signed token list, with --config")->type_name("FILE");
  app->add_option("--platform", o->platform, "local, nitro or snp")->type_name("NAME");
  app->add_option("--listen", o->listen, "where clients connect (default 127.0.0.1:0, a free port)")
      ->type_name("HOST:PORT");
  app->add_flag("--json", o->json, "one JSON object on standard output");
  app->footer("Example: gateway run assistant.eif --name assistant --listen 127.0.0.1:8443 --json");
}

void add_build(CLI::App& gateway, int& status) {
  struct Flags {
    BuildOptions options;
    bool update_lock = false;
    bool update_inputs = false;
    bool json = false;
  };
  const auto o = std::make_shared<Flags>();
  CLI::App* const app = gateway.add_subcommand("build", "make an image, the same bytes for the same lock");
  app->add_option("SPEC", o->options.spec, "the specification (TOML)")->required();
  app->add_option("-o,--output", o->options.output, "the image to write")->type_name("IMAGE.eif")->required();
  app->add_option("--runtime", o->options.runtime, "the gateway-enclave to put in")->type_name("FILE");
  app->add_option("--cache", o->options.cache, "where downloaded packages are kept")->type_name("FOLDER");
  CLI::Option* const all = app->add_flag("--update-lock", o->update_lock, "resolve everything anew and write the lock");
  app->add_flag("--update-lock-inputs", o->update_inputs, "keep packages and kernel, take local inputs as they are now")
      ->excludes(all);
  app->add_flag("--json", o->json, "one JSON object on standard output");
  app->final_callback([o, &status] {
    if (o->update_lock) o->options.lock = gateway::image::LockUse::kUpdateAll;
    if (o->update_inputs) o->options.lock = gateway::image::LockUse::kUpdateInputs;
    o->options.format = o->json ? Output::kJson : Output::kText;
    status = run_build(o->options);
  });
}

// A name with a slash, or of a file that is there, is an image; anything else is an enclave's name.
bool names_a_file(const std::string& text) {
  return text.find('/') != std::string::npos || std::filesystem::exists(text);
}

void add_inspect(CLI::App& gateway, int& status) {
  struct Flags {
    InspectImageOptions image;
    bool json = false;
  };
  const auto o = std::make_shared<Flags>();
  CLI::App* const app = gateway.add_subcommand("inspect", "what is in an image, or what the host knows of an enclave");
  app->add_option("WHAT", o->image.image, "an .eif file, or an enclave's name")->required();
  app->add_flag("--snp", o->image.snp, "the SEV-SNP launch digest too");
  app->add_option("--ovmf", o->image.ovmf, "the firmware, with --snp")->type_name("FILE");
  app->add_option("--vcpus", o->image.vcpus, "with --snp")->type_name("N");
  app->add_option("--vcpu-type", o->image.vcpu_type, "with --snp")->type_name("TYPE");
  app->add_flag("--json", o->json, "one JSON object on standard output");
  app->final_callback([o, &status] {
    if (!names_a_file(o->image.image)) {
      status = run_inspect_enclave({o->image.image, o->json});
      return;
    }
    o->image.format = o->json ? Output::kJson : Output::kText;
    status = run_inspect_image(o->image);
  });
}

void add_ps(CLI::App& gateway, int& status) {
  std::shared_ptr<PsOptions> o;
  CLI::App* const app = command(gateway, "ps", "list the enclaves of this host and what they may use", status, o, run_ps);
  app->add_flag("-a,--all", o->all, "also those that were stopped");
  app->add_flag("--json", o->json, "one JSON object on standard output");
}

void add_stop(CLI::App& gateway, int& status) {
  std::shared_ptr<StopOptions> o;
  CLI::App* const app = command(gateway, "stop", "ask enclaves to end, wait, and insist", status, o, run_stop);
  app->add_option("NAME", o->names, "one or more enclaves")->required();
  app->add_option("--grace", o->grace, "how long they may take (default 10s)")->type_name("DURATION");
  app->add_flag("--json", o->json, "one JSON object on standard output");
}

void add_doctor(CLI::App& gateway, int& status) {
  std::shared_ptr<DoctorOptions> o;
  CLI::App* const app =
      command(gateway, "doctor", "what this host can do, and what to type where it cannot", status, o, run_doctor);
  app->add_flag("--json", o->json, "one JSON object on standard output");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App gateway("Confidential computing that you can check: images, enclaves, evidence, attested connections.");
  gateway.name("gateway");
  gateway.require_subcommand(1);
  gateway.set_version_flag("--version", "gateway " GATEWAY_VERSION);
  int status = kDone;
  add_verify(gateway, status);
  add_connect(gateway, status);
  add_build(gateway, status);
  add_inspect(gateway, status);
  add_run(gateway, status);
  add_ps(gateway, status);
  add_stop(gateway, status);
  add_doctor(gateway, status);
  try {
    gateway.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return gateway.exit(success);
  } catch (const CLI::ParseError& error) {
    say("gateway: " + std::string(error.what()));
    say("  what to do: see `gateway --help` or `gateway COMMAND --help`");
    return kUsage;
  }
  return status;
}
