#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/clock.h"
#include "channel/deployment.h"
#include "channel/tokens.h"
#include "codec/json.h"
#include "daemon_client.h"
#include "host/enclave_spec.h"
#include "host/files.h"

namespace gateway::cli {
namespace {

constexpr std::size_t kMaxTokensFile = 1024UZ * 1024;
// The daemon unpacks large images and waits for the workload; it gives up first.
constexpr std::chrono::milliseconds kRunPatience{3'600'000};

// What is handed over, and what stays with the caller.
struct Deployment {
  Bytes config;
  Bytes token_list;
  std::string token_file;  // empty: none was made
};

Result<Deployment> read_deployment(const RunOptions& options) {
  Deployment deployment;
  GATEWAY_ASSIGN(deployment.config, host::read_file(*options.config, channel::kMaxDeploymentSize));
  // Judged in the enclave; read here so that a slip of the pen is reported with its file and line.
  GATEWAY_TRY(channel::parse_deployment(as_text(deployment.config), *options.config));
  if (options.tokens) {
    GATEWAY_ASSIGN(deployment.token_list, host::read_file(*options.tokens, kMaxTokensFile));
  }
  return deployment;
}

// The configuration of an earlier run of this name: its access key, tokens and list go on.
bool goes_on(const Deployment& deployment, const DeploymentFiles& earlier) {
  const auto config = host::read_file(earlier.config(), channel::kMaxDeploymentSize);
  return config && *config == deployment.config;
}

Status take_over(Deployment& deployment, const RunOptions& options, const DeploymentFiles& earlier,
                 const DeploymentFiles& fresh) {
  if (!options.tokens) {
    GATEWAY_ASSIGN(deployment.token_list, host::read_file(earlier.token_list(), kMaxTokensFile));
  }
  std::error_code error;
  using std::filesystem::copy_options;
  std::filesystem::copy(earlier.folder, fresh.folder, copy_options::recursive | copy_options::overwrite_existing,
                        error);
  if (error) return fail(ErrorCode::kInternal, "host.file.write", fresh.folder + ": " + error.message());
  if (std::filesystem::exists(fresh.token())) deployment.token_file = fresh.token();
  return host::write_file(fresh.token_list(), deployment.token_list, 0600);
}

Result<Deployment> make_deployment(const DeploymentFiles& files, Time now) {
  GATEWAY_ASSIGN(const auto access_key, crypto::PrivateKey::generate(crypto::KeyType::kP256));
  const Secret token = channel::make_token();
  channel::TokenList list;
  list.version = 1;
  list.not_after = now + channel::kMaxTokenListLife;
  list.entries.push_back({.id = "default",
                          .token_sha256 = channel::token_digest(token.reveal()),
                          .rights = channel::kRightCall | channel::kRightLogs | channel::kRightMetrics});
  Deployment deployment;
  deployment.config = to_bytes(channel::make_default_config(access_key.public_key()));
  GATEWAY_ASSIGN(deployment.token_list, channel::sign_token_list(list, access_key));
  GATEWAY_ASSIGN(const Secret pem, access_key.to_pem());
  GATEWAY_TRY(host::write_file(files.access_key(), pem.reveal(), 0600));
  GATEWAY_TRY(host::write_file(files.token(), token.reveal(), 0600));
  GATEWAY_TRY(host::write_file(files.token_list(), deployment.token_list, 0600));
  GATEWAY_TRY(host::write_file(files.config(), deployment.config, 0600));
  deployment.token_file = files.token();
  return deployment;
}

Result<net::Descriptor> open_image(const std::string& path) {
  net::Descriptor image(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (image.valid()) return image;
  return fail(ErrorCode::kNotFound, "run.image", path + ": " + std::strerror(errno),
              "name the .eif file that `gateway build` wrote");
}

boost::json::value text_or_null(const std::string& text) {
  return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
}

// What was printed is kept beside the token, for `gateway logs` and for people.
Outcome<boost::json::object> describe(const boost::json::object& answer, const Deployment& deployment,
                                      const DeploymentFiles& files) {
  const auto* enclave = object_of(answer, "enclave");
  const auto* measurements = enclave == nullptr ? nullptr : object_of(*enclave, "measurements");
  if (measurements == nullptr) {
    return std::unexpected(Reported{ErrorCode::kInternal, "run.answer", "gatewayd's answer names no measurements", {}});
  }
  std::string root_file;
  if (const std::string pem = text_of(*enclave, "root_pem"); !pem.empty()) {
    GATEWAY_TRY_REPORTED(host::write_file(files.root(), as_bytes(pem), 0644));
    root_file = files.root();
  }
  boost::json::object described{
      {"name", text_of(*enclave, "name")},
      {"platform", text_of(*enclave, "platform")},
      {"listen", text_of(*enclave, "listen")},
      {"measurements", *measurements},
      {"config", "sha384:" + to_hex(channel::deployment_digest(deployment.config))},
      {"root", text_or_null(text_of(*enclave, "root"))},
      {"root_file", text_or_null(root_file)},
      {"token_file", text_or_null(deployment.token_file)},
  };
  GATEWAY_TRY_REPORTED(host::write_file(files.run_record(), as_bytes(codec::write_json(described)), 0600));
  return described;
}

void print_text(const boost::json::object& run) {
  const auto& measurements = *object_of(run, "measurements");
  print_line(text_of(run, "name") + " is ready on " + text_of(run, "listen") + " (" + text_of(run, "platform") + ")");
  for (const char* index : {"0", "1", "2"}) {
    print_line(std::string("  PCR") + index + "    " + safe(text_of(measurements, index)));
  }
  print_line("  config  " + text_of(run, "config"));
  if (const auto root = text_of(run, "root"); !root.empty()) {
    print_line("  root    " + safe(root) + "  " + text_of(run, "root_file"));
  }
  if (const auto token = text_of(run, "token_file"); !token.empty()) print_line("  token   " + token);
}

Result<host::Traffic> traffic_of(const RunOptions& options) {
  if (options.connections > 1'000'000) {
    return fail(ErrorCode::kInvalidArgument, "host.traffic", "--connections is more than 1,000,000");
  }
  host::Traffic traffic{.connections = static_cast<std::uint32_t>(options.connections),
                        .client_address = options.client_address};
  if (options.in) {
    GATEWAY_ASSIGN(traffic.in, host::parse_rate(*options.in));
  }
  if (options.out) {
    GATEWAY_ASSIGN(traffic.out, host::parse_rate(*options.out));
  }
  if (options.per_source) {
    GATEWAY_ASSIGN(traffic.per_source, host::parse_rate(*options.per_source));
  }
  return traffic;
}

Outcome<boost::json::object> start(const RunOptions& options, const host::Traffic& traffic,
                                   const Deployment& deployment, int image) {
  auto daemon = DaemonClient::connect_or_start();
  if (!daemon) return std::unexpected(std::move(daemon).error());
  host::RunRequest request;
  request.name = options.name;
  request.platform = options.platform;
  request.listen = options.listen;
  request.config = deployment.config;
  request.tokens = deployment.token_list;
  request.traffic = traffic;
  return daemon->ask(request, kRunPatience, image);
}

}  // namespace

int run_run(const RunOptions& options) {
  if (const auto named = host::check_name(options.name); !named) return report(named.error());
  if (options.tokens && !options.config) {
    return report(
        Error(ErrorCode::kInvalidArgument, "run.tokens", "--tokens needs --config, which names its access key"));
  }
  const auto traffic = traffic_of(options);
  if (!traffic) return report(traffic.error());
  const auto image = open_image(options.image);
  if (!image) return report(image.error());
  // Beside the files of an enclave of this name that may be running: they take their places only when this one runs.
  const DeploymentFiles files = deployment_files(options.name);
  const DeploymentFiles fresh{files.folder + ".new"};
  host::remove_tree(fresh.folder);
  if (const auto made = host::make_folder(fresh.folder, 0700); !made) return report(made.error());
  auto deployment = options.config ? read_deployment(options) : make_deployment(fresh, SystemClock().now());
  const auto give_up = [&](int status) {
    host::remove_tree(fresh.folder);
    return status;
  };
  if (!deployment) return give_up(report(deployment.error()));
  const bool same = options.config && goes_on(*deployment, files);
  if (same) {
    if (const auto taken = take_over(*deployment, options, files, fresh); !taken) return give_up(report(taken.error()));
  }
  const auto answer = start(options, *traffic, *deployment, image->get());
  if (!answer) return give_up(report_refusal(answer.error()));

  // What only these files hold (the key that signs token lists) is not lost to a second run of the same name.
  const std::string previous = files.folder + ".previous";
  if (!same && std::filesystem::exists(files.config())) {
    host::remove_tree(previous);
    if (std::rename(files.folder.c_str(), previous.c_str()) == 0) {
      say("an earlier deployment of this name had another configuration; its access key and tokens are in " + previous);
      say("  to run it again as it was: gateway run IMAGE --name " + options.name + " --config " + previous +
          "/config.toml --tokens " + previous + "/tokens.cbor");
    }
  }
  host::remove_tree(files.folder);
  if (std::rename(fresh.folder.c_str(), files.folder.c_str()) != 0) {
    return give_up(report(Error(ErrorCode::kInternal, "host.file.write",
                                "the enclave runs, but its token cannot be stored in " + files.folder,
                                "type: gateway stop " + options.name)));
  }
  if (!deployment->token_file.empty()) deployment->token_file = files.token();
  const auto described = describe(*answer, *deployment, files);
  if (!described) return report_refusal(described.error());
  if (options.json) {
    print_json(*described);
  } else {
    print_text(*described);
  }
  return kDone;
}

}  // namespace gateway::cli
