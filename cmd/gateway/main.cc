// The command line of `gateway`: its commands, in the order of its help. Their flags are in flags_*.cc.
#include <boost/json.hpp>

#include "commands.h"
#include "demo.h"
#include "doctor.h"

namespace gateway::cli {

void add_json(Command command, bool& json) {
  command.flag("--json", json, "JSON on standard output, and nothing else");
}

void add_json(Command command, Output& format) {
  command.flag("--json", [&format] { format = Output::kJson; }, "JSON on standard output, and nothing else");
}

namespace {

struct VersionOptions {
  bool json = false;
};
int run_version(const VersionOptions& options) {
  if (options.json) print_json({{"version", GATEWAY_VERSION}});
  else print_line("gateway " GATEWAY_VERSION);
  return kDone;
}

void add_others(Command& gateway) {
  std::shared_ptr<DoctorOptions> doctor;
  Command app =
      gateway.command("doctor", "what this host can do, and what to type where it cannot", doctor, run_doctor);
  add_json(app, doctor->json);
  app.footer("Example:\n  gateway doctor");
  std::shared_ptr<DemoOptions> demo;
  app = gateway.command("demo", "private inference end to end, and every refusal shown", demo, run_demo);
  app.flag("--keep", demo->keep, "leave the folder with everything that was made");
  app.footer("Example:\n  gateway demo");
  std::shared_ptr<VersionOptions> version;
  app = gateway.command("version", "print the version", version, run_version);
  add_json(app, version->json);
}

}  // namespace
}  // namespace gateway::cli

int main(int argc, char** argv) {
  using namespace gateway::cli;
  CommandLine line("Confidential computing that you can check: images, enclaves, evidence, attested connections.",
                   "gateway " GATEWAY_VERSION);
  Command gateway = line.root();
  gateway.footer("`gateway COMMAND --help` has the flags of a command and examples.\n" + std::string(kExitStatus));
  add_build(gateway);
  add_inspect(gateway);
  add_sign(gateway);
  add_run(gateway);
  add_ps(gateway);
  add_logs(gateway);
  add_stop(gateway);
  add_connect(gateway);
  add_verify(gateway);
  add_policy(gateway);
  add_collateral(gateway);
  add_ear(gateway);
  add_verifier(gateway);
  add_bundle(gateway);
  add_token(gateway);
  add_config(gateway);
  add_release(gateway);
  add_others(gateway);
  return line.run(argc, argv);
}
