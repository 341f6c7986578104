#include "verifier/service.h"

#include <boost/json.hpp>
#include <charconv>

#include "attestation/ear.h"
#include "attestation/formats/verify_file.h"
#include "attestation/verification_json.h"
#include "codec/json.h"

namespace gateway::verifier {
namespace {

namespace json = boost::json;
using attestation::Verification;
using server::Decision;
using server::LocalResponse;

constexpr std::string_view kNewSession = "/challenge-response/v1/newSession";
constexpr std::string_view kSession = "/challenge-response/v1/session/";
constexpr std::string_view kMediaTypeSession = "application/vnd.veraison.challenge-response-session+json";
constexpr std::string_view kProblem = "application/problem+json";
constexpr std::string_view kMediaTypes[] = {"application/octet-stream", "application/pem-certificate-chain"};
constexpr std::string_view kNoStore = "Cache-Control: no-store\r\n";

LocalResponse answer(int status, const json::value& body, std::string_view media_type = "application/json") {
  return {.status = status,
          .media_type = media_type,
          .body = to_bytes(codec::write_json(body) + "\n"),
          .extra_headers = kNoStore};
}

LocalResponse problem(int status, std::string_view id, std::string_view detail) {
  return answer(status, json::object{{"type", "about:blank"}, {"title", id}, {"status", status}, {"detail", detail}},
                kProblem);
}

int status_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kPolicyRejected: return 409;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kInternal: return 500;
    default: return 400;
  }
}

LocalResponse problem(const Error& error) {
  LocalResponse response = problem(status_of(error), error.id(), error.detail());
  if (response.status == 503) response.more_headers = "Retry-After: 5\r\n";
  return response;
}

json::object session_json(const Session& session) {
  json::array accept;
  for (std::string_view type : kMediaTypes) accept.emplace_back(type);
  json::object object{{"nonce", to_base64(session.nonce)},
                      {"expiry", to_rfc3339(session.expiry)},
                      {"accept", std::move(accept)},
                      {"status", session.result ? "complete" : "waiting"}};
  if (session.result) object["result"] = *session.result;
  return object;
}

// An uncompressed point is the end of an EC key's SPKI (RFC 5480 §2.2).
json::object jwk_of(const crypto::PublicKey& key) {
  const bool p256 = key.type() == crypto::KeyType::kP256;
  const std::size_t size = p256 ? 32 : 48;
  const ByteView point = ByteView(key.spki()).last(2 * size);
  return {{"kty", "EC"},  {"crv", p256 ? "P-256" : "P-384"},      {"alg", p256 ? "ES256" : "ES384"},
          {"use", "sig"}, {"x", to_base64url(point.first(size))}, {"y", to_base64url(point.last(size))}};
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Refuses parameters that nobody asked for: a misspelt one must not be the same as none.
Status only(std::string_view query, std::initializer_list<std::string_view> known) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::string_view name = pair.substr(0, pair.find('='));
    if (std::ranges::find(known, name) == known.end()) {
      return fail(ErrorCode::kInvalidArgument, "verifier.query", "there is a parameter that this path does not take");
    }
  }
  return {};
}

Result<Bytes> nonce_of_query(std::string_view query, const RandomBytes& random) {
  GATEWAY_TRY(only(query, {"nonce", "nonceSize", "policy"}));
  GATEWAY_ASSIGN(const auto given, net::query_value(query, "nonce"));
  GATEWAY_ASSIGN(const auto size, net::query_value(query, "nonceSize"));
  constexpr const char* kExpected = "expected nonce=BASE64URL of 8 to 64 bytes, or nonceSize=8…64, and not both";
  const auto refused = [] { return fail(ErrorCode::kInvalidArgument, "verifier.nonce", kExpected); };
  if (given.has_value() == size.has_value()) return refused();
  if (size) {
    const auto wanted = number(*size);
    if (!wanted || *wanted < kLeastNonce || *wanted > kMostNonce) return refused();
    return random(*wanted);
  }
  std::string_view text = *given;
  while (text.ends_with('=')) text.remove_suffix(1);  // Veraison's clients send padding
  auto nonce = from_base64url(text);
  if (!nonce || nonce->size() < kLeastNonce || nonce->size() > kMostNonce) return refused();
  return *std::move(nonce);
}

Result<std::optional<Bytes>> nonce_in_hex(std::string_view query) {
  GATEWAY_ASSIGN(const auto text, net::query_value(query, "nonce"));
  if (!text) return std::nullopt;
  auto nonce = from_hex(*text);
  if (!nonce || nonce->size() < kLeastNonce || nonce->size() > kMostNonce) {
    return fail(ErrorCode::kInvalidArgument, "verifier.nonce", "expected nonce=HEX of 8 to 64 bytes");
  }
  return nonce;
}

}  // namespace

// One request's head, after its target was normalised.
struct Service::Call {
  const net::HttpHead& head;
  std::string_view path;
  std::string_view query;
};

Service::Service(Settings settings, Sources sources)
    : settings_(std::move(settings)),
      sources_(std::move(sources)),
      sessions_(settings_.max_sessions, settings_.session_life, sources_.random),
      callers_(settings_.callers, settings_.anonymous_per_minute, sources_.monotonic()),
      expiries_(expiries_of(settings_.collateral)),
      caches_(attestation::make_caches()) {}

Service::~Service() = default;

Decision Service::on_request(const net::HttpHead& head, const server::SessionContext&) {
  const auto target = net::normalise_target(head.target);
  if (!target) return refuse_request(400, target.error().error_id(), "the target is not a plain path");
  return route({.head = head, .path = target->path, .query = target->query});
}

LocalResponse Service::refuse_request(int status, ErrorId id, std::string_view detail) {
  ++metrics_.refused_request;
  return problem(status, id.view(), detail);
}

Decision Service::route(const Call& call) {
  const bool get = call.head.method == "GET";
  const auto wrong_method = [&] { return refuse_request(405, "verifier.method", "this path takes another method"); };
  if (call.path == "/health") return get ? Decision(answer(200, {{"status", "ok"}})) : wrong_method();
  if (call.path == "/metrics") return get ? Decision(metrics_page()) : wrong_method();
  if (call.path == "/.well-known/veraison/verification") return get ? Decision(discovery()) : wrong_method();
  const bool session = call.path.starts_with(kSession) && call.path.size() > kSession.size();
  if (!session && call.path != kNewSession && call.path != "/v1/verify" && call.path != "/v1/policies") {
    return refuse_request(404, "verifier.path", "there is nothing at this path");
  }
  if (auto refused = admit(call)) return *std::move(refused);
  if (session) return session_route(call, call.path.substr(kSession.size()));
  if (call.path == "/v1/policies") return get ? Decision(policies()) : wrong_method();
  if (call.head.method != "POST") return wrong_method();
  return call.path == kNewSession ? new_session(call) : direct(call);
}

std::optional<LocalResponse> Service::admit(const Call& call) {
  const auto judged = callers_.judge(call.head.header("authorization"), sources_.monotonic());
  if (judged.answer == Callers::Answer::kMayAsk) return std::nullopt;
  if (judged.answer == Callers::Answer::kUnknown) {
    ++metrics_.refused_token;
    LocalResponse response = problem(401, "verifier.token", "send Authorization: Bearer with a token that is admitted");
    response.more_headers = "WWW-Authenticate: Bearer\r\n";
    return response;
  }
  ++metrics_.refused_quota;
  LocalResponse response = problem(429, "verifier.quota", "this caller's requests a minute are used up");
  response.more_headers = "Retry-After: " + std::to_string(judged.retry_after_seconds) + "\r\n";
  return response;
}

Result<std::size_t> Service::policy_of(std::string_view query) const {
  GATEWAY_ASSIGN(const auto id, net::query_value(query, "policy"));
  if (!id) return 0;
  for (std::size_t i = 0; i < settings_.policies.size(); ++i) {
    if (settings_.policies[i].id == *id) return i;
  }
  return fail(ErrorCode::kNotFound, "verifier.policy", "there is no policy of that name; GET /v1/policies lists them");
}

Decision Service::new_session(const Call& call) {
  auto nonce = nonce_of_query(call.query, sources_.random);
  if (!nonce) return refuse_request(400, nonce.error().error_id(), nonce.error().detail());
  const auto policy = policy_of(call.query);
  if (!policy) return refuse_request(status_of(policy.error()), policy.error().error_id(), policy.error().detail());
  const auto made = sessions_.make(*std::move(nonce), *policy, sources_.clock.now());
  if (!made) {
    ++metrics_.refused_sessions;
    return problem(made.error());
  }
  ++metrics_.sessions_opened;
  LocalResponse response = answer(201, session_json(made->session), kMediaTypeSession);
  response.more_headers = "Location: " + std::string(kSession) + made->id + "\r\n";
  return response;
}

Decision Service::session_route(const Call& call, std::string_view id) {
  const Time now = sources_.clock.now();
  const auto refused = [&](const Error& error) {
    return refuse_request(status_of(error), error.error_id(), error.detail());
  };
  if (call.head.method == "POST") {
    if (auto waiting = sessions_.find_waiting(id, now); !waiting) return refused(waiting.error());
    return server::ForwardDecision{
        .target = "/",
        .collect_body = kMaxBody,
        .rewrite_body = [this, name = std::string(id)](ByteView body) -> std::variant<Bytes, LocalResponse> {
          return judge_for_session(name, body);
        },
        .wants_payload = false,
        .observer = nullptr};
  }
  const auto session = sessions_.find(id, now);
  if (!session) return refused(session.error());
  if (call.head.method == "GET") return answer(200, session_json(**session), kMediaTypeSession);
  if (call.head.method != "DELETE") return refuse_request(405, "verifier.method", "this path takes another method");
  sessions_.remove(id);
  LocalResponse gone;
  gone.status = 204;
  return gone;
}

LocalResponse Service::judge_for_session(const std::string& id, ByteView body) {
  // Again: another request may have used the session while this one's body came in.
  const auto session = sessions_.find_waiting(id, sources_.clock.now());
  if (!session) return problem(session.error());
  const NamedPolicy& policy = settings_.policies[(*session)->policy];
  const ByteView challenge = (*session)->nonce;
  auto ear = ear_of(verify(body, policy, challenge), policy, challenge);
  if (!ear) return problem(ear.error());
  (*session)->result = *std::move(ear);
  return answer(200, session_json(**session), kMediaTypeSession);
}

Decision Service::direct(const Call& call) {
  const auto refused = [&](const Error& error) {
    return refuse_request(status_of(error), error.error_id(), error.detail());
  };
  if (auto known = only(call.query, {"nonce", "policy"}); !known) return refused(known.error());
  auto nonce = nonce_in_hex(call.query);
  if (!nonce) return refused(nonce.error());
  const auto policy = policy_of(call.query);
  if (!policy) return refused(policy.error());
  return server::ForwardDecision{
      .target = "/",
      .collect_body = kMaxBody,
      .rewrite_body = [this, at = *policy,
                       challenge = *std::move(nonce)](ByteView body) -> std::variant<Bytes, LocalResponse> {
        const NamedPolicy& named = settings_.policies[at];
        std::optional<ByteView> nonce_view;
        if (challenge) nonce_view = *challenge;
        const Verification verification = verify(body, named, nonce_view);
        auto ear = ear_of(verification, named, nonce_view);
        if (!ear) return problem(ear.error());
        return answer(200, json::object{{"policy", named.id},
                                        {"ear", *std::move(ear)},
                                        {"verification", attestation::verification_json(verification)}});
      },
      .wants_payload = false,
      .observer = nullptr};
}

Verification Service::verify(ByteView file, const NamedPolicy& policy, std::optional<ByteView> challenge) {
  const Verification verification = attestation::formats::verify_file(file, &policy.policy,
                                                                      {.at = sources_.clock.now(),
                                                                       .platform = {},
                                                                       .nitro = {},
                                                                       .collateral = &settings_.collateral,
                                                                       .expected_nonce = {},
                                                                       .expected_report_data = {},
                                                                       .challenge = challenge,
                                                                       .config_digest = {},
                                                                       .caches = &caches_});
  metrics_.count(verification);
  return verification;
}

Result<std::string> Service::ear_of(const Verification& verification, const NamedPolicy& policy,
                                    std::optional<ByteView> challenge) const {
  attestation::EarContext context{.issued_at = sources_.clock.now(),
                                  .developer = settings_.developer,
                                  .build = settings_.build,
                                  .policy_id = policy.id + " " + policy.digest,
                                  .nonce = {}};
  if (challenge) context.nonce = to_bytes(*challenge);
  return attestation::sign_ear(verification, context, settings_.ear_key);
}

LocalResponse Service::discovery() const {
  json::array types;
  for (std::string_view type : kMediaTypes) types.emplace_back(type);
  return answer(200, json::object{{"ear-verification-key", jwk_of(settings_.ear_key.public_key())},
                                  {"media-types", std::move(types)},
                                  {"version", settings_.build},
                                  {"service-state", "READY"},
                                  {"api-endpoints", json::object{{"newChallengeResponseSession", kNewSession}}}});
}

LocalResponse Service::policies() const {
  json::array all;
  for (const NamedPolicy& policy : settings_.policies) {
    all.push_back(json::object{{"id", policy.id}, {"digest", policy.digest}});
  }
  return answer(200, all);
}

LocalResponse Service::metrics_page() {
  const Time now = sources_.clock.now();
  return {.status = 200,
          .media_type = "text/plain; version=0.0.4",
          .body = to_bytes(metrics_text(metrics_, sessions_.size(now), expiries_, now)),
          .extra_headers = kNoStore};
}

}  // namespace gateway::verifier
