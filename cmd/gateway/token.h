// gateway token: who may call an enclave. Tokens are made here and stay with their callers; the enclave gets a list of
// their hashes, signed by the access key that its configuration names (channel/tokens.h, docs/trust.md §2).
//
//   gateway token new [-o FILE]
//   gateway token sign --key KEY -o LIST [--token ID=FILE]… [--version N] [--life 24h]
//   gateway token add (NAME | --list LIST --key KEY) --id ID [--token-file FILE | -o FILE] [--right call|logs|metrics]…
//       [--requests-per-minute N] [--tokens-per-minute N] [--life 24h] [--no-push]
//   gateway token remove (NAME | --list LIST --key KEY) --id ID [--life 24h] [--no-push]
//   gateway token renew (NAME | --list LIST --key KEY) [--life 24h] [--no-push]
//   gateway token list (NAME | --list LIST --key KEY)
//   gateway token push NAME [--list LIST]
//
// With NAME the list, the key and new tokens are those that `gateway run` stored for the enclave, and each change is
// sent to it. Every change is a new version, because an enclave never goes back to an older one. All take --json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gateway::cli {

enum class TokenAction : std::uint8_t { kNew, kSign, kAdd, kRemove, kRenew, kList, kPush };

struct TokenOptions {
  TokenAction action{};
  std::string name;                       // NAME
  std::string list;                       // --list LIST
  std::string key;                        // --key KEY
  std::string output;                     // -o FILE: sign: the list; new, add: the token
  std::string id;                         // --id ID
  std::string token_file;                 // --token-file FILE: an existing token; absent: a new one is made
  std::vector<std::string> tokens;        // --token ID=FILE, repeatable
  std::vector<std::string> rights;        // --right, repeatable; none: call
  std::uint64_t requests_per_minute = 0;  // 0: none set
  std::uint64_t tokens_per_minute = 0;
  std::uint64_t version = 1;  // --version N
  std::string life = "24h";   // --life DURATION
  bool no_push = false;       // --no-push
  bool json = false;          // --json
};

// JSON: new: {"token_file"|"token"}; list:
// {"version","not_after","tokens":[{"id","sha256","rights","requests_per_minute",
//       "tokens_per_minute"}]}; the others: {"version","not_after","list","pushed"[,"token_file"|"token"]}
int run_token(const TokenOptions& options);

}  // namespace gateway::cli
