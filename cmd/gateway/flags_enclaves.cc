// Flags of the commands about enclaves of this host.
#include "commands.h"
#include "logs.h"
#include "ps.h"
#include "run.h"
#include "stop.h"

namespace gateway::cli {

void add_run(Command& gateway) {
  std::shared_ptr<RunOptions> o;
  Command app = gateway.command("run", "start an enclave from an image and wait until it is ready", o, run_run);
  app.option("IMAGE", o->image, "the image").required();
  app.option("--name", o->name, "what it is called on this host").type("NAME").required();
  app.option("--config", o->config, "the deployment's configuration; without it one is made").type("FILE");
  app.option("--tokens", o->tokens, "a signed token list, with --config").type("FILE");
  app.option("--platform", o->platform, "local (default); others once this release can start them").type("NAME");
  app.option("--listen", o->listen, "where clients connect (default 127.0.0.1:0, a free port)").type("HOST:PORT");
  app.option("--connections", o->connections, "at most so many connections (default: by the image's limit)").type("N");
  app.option("--in", o->in, "bandwidth to the enclave, bytes a second: 10MiB, 10MiB:64MiB with a burst").type("RATE");
  app.option("--out", o->out, "bandwidth from the enclave").type("RATE");
  app.option("--per-source", o->per_source, "new connections a second of one address: 20, 20:100").type("RATE");
  app.flag("--client-address", o->client_address, "tell the enclave whose connection it is (PROXY protocol)");
  add_json(app, o->json);
  app.footer(
      "Examples:\n"
      "  gateway run assistant.eif --name assistant\n"
      "  gateway run assistant.eif --name assistant --config deployment.toml --listen 0.0.0.0:8443\n"
      "Without --config an access key and one token are made and kept with mode 0600.");
}

void add_ps(Command& gateway) {
  std::shared_ptr<PsOptions> o;
  Command app = gateway.command("ps", "the enclaves of this host", o, run_ps);
  app.flag("-a,--all", o->all, "also those that were stopped");
  add_json(app, o->json);
  app.footer("Example:\n  gateway ps --all");
}

void add_logs(Command& gateway) {
  std::shared_ptr<LogsOptions> o;
  Command app = gateway.command("logs", "what the workload printed, over an attested connection", o, run_logs);
  app.option("NAME", o->name, "the enclave").required();
  app.flag("--events", o->events, "the events that the host may see; needs no token");
  app.flag("-f,--follow", o->follow, "go on until it ends");
  app.option("--policy", o->policy, "what is accepted; else what `gateway run` printed").type("FILE");
  app.option("--token-file", o->token_file, "a token with the right `logs`; else the one of `gateway run`")
      .type("FILE");
  add_json(app, o->json);
  app.footer("Examples:\n  gateway logs assistant --follow\n  gateway logs assistant --events");
}

void add_stop(Command& gateway) {
  std::shared_ptr<StopOptions> o;
  Command app = gateway.command("stop", "ask the workload to end, wait, insist", o, run_stop);
  app.option("NAME", o->names, "the enclaves").required();
  app.option("--grace", o->grace, "how long the workload may take (default 10s)").type("DURATION");
  add_json(app, o->json);
  app.footer("Example:\n  gateway stop assistant --grace 30s");
}

}  // namespace gateway::cli
