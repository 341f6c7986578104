// The command line of `gateway`: every flag of every command, and nothing else. What a command does is in its own pair of
// files. CLI11 is included here alone.
#include <CLI/CLI.hpp>
#include <memory>

#include "connect.h"
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App gateway("Confidential computing that you can check: images, enclaves, evidence, attested connections.");
  gateway.name("gateway");
  gateway.require_subcommand(1);
  gateway.set_version_flag("--version", "gateway " GATEWAY_VERSION);
  int status = kDone;
  add_verify(gateway, status);
  add_connect(gateway, status);
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
