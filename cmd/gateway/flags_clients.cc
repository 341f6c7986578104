// Flags of the commands that check, and use what was checked.
#include "bundle.h"
#include "commands.h"
#include "connect.h"
#include "verify.h"

namespace gateway::cli {

void add_verify(Command& gateway) {
  std::shared_ptr<VerifyOptions> o;
  Command app = gateway.command("verify", "check evidence in a file, or a live enclave, under a policy", o, run_verify);
  app.option("EVIDENCE", o->evidence, "a file, '-', HOST:PORT or an enclave's name").required();
  app.option("--policy", o->policy, "what is accepted (TOML)").type("FILE");
  app.flag("--authenticate-only", o->authenticate_only, "stop after authenticity; nothing is appraised");
  app.option("--platform", o->platform, "auto, nitro, local, snp, tdx or sgx").type("NAME");
  app.option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders").type("PATH").one_each();
  app.option("--at", o->at, "judge as of this time (default: now)").type("RFC3339");
  app.option("--nonce", o->nonce, "the nonce that the document must carry").type("HEX");
  app.option("--report-data", o->report_data, "the report data that it must carry").type("HEX");
  app.option("--event-log", o->event_log, "a TD's CCEL event log, replayed against the quote's RTMRs").type("FILE");
  app.option("--root", o->roots, "a further trust anchor, for platform local alone").type("FILE").one_each();
  add_json(app, o->json);
  app.flag("--ear", o->ear, "a signed EAR token on standard output");
  app.option("--ear-key", o->ear_key, "the key that signs it (PEM)").type("FILE");
  app.footer(
      "Examples:\n"
      "  gateway verify document.cbor --authenticate-only\n"
      "  gateway verify document.cbor --policy policy.toml --at 2026-01-31T12:00:00Z --json\n"
      "  gateway verify enclave.example:8443 --policy policy.toml\n" +
      std::string(kExitStatus));
}

void add_bundle(Command& gateway) {
  std::shared_ptr<BundleOptions> o;
  Command app = gateway.command("bundle", "put evidence and its collateral into one file", o, run_bundle);
  app.option("EVIDENCE", o->evidence, "a file or '-', in any form that verify reads").required();
  app.option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders").type("PATH").one_each();
  app.option("-o,--output", o->output, "the bundle").type("FILE").required();
  add_json(app, o->format);
  app.footer(
      "Example:\n"
      "  gateway bundle report.bin --collateral certs/ -o report.bundle\n"
      "  gateway verify report.bundle --policy policy.toml\n"
      "The same parts give the same bytes. A bundle vouches for nothing: verify judges each part.");
}

void add_connect(Command& gateway) {
  std::shared_ptr<ConnectOptions> o;
  Command app =
      gateway.command("connect", "verify an enclave, then offer its API on a plain local port", o, run_connect);
  app.option("ENDPOINT", o->endpoint, "HOST:PORT, or an enclave's name on this host").required();
  app.option("--policy", o->policy, "what is accepted (TOML)").type("FILE");
  app.option("--listen", o->listen, "local address (default 127.0.0.1:0, a free port)").type("HOST:PORT");
  app.option("--root", o->roots, "a local root's certificate; not needed when the document carries it")
      .type("FILE")
      .one_each();
  app.option("--collateral", o->collateral, "certificates, CRLs, TCB data: files or folders").type("PATH").one_each();
  app.option("--token-file", o->token_file, "a token to add to requests that carry none").type("FILE");
  const Flag release = app.option("--release", o->release, "a signed release instead of a policy").type("FILE");
  app.option("--release-key", o->release_key, "the maintainer's public key").type("FILE").needs(release);
  app.option("--release-floor", o->release_floor, "the lowest version to accept").type("VERSION").needs(release);
  app.option("--config", o->config, "the deployment's configuration").type("sha384:HEX").needs(release);
  app.option("--root-digest", o->root_digest, "the local root, for platform local").type("sha256:HEX").needs(release);
  add_json(app, o->json);
  app.footer(
      "Examples:\n"
      "  gateway connect enclave.example:8443 --policy policy.toml --listen 127.0.0.1:8080\n"
      "  gateway connect assistant --policy policy.toml --token-file token\n"
      "Then point any OpenAI client at http://127.0.0.1:8080/v1. Ctrl-C ends it.\n" +
      std::string(kExitStatus));
}

}  // namespace gateway::cli
