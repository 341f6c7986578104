// Flags of the commands about policies, results and what evidence needs.
#include "collateral.h"
#include "commands.h"
#include "ear.h"
#include "policy.h"
#include "release.h"
#include "verifier_serve.h"

namespace gateway::cli {

namespace {

void add_evidence(Command app, PolicyEvidence& o) {
  app.option("EVIDENCE", o.files, "files of evidence, or folders of them").required();
  app.option("--collateral", o.collateral, "certificates, CRLs, TCB data: files or folders").type("PATH").one_each();
  app.option("--root", o.roots, "a trust anchor for platform local").type("FILE").one_each();
}

}  // namespace

void add_policy(Command& gateway) {
  Command policy = gateway.group("policy", "policies: a first one from evidence, and what one changes");
  std::shared_ptr<PolicyInitOptions> init;
  Command app = policy.command("init", "write a policy from evidence in hand, with comments", init, run_policy_init);
  add_evidence(app, init->evidence);
  app.option("--at", init->evidence.at, "judge as of this time (default: when each was recorded)").type("RFC3339");
  app.option("-o,--output", init->output, "the policy to write, instead of printing it").type("FILE");
  app.flag("--insecure-allow-debug", init->insecure_allow_debug, "accept debug mode, if the evidence has it");
  std::shared_ptr<ReleaseOptions> image;
  app = policy.command("image", "print a policy for an image in hand, which is measured here", image, run_policy_image);
  app.option("IMAGE", image->file, "the image").required();
  app.option("--config", image->config, "the deployment's configuration: `gateway config digest`").type("sha384:HEX");
  app.option("--root", image->root, "the local root, for an entry for platform local").type("sha256:HEX");
  app.option("--platform", image->platforms, "only these platforms; repeatable").type("NAME").one_each();
  app.option("-o,--output", image->output, "the policy to write, instead of printing it").type("FILE");
  std::shared_ptr<PolicyTestOptions> test;
  app = policy.command("test", "judge recorded evidence under a policy, beside an old one", test, run_policy_test);
  app.option("POLICY", test->policy, "the policy (TOML)").required();
  add_evidence(app, test->evidence);
  app.option("--against", test->against, "the policy in force: show what would change").type("OLD_POLICY");
  app.option("--at", test->evidence.at, "judge as of this time, or as `recorded` (default: now)").type("RFC3339");
  add_json(app, test->json);
  policy.footer(
      "Examples:\n"
      "  gateway policy image assistant.eif --platform nitro --config sha384:… -o policy.toml\n"
      "  gateway policy init report.bin --collateral amd/ -o policy.toml\n"
      "  gateway policy test new.toml evidence/ --against policy.toml --collateral collateral/\n"
      "With --against the status is 1 when something would be refused that is not, 3 when it would be undecided.");
}

void add_collateral(Command& gateway) {
  Command collateral = gateway.group("collateral", "certificates, revocation lists and TCB data that evidence needs");
  std::shared_ptr<CollateralFetchOptions> o;
  Command app =
      collateral.command("fetch", "obtain from AMD and Intel what a piece of evidence needs", o, run_collateral_fetch);
  app.option("--for", o->evidence, "the evidence: a file, or '-'").type("EVIDENCE").required();
  app.option("-o,--output", o->output, "where the files go; made if it is not there").type("FOLDER").required();
  app.option("--pccs", o->pccs, "a PCCS instead of Intel's own service").type("URL");
  app.option("--kds", o->kds, "a mirror instead of AMD's own service").type("URL");
  app.option("--proxy", o->proxy, "an HTTP proxy (default: https_proxy, no_proxy)").type("URL");
  app.option("--tls-root", o->tls_roots, "a further root for the services' TLS certificates").type("FILE").one_each();
  app.option("--cache", o->cache, "keep answers here until they expire").type("FOLDER");
  app.option("--product", o->product, "Milan, Genoa or Turin, for reports that do not say").type("NAME");
  app.option("--timeout", o->timeout, "how long one request may take (default 30s)").type("DURATION");
  app.option("--at", o->at, "judge as of this time what has expired (default: now)").type("RFC3339");
  add_json(app, o->json);
  collateral.footer(
      "Examples:\n"
      "  gateway collateral fetch --for report.bin -o collateral/\n"
      "  gateway collateral fetch --for quote.bin -o collateral/ --pccs https://localhost:8081 --tls-root pccs.pem\n"
      "Then: gateway verify quote.bin --policy policy.toml --collateral collateral/\n"
      "AMD answers about one request in ten seconds. Nothing that was fetched is believed because of where it came "
      "from.");
}

void add_ear(Command& gateway) {
  Command ear = gateway.group("ear", "results of verifiers as signed tokens");
  std::shared_ptr<EarVerifyOptions> o;
  Command app = ear.command("verify", "check a token and print what its verifier said", o, run_ear_verify);
  app.option("TOKEN", o->token, "a file, '-' or the token itself").required();
  app.option("--key", o->key, "the verifier's public key (PEM)").type("PUBLIC").required();
  app.option("--max-age", o->max_age, "refuse appraisals that are older (default 5m)").type("DURATION");
  app.option("--nonce", o->nonce, "the eat_nonce that the token must carry").type("TEXT");
  app.option("--at", o->at, "judge as of this time (default: now)").type("RFC3339");
  add_json(app, o->json);
  ear.footer(
      "Example:\n"
      "  gateway verify document.cbor --policy policy.toml --ear --ear-key ear.pem > result.jwt\n"
      "  gateway ear verify result.jwt --key ear.pub\n"
      "The status is that of the verifier's word: 0 affirming or warning, 1 contraindicated, 3 none.");
}

void add_verifier(Command& gateway) {
  Command verifier = gateway.group("verifier", "a verifier as a service");
  std::shared_ptr<VerifierServeOptions> o;
  Command app =
      verifier.command("serve", "judge evidence for others, over HTTPS; answers are EARs", o, run_verifier_serve);
  app.option("--config", o->config, "policies, collateral, keys and callers (TOML)").type("FILE").required();
  app.option("--listen", o->listen, "instead of the file's address").type("HOST:PORT");
  add_json(app, o->json);
  verifier.footer(
      "Example:\n"
      "  gateway verifier serve --config verifier.toml\n"
      "  curl -k https://127.0.0.1:8443/v1/verify --data-binary @document.cbor\n"
      "Veraison's clients speak to it through /challenge-response/v1/newSession. docs/verifier.md has the rest.");
}

}  // namespace gateway::cli
