// Flags of the commands about callers, configurations and releases.
#include "commands.h"
#include "config.h"
#include "release.h"
#include "token.h"

namespace gateway::cli {

namespace {

Command token_command(Command& token, const char* name, const char* description, TokenAction action,
                      std::shared_ptr<TokenOptions>& o) {
  Command app = token.command(name, description, o, run_token);
  o->action = action;
  add_json(app, o->json);
  return app;
}

void add_place(Command app, TokenOptions& o) {
  app.option("NAME", o.name, "an enclave that `gateway run` started");
  app.option("--list", o.list, "a token list, when it is not that enclave's").type("LIST");
  app.option("--key", o.key, "the access key that signs it (PEM)").type("KEY");
}

void add_life(Command app, TokenOptions& o) {
  app.option("--life", o.life, "how long the list holds, at most 24h (default)").type("DURATION");
  app.flag("--no-push", o.no_push, "do not send the new list to the enclave");
}

void add_entry(Command app, TokenOptions& o) {
  app.option("--right", o.rights, "call, logs or metrics (default call); repeatable").type("RIGHT").one_each();
  app.option("--requests-per-minute", o.requests_per_minute, "0: none set").type("N");
  app.option("--tokens-per-minute", o.tokens_per_minute, "of the model; 0: none set").type("N");
}

}  // namespace

void add_token(Command& gateway) {
  Command token = gateway.group("token", "who may call an enclave: tokens and their signed lists");
  std::shared_ptr<TokenOptions> o;
  Command app = token_command(token, "new", "make a token", TokenAction::kNew, o);
  app.option("-o,--output", o->output, "write it here with mode 0600, instead of printing it").type("FILE");
  app = token_command(token, "sign", "make a signed list of tokens that you have", TokenAction::kSign, o);
  app.option("--key", o->key, "the access key (PEM)").type("KEY").required();
  app.option("-o,--output", o->output, "the list to write").type("LIST").required();
  app.option("--token", o->tokens, "a token's name and file; repeatable").type("ID=FILE").one_each();
  app.option("--version", o->version, "must be above that of the list in force (default 1)").type("N");
  app.option("--life", o->life, "how long the list holds, at most 24h (default)").type("DURATION");
  add_entry(app, *o);
  app = token_command(token, "add", "add a token to a list", TokenAction::kAdd, o);
  add_place(app, *o);
  app.option("--id", o->id, "the token's name in the list").type("ID").required();
  const Flag from = app.option("--token-file", o->token_file, "a token that you have").type("FILE");
  app.option("-o,--output", o->output, "where the new token goes, mode 0600").type("FILE").excludes(from);
  add_entry(app, *o);
  add_life(app, *o);
  app = token_command(token, "remove", "take a token off a list", TokenAction::kRemove, o);
  add_place(app, *o);
  app.option("--id", o->id, "the token's name in the list").type("ID").required();
  add_life(app, *o);
  app = token_command(token, "renew", "sign the list again, for another day", TokenAction::kRenew, o);
  add_place(app, *o);
  add_life(app, *o);
  app = token_command(token, "list", "show what a list says", TokenAction::kList, o);
  add_place(app, *o);
  app = token_command(token, "push", "send a list to the running enclave", TokenAction::kPush, o);
  app.option("NAME", o->name, "the enclave").required();
  app.option("--list", o->list, "a list other than the stored one").type("LIST");
  token.footer(
      "Examples:\n"
      "  gateway token add assistant --id alice --requests-per-minute 60 -o alice.token\n"
      "  gateway token remove assistant --id alice\n"
      "  gateway token renew assistant\n"
      "  gateway token sign --key access.key -o tokens.cbor --token alice=alice.token\n"
      "Lists hold for a day at most: renew them from a timer.");
}

namespace {

Command config_command(Command& config, const char* name, const char* description, ConfigAction action,
                       std::shared_ptr<ConfigOptions>& o) {
  Command app = config.command(name, description, o, run_config);
  o->action = action;
  if (action != ConfigAction::kNew) app.option("FILE", o->file, "the configuration (TOML)").required();
  add_json(app, o->json);
  return app;
}

}  // namespace

void add_config(Command& gateway) {
  Command config = gateway.group("config", "a deployment's configuration, which may only narrow");
  std::shared_ptr<ConfigOptions> o;
  Command app = config_command(config, "new", "write the smallest configuration", ConfigAction::kNew, o);
  const Flag have = app.option("--access-key", o->access_key, "a key that you have (PEM)").type("FILE");
  app.option("--access-key-out", o->access_key_out, "make a key and write it here, mode 0600")
      .type("FILE")
      .excludes(have);
  app.option("-o,--output", o->output, "the configuration to write").type("FILE");
  app = config_command(config, "check", "read it as an enclave does", ConfigAction::kCheck, o);
  app.option("--signature", o->signature, "what `config sign` wrote; must hold").type("FILE");
  config_command(config, "digest", "print what policies name", ConfigAction::kDigest, o);
  app = config_command(config, "sign", "vouch for it with its access key", ConfigAction::kSign, o);
  app.option("--key", o->key, "the access key (PEM)").type("KEY").required();
  app.option("-o,--output", o->output, "the signature (default FILE.sig)").type("FILE");
  config.footer(
      "Examples:\n"
      "  gateway config new --access-key-out access.key -o deployment.toml\n"
      "  gateway config digest deployment.toml\n"
      "  gateway config sign deployment.toml --key access.key");
}

void add_release(Command& gateway) {
  Command release = gateway.group("release", "signed measurements of an image's versions");
  std::shared_ptr<ReleaseOptions> o;
  Command app = release.command("sign", "measure an image and sign what was measured", o, run_release);
  o->action = ReleaseAction::kSign;
  app.option("IMAGE", o->file, "the image").required();
  app.option("--key", o->key, "your private key, P-256 or P-384 (PEM)").type("KEY").required();
  app.option("--name", o->name, "the image's name").type("NAME").required();
  app.option("--version", o->version, "three numbers").type("1.4.2").required();
  app.option("--commit", o->commit, "the source that it was built from").type("HEX").required();
  app.option("--floor", o->floor, "the lowest version still to be used (default: this one)").type("VERSION");
  app.option("--platform", o->platforms, "nitro or local (default both); repeatable").type("NAME").one_each();
  app.option("-o,--output", o->output, "the release to write").type("FILE").required();
  add_json(app, o->json);
  app = release.command("verify", "check a release and print a policy", o, run_release);
  o->action = ReleaseAction::kVerify;
  app.option("FILE", o->file, "the release").required();
  app.option("--key", o->key, "the maintainer's public key (PEM)").type("PUBLIC").required();
  app.option("--floor", o->floor, "refuse versions below this one").type("VERSION");
  app.option("--newest", o->newest, "the newest release that you have: its floor counts").type("FILE");
  app.option("--config", o->config, "for the policy").type("sha384:HEX");
  app.option("--root", o->root, "for the policy's entry for local").type("sha256:HEX");
  app.option("--platform", o->platforms, "only these platforms; repeatable").type("NAME").one_each();
  add_json(app, o->json);
  app = release.command("show", "print a release; its signature is not checked", o, run_release);
  o->action = ReleaseAction::kShow;
  app.option("FILE", o->file, "the release").required();
  add_json(app, o->json);
  release.footer(
      "Examples:\n"
      "  gateway release sign assistant.eif --key release.key --name assistant --version 1.4.2 \\\n"
      "      --commit $(git rev-parse HEAD) -o assistant.release\n"
      "  gateway release verify assistant.release --key release.pub --config sha384:… > policy.toml");
}

}  // namespace gateway::cli
