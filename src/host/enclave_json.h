// How the daemon's answers spell enclaves. The command line passes most of it on as it is.
//
// An enclave: {"name","platform","state","listen","pid","enclave_pid","memory":{"declared","limit"|null,"note"},
// "cpus":[…],"restarts","connections","created_at","started_at"|null,"ready_at"|null,"measurements":{"0","1","2"}|null,
// "config":"sha384:…","root":"sha256:…"|null,"failure":{…}|null}; in full also "image","root_pem","uid","workload_uid"
// (the host's numbers; equal when the workload has none of its own).
#pragma once

#include <string>
#include <vector>

#include "host/keeper.h"

namespace gateway::host {

enum class Detail : bool { kShort, kFull };

std::string encode_enclave(const KeeperView& view, Detail detail);  // {"ok":true,"enclave":{…}}
std::string encode_enclaves(const std::vector<KeeperView>& views);  // {"ok":true,"enclaves":[…]}
// {"ok":true,"events":[…],"state":…,"more":bool}; lines that are no JSON are left out.
std::string encode_events(const std::vector<std::string>& lines, std::size_t max_size, Phase phase);
std::string encode_version(const std::string& version, const std::string& state_folder, long pid);

}  // namespace gateway::host
