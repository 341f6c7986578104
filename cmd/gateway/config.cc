#include "config.h"

#include <boost/json.hpp>

#include "channel/deployment.h"
#include "client/config_signature.h"
#include "host/files.h"
#include "key_files.h"
#include "terminal.h"
#include "verify_files.h"

namespace gateway::cli {
namespace {

namespace json = boost::json;

std::string digest_text(ByteView config) { return "sha384:" + to_hex(channel::deployment_digest(config)); }

Result<crypto::PublicKey> access_key_of(const ConfigOptions& options) {
  if (!options.access_key.empty()) return read_public_key(options.access_key);
  GATEWAY_ASSIGN(const auto key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  GATEWAY_ASSIGN(const Secret pem, key.to_pem());
  GATEWAY_TRY(write_new_file(options.access_key_out, pem.reveal(), 0600));
  return key.public_key();
}

int make(const ConfigOptions& options) {
  if (options.access_key.empty() == options.access_key_out.empty()) {
    return report(Error(ErrorCode::kInvalidArgument, "config.usage",
                        "a configuration names the key that signs token lists",
                        "give --access-key-out FILE for a new key, or --access-key FILE for one that you have"));
  }
  const auto key = access_key_of(options);
  if (!key) return report(key.error());
  if (key->type() != crypto::KeyType::kP256) {
    return report(Error(ErrorCode::kInvalidArgument, "config.key", "an access key is a P-256 key",
                        "make one: openssl ecparam -name prime256v1 -genkey -noout -out FILE"));
  }
  const std::string config = channel::make_default_config(*key);
  if (!options.output.empty()) {
    if (const Status written = write_new_file(options.output, as_bytes(config), 0644); !written) {
      return report(written.error());
    }
  }
  const std::string digest = digest_text(as_bytes(config));
  if (options.json) {
    json::object out{{"digest", digest}};
    if (options.output.empty()) out["config"] = config;
    else out["config_file"] = options.output;
    if (!options.access_key_out.empty()) out["access_key_file"] = options.access_key_out;
    print_json(out);
  } else if (options.output.empty()) {
    print_line(std::string_view(config).substr(0, config.size() - 1));
  } else {
    print_line(digest);
  }
  return kDone;
}

// The exact bytes of a configuration that can be parsed.
struct ReadConfig {
  Bytes bytes;
  channel::DeploymentConfig parsed;
};
Result<ReadConfig> read(const ConfigOptions& options) {
  GATEWAY_ASSIGN(Bytes bytes, read_file(options.file, channel::kMaxDeploymentSize));
  auto parsed = channel::parse_deployment(as_text(bytes), options.file);
  if (!parsed) {
    // A slip of the pen in one's own file is a mistake in what was given, whatever it is called elsewhere.
    const Error& cause = parsed.error();
    return std::unexpected(Error(ErrorCode::kInvalidArgument, cause.error_id(), cause.detail(), cause.remedy()));
  }
  return ReadConfig{std::move(bytes), std::move(*parsed)};
}

int check(const ConfigOptions& options) {
  const auto config = read(options);
  if (!config) return report(config.error());
  if (!options.signature.empty()) {
    const auto signature = read_file(options.signature, client::kMaxConfigSignature);
    if (!signature) return report(signature.error());
    const Status held = client::verify_config_signature(*signature, config->bytes, config->parsed.access_key);
    if (!held) return report(held.error());
  }
  const std::string digest = digest_text(config->bytes);
  if (options.json) print_json(json::object{{"digest", digest}, {"signed", !options.signature.empty()}});
  else print_line(digest + (options.signature.empty() ? "" : "  signed by its access key"));
  return kDone;
}

int digest(const ConfigOptions& options) {
  const auto bytes = read_file(options.file, channel::kMaxDeploymentSize);
  if (!bytes) return report(bytes.error());
  if (options.json) print_json(json::object{{"digest", digest_text(*bytes)}});
  else print_line(digest_text(*bytes));
  return kDone;
}

int sign(const ConfigOptions& options) {
  const auto config = read(options);
  if (!config) return report(config.error());
  const auto key = read_private_key(options.key);
  if (!key) return report(key.error());
  if (!equal(key->public_key().spki(), config->parsed.access_key.spki())) {
    return report(Error(ErrorCode::kInvalidArgument, "config.key",
                        options.key + " is not the access key that " + options.file + " names",
                        "sign with the key whose public half is its access_key"));
  }
  const auto signature = client::sign_config(config->bytes, *key);
  if (!signature) return report(signature.error());
  const std::string output = options.output.empty() ? options.file + ".sig" : options.output;
  if (const Status written = host::write_file(output, *signature, 0644); !written) return report(written.error());
  const std::string text = digest_text(config->bytes);
  if (options.json) print_json(json::object{{"digest", text}, {"signature_file", output}});
  else print_line(text + "  signed in " + output);
  return kDone;
}

}  // namespace

int run_config(const ConfigOptions& options) {
  switch (options.action) {
    case ConfigAction::kNew: return make(options);
    case ConfigAction::kCheck: return check(options);
    case ConfigAction::kDigest: return digest(options);
    case ConfigAction::kSign: return sign(options);
  }
  return kFault;
}

}  // namespace gateway::cli
