// The command line, a file a family of commands: every flag, and nothing else. What a command does is in its own pair
// of files.
#pragma once

#include "flags.h"
#include "terminal.h"

namespace gateway::cli {

// Every command that prints takes it.
void add_json(Command command, bool& json);
void add_json(Command command, Output& format);

void add_build(Command& gateway);
void add_inspect(Command& gateway);
void add_sign(Command& gateway);
void add_run(Command& gateway);
void add_ps(Command& gateway);
void add_logs(Command& gateway);
void add_stop(Command& gateway);
void add_verify(Command& gateway);
void add_bundle(Command& gateway);
void add_connect(Command& gateway);
void add_policy(Command& gateway);
void add_collateral(Command& gateway);
void add_ear(Command& gateway);
void add_verifier(Command& gateway);
void add_token(Command& gateway);
void add_config(Command& gateway);
void add_release(Command& gateway);

}  // namespace gateway::cli
