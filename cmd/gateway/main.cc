// The command line of `gateway`: every flag of every command, and nothing else. What a command does is in its own pair
// of files. CLI11 is included here alone.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <memory>

#include "build.h"
#include "bundle.h"
#include "collateral.h"
#include "config.h"
#include "connect.h"
#include "demo.h"
#include "doctor.h"
#include "ear.h"
#include "inspect_enclave.h"
#include "inspect_image.h"
#include "logs.h"
#include "policy.h"
#include "ps.h"
#include "release.h"
#include "run.h"
#include "stop.h"
#include "terminal.h"
#include "token.h"
#include "verifier_serve.h"
#include "verify.h"

namespace {

using namespace gateway::cli;
using gateway::image::LockUse;

constexpr const char* kExitStatus =
    "Exit status: 0 done or affirmed, 1 refused, 2 usage, 3 undecided, 4 a fault of ours.";

// A command whose flags fill `Options` and whose run() gives the exit status.
template <class Options>
CLI::App* command(CLI::App& parent, const char* name, const char* description, int& status,
                  std::shared_ptr<Options>& options, int (*run)(const Options&)) {
  CLI::App* const app = parent.add_subcommand(name, description);
  app->footer("");  // otherwise it repeats its parent's
  options = std::make_shared<Options>();
  app->final_callback([options, run, &status] { status = run(*options); });
  return app;
}

void add_json(CLI::App* app, bool& json) { app->add_flag("--json", json, "JSON on standard output, and nothing else"); }

void add_json(CLI::App* app, Output& format) {
  app->add_flag_callback("--json", [&format] { format = Output::kJson; }, "JSON on standard output, and nothing else");
}

// --- images
// -----------------------------------------------------------------------------------------------------------

void add_build(CLI::App& gateway, int& status) {
  std::shared_ptr<BuildOptions> o;
  CLI::App* const app =
      command(gateway, "build", "make an enclave image from a spec and print its measurements", status, o, run_build);
  app->add_option("SPEC", o->spec, "the image's spec (TOML)")->required();
  app->add_option("-o,--output", o->output, "the image to write")->type_name("IMAGE.eif")->required();
  app->add_option("--runtime", o->runtime, "gateway-enclave, when it is not the installed one")->type_name("FILE");
  app->add_option("--cache", o->cache, "where packages are kept between builds")->type_name("FOLDER");
  auto* const all = app->add_flag_callback(
      "--update-lock", [o] { o->lock = LockUse::kUpdateAll; }, "resolve every package anew and write the lock file");
  app->add_flag_callback(
         "--update-lock-inputs", [o] { o->lock = LockUse::kUpdateInputs; },
         "keep the packages; lock changed files, runtime and kernel")
      ->excludes(all);
  add_json(app, o->format);
  app->footer(
      "Examples:\n"
      "  gateway build examples/assistant/image.toml -o assistant.eif\n"
      "  gateway build image.toml -o image.eif --update-lock\n"
      "The same lock gives the same bytes on every machine. " +
      std::string(kExitStatus));
}

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

void add_inspect(CLI::App& gateway, int& status) {
  std::shared_ptr<InspectOptions> o;
  CLI::App* const app =
      command(gateway, "inspect", "what is in an image, or what the host knows of an enclave", status, o, run_inspect);
  app->add_option("WHAT", o->what, "IMAGE.eif, or an enclave's name")->required();
  auto* const snp = app->add_flag("--snp", o->image.snp, "also compute the SEV-SNP launch digest");
  app->add_option("--ovmf", o->image.ovmf, "the firmware that SNP starts with")->type_name("FILE")->needs(snp);
  app->add_option("--vcpus", o->image.vcpus, "virtual processors")->type_name("N")->needs(snp);
  app->add_option("--vcpu-type", o->image.vcpu_type, "their model, as QEMU's -cpu has it: EPYC-Milan, EPYC-Genoa, …")
      ->type_name("T")
      ->needs(snp);
  app->add_option("--vmm-type", o->image.vmm_type, "who starts the guest: qemu, ec2 or gce")
      ->type_name("V")
      ->capture_default_str()
      ->needs(snp);
  app->add_option("--guest-features", o->image.guest_features, "SEV_FEATURES of the guest (0x21 with DebugSwap)")
      ->type_name("BITS")
      ->capture_default_str()
      ->needs(snp);
  add_json(app, o->json);
  app->footer(
      "Examples:\n  gateway inspect assistant.eif\n  gateway inspect assistant --json\n"
      "  gateway inspect assistant.eif --snp --ovmf OVMF.amdsev.fd --vcpus 4 --vcpu-type EPYC-Genoa");
}

// --- enclaves
// ---------------------------------------------------------------------------------------------------------

void add_run(CLI::App& gateway, int& status) {
  std::shared_ptr<RunOptions> o;
  CLI::App* const app =
      command(gateway, "run", "start an enclave from an image and wait until it is ready", status, o, run_run);
  app->add_option("IMAGE", o->image, "the image")->required();
  app->add_option("--name", o->name, "what it is called on this host")->type_name("NAME")->required();
  app->add_option("--config", o->config, "the deployment's configuration; without it one is made")->type_name("FILE");
  app->add_option("--tokens", o->tokens, "a signed token list, with --config")->type_name("FILE");
  app->add_option("--platform", o->platform, "local (default); others once this release can start them")
      ->type_name("NAME");
  app->add_option("--listen", o->listen, "where clients connect (default 127.0.0.1:0, a free port)")
      ->type_name("HOST:PORT");
  add_json(app, o->json);
  app->footer(
      "Examples:\n"
      "  gateway run assistant.eif --name assistant\n"
      "  gateway run assistant.eif --name assistant --config deployment.toml --listen 0.0.0.0:8443\n"
      "Without --config an access key and one token are made and kept with mode 0600.");
}

void add_ps(CLI::App& gateway, int& status) {
  std::shared_ptr<PsOptions> o;
  CLI::App* const app = command(gateway, "ps", "the enclaves of this host", status, o, run_ps);
  app->add_flag("-a,--all", o->all, "also those that were stopped");
  add_json(app, o->json);
  app->footer("Example:\n  gateway ps --all");
}

void add_logs(CLI::App& gateway, int& status) {
  std::shared_ptr<LogsOptions> o;
  CLI::App* const app =
      command(gateway, "logs", "what the workload printed, over an attested connection", status, o, run_logs);
  app->add_option("NAME", o->name, "the enclave")->required();
  app->add_flag("--events", o->events, "the events that the host may see; needs no token");
  app->add_flag("-f,--follow", o->follow, "go on until it ends");
  app->add_option("--policy", o->policy, "what is accepted; else what `gateway run` printed")->type_name("FILE");
  app->add_option("--token-file", o->token_file, "a token with the right `logs`; else the one of `gateway run`")
      ->type_name("FILE");
  add_json(app, o->json);
  app->footer("Examples:\n  gateway logs assistant --follow\n  gateway logs assistant --events");
}

void add_stop(CLI::App& gateway, int& status) {
  std::shared_ptr<StopOptions> o;
  CLI::App* const app = command(gateway, "stop", "ask the workload to end, wait, insist", status, o, run_stop);
  app->add_option("NAME", o->names, "the enclaves")->required();
  app->add_option("--grace", o->grace, "how long the workload may take (default 10s)")->type_name("DURATION");
  add_json(app, o->json);
  app->footer("Example:\n  gateway stop assistant --grace 30s");
}

// --- clients
// ----------------------------------------------------------------------------------------------------------

void add_verify(CLI::App& gateway, int& status) {
  std::shared_ptr<VerifyOptions> o;
  CLI::App* const app =
      command(gateway, "verify", "check evidence in a file, or a live enclave, under a policy", status, o, run_verify);
  app->add_option("EVIDENCE", o->evidence, "a file, '-', HOST:PORT or an enclave's name")->required();
  app->add_option("--policy", o->policy, "what is accepted (TOML)")->type_name("FILE");
  app->add_flag("--authenticate-only", o->authenticate_only, "stop after authenticity; nothing is appraised");
  app->add_option("--platform", o->platform, "auto, nitro, local, snp, tdx or sgx")->type_name("NAME");
  app->add_option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app->add_option("--at", o->at, "judge as of this time (default: now)")->type_name("RFC3339");
  app->add_option("--nonce", o->nonce, "the nonce that the document must carry")->type_name("HEX");
  app->add_option("--report-data", o->report_data, "the report data that it must carry")->type_name("HEX");
  app->add_option("--event-log", o->event_log, "a TD's CCEL event log, replayed against the quote's RTMRs")
      ->type_name("FILE");
  app->add_option("--root", o->roots, "a further trust anchor, for platform local alone")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add_json(app, o->json);
  app->add_flag("--ear", o->ear, "a signed EAR token on standard output");
  app->add_option("--ear-key", o->ear_key, "the key that signs it (PEM)")->type_name("FILE");
  app->footer(
      "Examples:\n"
      "  gateway verify document.cbor --authenticate-only\n"
      "  gateway verify document.cbor --policy policy.toml --at 2026-01-31T12:00:00Z --json\n"
      "  gateway verify enclave.example:8443 --policy policy.toml\n" +
      std::string(kExitStatus));
}

void add_bundle(CLI::App& gateway, int& status) {
  std::shared_ptr<BundleOptions> o;
  CLI::App* const app =
      command(gateway, "bundle", "put evidence and its collateral into one file", status, o, run_bundle);
  app->add_option("EVIDENCE", o->evidence, "a file or '-', in any form that verify reads")->required();
  app->add_option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app->add_option("-o,--output", o->output, "the bundle")->type_name("FILE")->required();
  add_json(app, o->format);
  app->footer(
      "Example:\n"
      "  gateway bundle report.bin --collateral certs/ -o report.bundle\n"
      "  gateway verify report.bundle --policy policy.toml\n"
      "The same parts give the same bytes. A bundle vouches for nothing: verify judges each part.");
}

void add_connect(CLI::App& gateway, int& status) {
  std::shared_ptr<ConnectOptions> o;
  CLI::App* const app = command(gateway, "connect", "verify an enclave, then offer its API on a plain local port",
                                status, o, run_connect);
  app->add_option("ENDPOINT", o->endpoint, "HOST:PORT, or an enclave's name on this host")->required();
  app->add_option("--policy", o->policy, "what is accepted (TOML)")->type_name("FILE");
  app->add_option("--listen", o->listen, "local address (default 127.0.0.1:0, a free port)")->type_name("HOST:PORT");
  app->add_option("--root", o->roots, "a local root's certificate; not needed when the document carries it")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app->add_option("--token-file", o->token_file, "a token to add to requests that carry none")->type_name("FILE");
  auto* const release =
      app->add_option("--release", o->release, "a signed release instead of a policy")->type_name("FILE");
  app->add_option("--release-key", o->release_key, "the maintainer's public key")->type_name("FILE")->needs(release);
  app->add_option("--release-floor", o->release_floor, "the lowest version to accept")
      ->type_name("VERSION")
      ->needs(release);
  app->add_option("--config", o->config, "the deployment's configuration")->type_name("sha384:HEX")->needs(release);
  app->add_option("--root-digest", o->root_digest, "the local root, for platform local")
      ->type_name("sha256:HEX")
      ->needs(release);
  add_json(app, o->json);
  app->footer(
      "Examples:\n"
      "  gateway connect enclave.example:8443 --policy policy.toml --listen 127.0.0.1:8080\n"
      "  gateway connect assistant --policy policy.toml --token-file token\n"
      "Then point any OpenAI client at http://127.0.0.1:8080/v1. Ctrl-C ends it.\n" +
      std::string(kExitStatus));
}

// --- policies and results
// -----------------------------------------------------------------------------------------------

void add_evidence(CLI::App* app, PolicyEvidence& o) {
  app->add_option("EVIDENCE", o.files, "files of evidence, or folders of them")->required();
  app->add_option("--collateral", o.collateral, "certificates, CRLs, TCB data: files or folders")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app->add_option("--root", o.roots, "a trust anchor for platform local")->type_name("FILE")->allow_extra_args(false);
}

void add_policy(CLI::App& gateway, int& status) {
  CLI::App* const policy =
      gateway.add_subcommand("policy", "policies: a first one from evidence, and what one changes");
  policy->require_subcommand(1);
  std::shared_ptr<PolicyInitOptions> init;
  CLI::App* app =
      command(*policy, "init", "write a policy from evidence in hand, with comments", status, init, run_policy_init);
  add_evidence(app, init->evidence);
  app->add_option("--at", init->evidence.at, "judge as of this time (default: when each was recorded)")
      ->type_name("RFC3339");
  app->add_option("-o,--output", init->output, "the policy to write, instead of printing it")->type_name("FILE");
  app->add_flag("--insecure-allow-debug", init->insecure_allow_debug, "accept debug mode, if the evidence has it");
  std::shared_ptr<ReleaseOptions> image;
  app = command(*policy, "image", "print a policy for an image in hand, which is measured here", status, image,
                run_policy_image);
  app->add_option("IMAGE", image->file, "the image")->required();
  app->add_option("--config", image->config, "the deployment's configuration: `gateway config digest`")
      ->type_name("sha384:HEX");
  app->add_option("--root", image->root, "the local root, for an entry for platform local")->type_name("sha256:HEX");
  app->add_option("--platform", image->platforms, "only these platforms; repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app->add_option("-o,--output", image->output, "the policy to write, instead of printing it")->type_name("FILE");
  std::shared_ptr<PolicyTestOptions> test;
  app = command(*policy, "test", "judge recorded evidence under a policy, beside an old one", status, test,
                run_policy_test);
  app->add_option("POLICY", test->policy, "the policy (TOML)")->required();
  add_evidence(app, test->evidence);
  app->add_option("--against", test->against, "the policy in force: show what would change")->type_name("OLD_POLICY");
  app->add_option("--at", test->evidence.at, "judge as of this time, or as `recorded` (default: now)")
      ->type_name("RFC3339");
  add_json(app, test->json);
  policy->footer(
      "Examples:\n"
      "  gateway policy image assistant.eif --platform nitro --config sha384:… -o policy.toml\n"
      "  gateway policy init report.bin --collateral amd/ -o policy.toml\n"
      "  gateway policy test new.toml evidence/ --against policy.toml --collateral collateral/\n"
      "With --against the status is 1 when something would be refused that is not, 3 when it would be undecided.");
}

void add_collateral(CLI::App& gateway, int& status) {
  CLI::App* const collateral =
      gateway.add_subcommand("collateral", "certificates, revocation lists and TCB data that evidence needs");
  collateral->require_subcommand(1);
  std::shared_ptr<CollateralFetchOptions> o;
  CLI::App* const app = command(*collateral, "fetch", "obtain from AMD and Intel what a piece of evidence needs",
                                status, o, run_collateral_fetch);
  app->add_option("--for", o->evidence, "the evidence: a file, or '-'")->type_name("EVIDENCE")->required();
  app->add_option("-o,--output", o->output, "where the files go; made if it is not there")
      ->type_name("FOLDER")
      ->required();
  app->add_option("--pccs", o->pccs, "a PCCS instead of Intel's own service")->type_name("URL");
  app->add_option("--kds", o->kds, "a mirror instead of AMD's own service")->type_name("URL");
  app->add_option("--proxy", o->proxy, "an HTTP proxy (default: https_proxy, no_proxy)")->type_name("URL");
  app->add_option("--tls-root", o->tls_roots, "a further root for the services' TLS certificates")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--cache", o->cache, "keep answers here until they expire")->type_name("FOLDER");
  app->add_option("--product", o->product, "Milan, Genoa or Turin, for reports that do not say")->type_name("NAME");
  app->add_option("--timeout", o->timeout, "how long one request may take (default 30s)")->type_name("DURATION");
  app->add_option("--at", o->at, "judge as of this time what has expired (default: now)")->type_name("RFC3339");
  add_json(app, o->json);
  collateral->footer(
      "Examples:\n"
      "  gateway collateral fetch --for report.bin -o collateral/\n"
      "  gateway collateral fetch --for quote.bin -o collateral/ --pccs https://localhost:8081 --tls-root pccs.pem\n"
      "Then: gateway verify quote.bin --policy policy.toml --collateral collateral/\n"
      "AMD answers about one request in ten seconds. Nothing that was fetched is believed because of where it came "
      "from.");
}

void add_ear(CLI::App& gateway, int& status) {
  CLI::App* const ear = gateway.add_subcommand("ear", "results of verifiers as signed tokens");
  ear->require_subcommand(1);
  std::shared_ptr<EarVerifyOptions> o;
  CLI::App* const app =
      command(*ear, "verify", "check a token and print what its verifier said", status, o, run_ear_verify);
  app->add_option("TOKEN", o->token, "a file, '-' or the token itself")->required();
  app->add_option("--key", o->key, "the verifier's public key (PEM)")->type_name("PUBLIC")->required();
  app->add_option("--max-age", o->max_age, "refuse appraisals that are older (default 5m)")->type_name("DURATION");
  app->add_option("--nonce", o->nonce, "the eat_nonce that the token must carry")->type_name("TEXT");
  app->add_option("--at", o->at, "judge as of this time (default: now)")->type_name("RFC3339");
  add_json(app, o->json);
  ear->footer(
      "Example:\n"
      "  gateway verify document.cbor --policy policy.toml --ear --ear-key ear.pem > result.jwt\n"
      "  gateway ear verify result.jwt --key ear.pub\n"
      "The status is that of the verifier's word: 0 affirming or warning, 1 contraindicated, 3 none.");
}

void add_verifier(CLI::App& gateway, int& status) {
  CLI::App* const verifier = gateway.add_subcommand("verifier", "a verifier as a service");
  verifier->require_subcommand(1);
  std::shared_ptr<VerifierServeOptions> o;
  CLI::App* const app = command(*verifier, "serve", "judge evidence for others, over HTTPS; answers are EARs", status,
                                o, run_verifier_serve);
  app->add_option("--config", o->config, "policies, collateral, keys and callers (TOML)")
      ->type_name("FILE")
      ->required();
  app->add_option("--listen", o->listen, "instead of the file's address")->type_name("HOST:PORT");
  add_json(app, o->json);
  verifier->footer(
      "Example:\n"
      "  gateway verifier serve --config verifier.toml\n"
      "  curl -k https://127.0.0.1:8443/v1/verify --data-binary @document.cbor\n"
      "Veraison's clients speak to it through /challenge-response/v1/newSession. docs/verifier.md has the rest.");
}

// --- tokens, configurations, releases
// -----------------------------------------------------------------------------------

CLI::App* token_command(CLI::App* token, const char* name, const char* description, TokenAction action, int& status,
                        std::shared_ptr<TokenOptions>& o) {
  CLI::App* const app = command(*token, name, description, status, o, run_token);
  o->action = action;
  add_json(app, o->json);
  return app;
}

void add_place(CLI::App* app, TokenOptions& o) {
  app->add_option("NAME", o.name, "an enclave that `gateway run` started");
  app->add_option("--list", o.list, "a token list, when it is not that enclave's")->type_name("LIST");
  app->add_option("--key", o.key, "the access key that signs it (PEM)")->type_name("KEY");
}

void add_life(CLI::App* app, TokenOptions& o) {
  app->add_option("--life", o.life, "how long the list holds, at most 24h (default)")->type_name("DURATION");
  app->add_flag("--no-push", o.no_push, "do not send the new list to the enclave");
}

void add_entry(CLI::App* app, TokenOptions& o) {
  app->add_option("--right", o.rights, "call, logs or metrics (default call); repeatable")
      ->type_name("RIGHT")
      ->allow_extra_args(false);
  app->add_option("--requests-per-minute", o.requests_per_minute, "0: none set")->type_name("N");
  app->add_option("--tokens-per-minute", o.tokens_per_minute, "of the model; 0: none set")->type_name("N");
}

void add_token(CLI::App& gateway, int& status) {
  CLI::App* const token = gateway.add_subcommand("token", "who may call an enclave: tokens and their signed lists");
  token->require_subcommand(1);
  std::shared_ptr<TokenOptions> o;
  CLI::App* app = token_command(token, "new", "make a token", TokenAction::kNew, status, o);
  app->add_option("-o,--output", o->output, "write it here with mode 0600, instead of printing it")->type_name("FILE");
  app = token_command(token, "sign", "make a signed list of tokens that you have", TokenAction::kSign, status, o);
  app->add_option("--key", o->key, "the access key (PEM)")->type_name("KEY")->required();
  app->add_option("-o,--output", o->output, "the list to write")->type_name("LIST")->required();
  app->add_option("--token", o->tokens, "a token's name and file; repeatable")
      ->type_name("ID=FILE")
      ->allow_extra_args(false);
  app->add_option("--version", o->version, "must be above that of the list in force (default 1)")->type_name("N");
  app->add_option("--life", o->life, "how long the list holds, at most 24h (default)")->type_name("DURATION");
  add_entry(app, *o);
  app = token_command(token, "add", "add a token to a list", TokenAction::kAdd, status, o);
  add_place(app, *o);
  app->add_option("--id", o->id, "the token's name in the list")->type_name("ID")->required();
  auto* const from = app->add_option("--token-file", o->token_file, "a token that you have")->type_name("FILE");
  app->add_option("-o,--output", o->output, "where the new token goes, mode 0600")->type_name("FILE")->excludes(from);
  add_entry(app, *o);
  add_life(app, *o);
  app = token_command(token, "remove", "take a token off a list", TokenAction::kRemove, status, o);
  add_place(app, *o);
  app->add_option("--id", o->id, "the token's name in the list")->type_name("ID")->required();
  add_life(app, *o);
  app = token_command(token, "renew", "sign the list again, for another day", TokenAction::kRenew, status, o);
  add_place(app, *o);
  add_life(app, *o);
  app = token_command(token, "list", "show what a list says", TokenAction::kList, status, o);
  add_place(app, *o);
  app = token_command(token, "push", "send a list to the running enclave", TokenAction::kPush, status, o);
  app->add_option("NAME", o->name, "the enclave")->required();
  app->add_option("--list", o->list, "a list other than the stored one")->type_name("LIST");
  token->footer(
      "Examples:\n"
      "  gateway token add assistant --id alice --requests-per-minute 60 -o alice.token\n"
      "  gateway token remove assistant --id alice\n"
      "  gateway token renew assistant\n"
      "  gateway token sign --key access.key -o tokens.cbor --token alice=alice.token\n"
      "Lists hold for a day at most: renew them from a timer.");
}

CLI::App* config_command(CLI::App* config, const char* name, const char* description, ConfigAction action, int& status,
                         std::shared_ptr<ConfigOptions>& o) {
  CLI::App* const app = command(*config, name, description, status, o, run_config);
  o->action = action;
  if (action != ConfigAction::kNew) app->add_option("FILE", o->file, "the configuration (TOML)")->required();
  add_json(app, o->json);
  return app;
}

void add_config(CLI::App& gateway, int& status) {
  CLI::App* const config = gateway.add_subcommand("config", "a deployment's configuration, which may only narrow");
  config->require_subcommand(1);
  std::shared_ptr<ConfigOptions> o;
  CLI::App* app = config_command(config, "new", "write the smallest configuration", ConfigAction::kNew, status, o);
  auto* const have = app->add_option("--access-key", o->access_key, "a key that you have (PEM)")->type_name("FILE");
  app->add_option("--access-key-out", o->access_key_out, "make a key and write it here, mode 0600")
      ->type_name("FILE")
      ->excludes(have);
  app->add_option("-o,--output", o->output, "the configuration to write")->type_name("FILE");
  app = config_command(config, "check", "read it as an enclave does", ConfigAction::kCheck, status, o);
  app->add_option("--signature", o->signature, "what `config sign` wrote; must hold")->type_name("FILE");
  config_command(config, "digest", "print what policies name", ConfigAction::kDigest, status, o);
  app = config_command(config, "sign", "vouch for it with its access key", ConfigAction::kSign, status, o);
  app->add_option("--key", o->key, "the access key (PEM)")->type_name("KEY")->required();
  app->add_option("-o,--output", o->output, "the signature (default FILE.sig)")->type_name("FILE");
  config->footer(
      "Examples:\n"
      "  gateway config new --access-key-out access.key -o deployment.toml\n"
      "  gateway config digest deployment.toml\n"
      "  gateway config sign deployment.toml --key access.key");
}

void add_release(CLI::App& gateway, int& status) {
  CLI::App* const release = gateway.add_subcommand("release", "signed measurements of an image's versions");
  release->require_subcommand(1);
  std::shared_ptr<ReleaseOptions> o;
  CLI::App* app = command(*release, "sign", "measure an image and sign what was measured", status, o, run_release);
  o->action = ReleaseAction::kSign;
  app->add_option("IMAGE", o->file, "the image")->required();
  app->add_option("--key", o->key, "your private key, P-256 or P-384 (PEM)")->type_name("KEY")->required();
  app->add_option("--name", o->name, "the image's name")->type_name("NAME")->required();
  app->add_option("--version", o->version, "three numbers")->type_name("1.4.2")->required();
  app->add_option("--commit", o->commit, "the source that it was built from")->type_name("HEX")->required();
  app->add_option("--floor", o->floor, "the lowest version still to be used (default: this one)")->type_name("VERSION");
  app->add_option("--platform", o->platforms, "nitro or local (default both); repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app->add_option("-o,--output", o->output, "the release to write")->type_name("FILE")->required();
  add_json(app, o->json);
  app = command(*release, "verify", "check a release and print a policy", status, o, run_release);
  o->action = ReleaseAction::kVerify;
  app->add_option("FILE", o->file, "the release")->required();
  app->add_option("--key", o->key, "the maintainer's public key (PEM)")->type_name("PUBLIC")->required();
  app->add_option("--floor", o->floor, "refuse versions below this one")->type_name("VERSION");
  app->add_option("--newest", o->newest, "the newest release that you have: its floor counts")->type_name("FILE");
  app->add_option("--config", o->config, "for the policy")->type_name("sha384:HEX");
  app->add_option("--root", o->root, "for the policy's entry for local")->type_name("sha256:HEX");
  app->add_option("--platform", o->platforms, "only these platforms; repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_json(app, o->json);
  app = command(*release, "show", "print a release; its signature is not checked", status, o, run_release);
  o->action = ReleaseAction::kShow;
  app->add_option("FILE", o->file, "the release")->required();
  add_json(app, o->json);
  release->footer(
      "Examples:\n"
      "  gateway release sign assistant.eif --key release.key --name assistant --version 1.4.2 \\\n"
      "      --commit $(git rev-parse HEAD) -o assistant.release\n"
      "  gateway release verify assistant.release --key release.pub --config sha384:… > policy.toml");
}

// --- this machine
// -------------------------------------------------------------------------------------------------------

struct VersionOptions {
  bool json = false;
};
int run_version(const VersionOptions& options) {
  if (options.json) print_json({{"version", GATEWAY_VERSION}});
  else print_line("gateway " GATEWAY_VERSION);
  return kDone;
}

void add_others(CLI::App& gateway, int& status) {
  std::shared_ptr<DoctorOptions> doctor;
  CLI::App* app =
      command(gateway, "doctor", "what this host can do, and what to type where it cannot", status, doctor, run_doctor);
  add_json(app, doctor->json);
  app->footer("Example:\n  gateway doctor");
  std::shared_ptr<DemoOptions> demo;
  app = command(gateway, "demo", "private inference end to end, and every refusal shown", status, demo, run_demo);
  app->add_flag("--keep", demo->keep, "leave the folder with everything that was made");
  app->footer("Example:\n  gateway demo");
  std::shared_ptr<VersionOptions> version;
  app = command(gateway, "version", "print the version", status, version, run_version);
  add_json(app, version->json);
}

std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string did_you_mean(const CLI::App& app, const std::string& word) {
  std::string nearest;
  std::size_t least = 3;
  for (const auto* one : app.get_subcommands({})) {
    if (const std::size_t distance = edits(word, one->get_name()); distance < least) {
      least = distance;
      nearest = one->get_name();
    }
  }
  return nearest.empty() ? "" : "; did you mean `" + nearest + "`?";
}

int usage_error(const CLI::App& gateway, const CLI::ParseError& error) {
  std::string name = "gateway";
  for (const auto* app = &gateway; !app->get_subcommands().empty();) {
    app = app->get_subcommands().front();
    name += " " + app->get_name();
  }
  // A word that names no command is the likelier mistake than a missing one.
  const auto* last = &gateway;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  const auto words = last->remaining();
  const bool unknown = !words.empty() && !last->get_subcommands({}).empty();
  say(name + ": " +
      (unknown ? "there is no command `" + words.front() + "`" + did_you_mean(*last, words.front())
               : std::string(error.what())));
  say("  what to do: see `" + name + " --help`");
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App gateway("Confidential computing that you can check: images, enclaves, evidence, attested connections.");
  gateway.name("gateway");
  gateway.require_subcommand(1);
  gateway.set_version_flag("--version", "gateway " GATEWAY_VERSION);
  gateway.footer("`gateway COMMAND --help` has the flags of a command and examples.\n" + std::string(kExitStatus));
  gateway.get_formatter()->column_width(34);
  int status = kDone;
  add_build(gateway, status);
  add_inspect(gateway, status);
  add_run(gateway, status);
  add_ps(gateway, status);
  add_logs(gateway, status);
  add_stop(gateway, status);
  add_connect(gateway, status);
  add_verify(gateway, status);
  add_policy(gateway, status);
  add_collateral(gateway, status);
  add_ear(gateway, status);
  add_verifier(gateway, status);
  add_bundle(gateway, status);
  add_token(gateway, status);
  add_config(gateway, status);
  add_release(gateway, status);
  add_others(gateway, status);
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {  // `gateway help run` is `gateway run --help`
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  std::ranges::reverse(words);  // as CLI11 wants them
  try {
    gateway.parse(std::move(words));
  } catch (const CLI::Success& success) {  // --help, --version
    return gateway.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(gateway, error);
  }
  return status;
}
