#include "token.h"

#include <algorithm>

#include "channel/deployment.h"
#include "channel/tokens.h"
#include "daemon_client.h"
#include "host/enclave_spec.h"
#include "host/files.h"
#include "host/reported.h"
#include "key_files.h"
#include "terminal.h"
#include "token_files.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

using channel::TokenEntry;
using channel::TokenList;
namespace json = boost::json;

constexpr std::size_t kMaxListFile = 1024UZ * 1024;

std::unexpected<Error> usage(std::string detail, std::string remedy) {
  return fail(ErrorCode::kInvalidArgument, "token.usage", std::move(detail), std::move(remedy));
}

// Where the list and its key lie: named by hand, or stored by `gateway run` under the enclave's name.
struct Place {
  std::string list;
  std::string key;
  std::string folder;  // for new tokens; empty when named by hand
};

Result<Place> place_of(const TokenOptions& options) {
  const bool by_hand = !options.list.empty() && (!options.key.empty() || options.action == TokenAction::kPush);
  if (options.name.empty()) {
    if (by_hand) return Place{options.list, options.key, {}};
    return usage("neither an enclave nor a list is named", "give the enclave's NAME, or --list LIST --key KEY");
  }
  GATEWAY_TRY(host::check_name(options.name));
  const DeploymentFiles files = deployment_files(options.name);
  return Place{options.list.empty() ? files.token_list() : options.list,
               options.key.empty() ? files.access_key() : options.key, files.folder};
}

Result<std::uint32_t> read_rights(const std::vector<std::string>& names) {
  std::uint32_t rights = names.empty() ? std::uint32_t{channel::kRightCall} : 0;
  for (const std::string& name : names) {
    if (name == "call") rights |= channel::kRightCall;
    else if (name == "logs") rights |= channel::kRightLogs;
    else if (name == "metrics") rights |= channel::kRightMetrics;
    else
      return usage("`" + host::printable(name) + "` is no right", "give --right call, logs or metrics, once for each");
  }
  return rights;
}

Result<Time> not_after_of(const TokenOptions& options, Time now) {
  const auto life = parse_duration(options.life);
  if (!life || *life <= Duration::zero() || *life > channel::kMaxTokenListLife) {
    return usage("--life is not a time of at most 24h", "write it as 24h, 90m or 3600s; renew the list before it ends");
  }
  return now + *life;
}

Result<TokenList> read_list(const Place& place, const crypto::PublicKey& key) {
  GATEWAY_ASSIGN(const Bytes file, read_file(place.list, kMaxListFile));
  return channel::read_token_list(file, key);
}

// A token that was just made goes where only its holder reads it.
Result<json::object> hand_out(const Secret& token, const std::string& path) {
  if (path.empty()) return json::object{{"token", as_text(token.reveal())}};
  GATEWAY_TRY(write_new_file(path, token.reveal(), 0600));
  return json::object{{"token_file", path}};
}

void print_token(const json::object& out) {
  if (const auto* token = out.if_contains("token")) print_line(token->as_string());
  if (const auto* file = out.if_contains("token_file"))
    print_line("token written to " + std::string(file->as_string()));
}

// Whether it is in force: an enclave that does not run reads the list when it starts.
Outcome<bool> push(const std::string& name, const Bytes& list) {
  auto daemon = DaemonClient::connect();
  if (!daemon) return std::unexpected(std::move(daemon).error());
  const auto answer = daemon->ask(host::TokensRequest{name, list}, kQuickAnswer);
  if (!answer) return std::unexpected(answer.error());
  const auto* enclave = object_of(*answer, "enclave");
  const std::string state = enclave == nullptr ? std::string() : text_of(*enclave, "state");
  return state == "starting" || state == "ready";
}

const char* what_became_of(bool in_force) { return in_force ? "in force" : "stored: the enclave does not run"; }

// Signs, stores and sends the list; prints what became of it.
int publish(const TokenOptions& options, const Place& place, const TokenList& list, const crypto::PrivateKey& key,
            json::object out) {
  const auto file = channel::sign_token_list(list, key);
  if (!file) return report(file.error());
  if (const Status written = host::write_file(place.list, *file, 0600); !written) return report(written.error());
  const bool send = !options.name.empty() && !options.no_push;
  const Outcome<bool> pushed = send ? push(options.name, *file) : Outcome<bool>(false);
  out["version"] = list.version;
  out["not_after"] = to_rfc3339(list.not_after);
  out["list"] = place.list;
  out["pushed"] = send && pushed.has_value() && *pushed;
  if (options.json) {
    print_json(out);
  } else {
    print_token(out);
    print_line("version " + std::to_string(list.version) + ", " + std::to_string(list.entries.size()) +
               (list.entries.size() == 1 ? " token, until " : " tokens, until ") + to_rfc3339(list.not_after) +
               (send && pushed ? std::string(", ") + what_became_of(*pushed) : std::string()));
  }
  if (pushed) return kDone;
  const int status = report_refusal(pushed.error());
  say("  the new list is stored, but the enclave does not have it yet; send it with: gateway token push " +
      options.name);
  return status;
}

Result<TokenEntry> make_entry(const TokenOptions& options, const Secret& token) {
  TokenEntry entry;
  entry.id = options.id;
  entry.token_sha256 = channel::token_digest(token.reveal());
  GATEWAY_ASSIGN(entry.rights, read_rights(options.rights));
  entry.requests_per_minute = options.requests_per_minute;
  entry.tokens_per_minute = options.tokens_per_minute;
  return entry;
}

// Adds to the list; what is to be printed about the token.
Result<json::object> add(const TokenOptions& options, const Place& place, const crypto::PrivateKey& key,
                         TokenList& list) {
  if (std::ranges::any_of(list.entries, [&](const TokenEntry& entry) { return entry.id == options.id; })) {
    return fail(ErrorCode::kInvalidArgument, "token.exists", "the list has a token of this name already",
                "remove it first, or choose another --id");
  }
  if (!options.token_file.empty()) {
    GATEWAY_ASSIGN(const Secret token, read_token(options.token_file));
    GATEWAY_ASSIGN(TokenEntry entry, make_entry(options, token));
    list.entries.push_back(std::move(entry));
    return json::object{};
  }
  const Secret token = channel::make_token();
  GATEWAY_ASSIGN(TokenEntry entry, make_entry(options, token));
  list.entries.push_back(std::move(entry));
  // Signed once for the rules alone, so that no token is handed out for a list that cannot be made.
  GATEWAY_TRY(channel::sign_token_list(list, key));
  std::string path = options.output;
  if (path.empty() && !place.folder.empty()) path = place.folder + "/token-" + options.id;
  return hand_out(token, path);
}

Status remove(const TokenOptions& options, TokenList& list) {
  if (std::erase_if(list.entries, [&](const TokenEntry& entry) { return entry.id == options.id; }) == 1) return {};
  return fail(ErrorCode::kNotFound, "token.not_found", "the list has no token of this name",
              "see what it has: gateway token list");
}

int change(const TokenOptions& options) {
  const auto place = place_of(options);
  if (!place) return report(place.error());
  const auto key = read_private_key(place->key);
  if (!key) return report(key.error());
  auto list = read_list(*place, key->public_key());
  if (!list) return report(list.error());
  const auto not_after = not_after_of(options, SystemClock().now());
  if (!not_after) return report(not_after.error());
  list->not_after = *not_after;
  ++list->version;
  json::object out;
  if (options.action == TokenAction::kAdd) {
    auto added = add(options, *place, *key, *list);
    if (!added) return report(added.error());
    out = std::move(*added);
  }
  if (options.action == TokenAction::kRemove) {
    if (const Status removed = remove(options, *list); !removed) return report(removed.error());
  }
  return publish(options, *place, *list, *key, std::move(out));
}

Result<TokenList> list_from_files(const TokenOptions& options) {
  TokenList list;
  list.version = options.version;
  GATEWAY_ASSIGN(list.not_after, not_after_of(options, SystemClock().now()));
  for (const std::string& text : options.tokens) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) return usage("--token is not ID=FILE", "write --token alice=alice.token");
    GATEWAY_ASSIGN(const Secret token, read_token(text.substr(equals + 1)));
    TokenOptions one = options;
    one.id = text.substr(0, equals);
    GATEWAY_ASSIGN(TokenEntry entry, make_entry(one, token));
    list.entries.push_back(std::move(entry));
  }
  return list;
}

int sign(const TokenOptions& options) {
  if (options.key.empty() || options.output.empty()) {
    return report(Error(ErrorCode::kInvalidArgument, "token.usage", "signing needs a key and a place for the list",
                        "give --key KEY -o LIST"));
  }
  const auto key = read_private_key(options.key);
  if (!key) return report(key.error());
  const auto list = list_from_files(options);
  if (!list) return report(list.error());
  return publish(options, {options.output, options.key, {}}, *list, *key, {});
}

json::array rights_json(std::uint32_t rights) {
  json::array out;
  if (rights & channel::kRightCall) out.emplace_back("call");
  if (rights & channel::kRightLogs) out.emplace_back("logs");
  if (rights & channel::kRightMetrics) out.emplace_back("metrics");
  return out;
}

std::string row(const TokenEntry& entry) {
  std::string rights;
  for (const auto& right : rights_json(entry.rights))
    rights += (rights.empty() ? "" : ",") + std::string(right.as_string());
  std::string line = "  " + entry.id;
  line.resize(std::max<std::size_t>(line.size() + 2, 26), ' ');
  line += rights;
  line.resize(std::max<std::size_t>(line.size() + 2, 46), ' ');
  line += entry.requests_per_minute ? std::to_string(entry.requests_per_minute) + " requests/min  " : "";
  line += entry.tokens_per_minute ? std::to_string(entry.tokens_per_minute) + " tokens/min" : "";
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

int list(const TokenOptions& options) {
  const auto place = place_of(options);
  if (!place) return report(place.error());
  const auto key = read_public_key(place->key);
  if (!key) return report(key.error());
  const auto list = read_list(*place, *key);
  if (!list) return report(list.error());
  const bool over = list->not_after <= SystemClock().now();
  if (options.json) {
    json::array tokens;
    for (const TokenEntry& entry : list->entries) {
      tokens.push_back(json::object{{"id", entry.id},
                                    {"sha256", to_hex(entry.token_sha256)},
                                    {"rights", rights_json(entry.rights)},
                                    {"requests_per_minute", entry.requests_per_minute},
                                    {"tokens_per_minute", entry.tokens_per_minute}});
    }
    print_json(json::object{{"version", list->version},
                            {"not_after", to_rfc3339(list->not_after)},
                            {"expired", over},
                            {"tokens", std::move(tokens)}});
    return kDone;
  }
  print_line("version " + std::to_string(list->version) + ", until " + to_rfc3339(list->not_after) +
             (over ? " (over: renew it)" : ""));
  for (const TokenEntry& entry : list->entries) print_line(row(entry));
  return kDone;
}

int push_stored(const TokenOptions& options) {
  const auto place = place_of(options);
  if (!place) return report(place.error());
  const auto file = read_file(place->list, kMaxListFile);
  if (!file) return report(file.error());
  const auto pushed = push(options.name, *file);
  if (!pushed) return report_refusal(pushed.error());
  if (options.json) print_json(json::object{{"list", place->list}, {"pushed", *pushed}});
  else print_line("the list is " + std::string(what_became_of(*pushed)));
  return kDone;
}

int make(const TokenOptions& options) {
  const auto out = hand_out(channel::make_token(), options.output);
  if (!out) return report(out.error());
  if (options.json) print_json(*out);
  else print_token(*out);
  return kDone;
}

}  // namespace

int run_token(const TokenOptions& options) {
  switch (options.action) {
    case TokenAction::kNew: return make(options);
    case TokenAction::kSign: return sign(options);
    case TokenAction::kAdd:
    case TokenAction::kRemove:
    case TokenAction::kRenew: return change(options);
    case TokenAction::kList: return list(options);
    case TokenAction::kPush: return push_stored(options);
  }
  return kFault;
}

}  // namespace gateway::cli
