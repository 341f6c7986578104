#include "host/control_api.h"

#include "host/enclave_spec.h"
#include "host/json_fields.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxConfig = 64UZ * 1024;  // channel::kMaxDeploymentSize
constexpr std::size_t kMaxTraffic = 4096;
constexpr std::size_t kMaxTokenList = 1024UZ * 1024;  // one control frame

Result<std::string> name_of(JsonFields& fields) {
  GATEWAY_ASSIGN(std::string name, fields.text("name", 63));
  GATEWAY_TRY(check_name(name));
  return name;
}

Result<Request> parse_run(JsonFields& fields) {
  RunRequest run;
  GATEWAY_ASSIGN(run.name, name_of(fields));
  GATEWAY_ASSIGN(run.platform, fields.text("platform", 16));
  GATEWAY_ASSIGN(run.listen, fields.text("listen", 300));
  GATEWAY_ASSIGN(run.config, fields.base64("config", kMaxConfig));
  GATEWAY_ASSIGN(run.tokens, fields.base64("tokens", kMaxTokenList));
  GATEWAY_ASSIGN(const std::string traffic, fields.text("traffic", kMaxTraffic));
  GATEWAY_ASSIGN(run.traffic, parse_traffic(traffic));
  return run;
}

Result<Request> parse_stop(JsonFields& fields) {
  StopRequest stop;
  GATEWAY_ASSIGN(stop.name, name_of(fields));
  GATEWAY_ASSIGN(const std::uint64_t grace, fields.number("grace_ms", static_cast<std::uint64_t>(kMaxGrace.count())));
  stop.grace = std::chrono::milliseconds(grace);
  return stop;
}

Result<Request> parse_events(JsonFields& fields) {
  EventsRequest events;
  GATEWAY_ASSIGN(events.name, name_of(fields));
  GATEWAY_ASSIGN(events.after, fields.number("after", 1ULL << 53U));
  GATEWAY_ASSIGN(events.limit, fields.number("limit", kMaxEventsPerAnswer));
  return events;
}

Result<Request> parse_tokens(JsonFields& fields) {
  TokensRequest tokens;
  GATEWAY_ASSIGN(tokens.name, name_of(fields));
  GATEWAY_ASSIGN(tokens.list, fields.base64("list", kMaxTokenList));
  return tokens;
}

Result<Request> parse_by_op(std::string_view op, JsonFields& fields) {
  if (op == "version") return VersionRequest{};
  if (op == "ps") return PsRequest{};
  if (op == "run") return parse_run(fields);
  if (op == "stop") return parse_stop(fields);
  if (op == "events") return parse_events(fields);
  if (op == "tokens") return parse_tokens(fields);
  if (op == "inspect") {
    GATEWAY_ASSIGN(std::string name, name_of(fields));
    return InspectRequest{std::move(name)};
  }
  return fail(ErrorCode::kUnsupported, "host.request.op", "this daemon knows no such operation",
              "use the gateway command of the same release as gatewayd");
}

boost::json::object to_json(const VersionRequest&) { return {{"op", "version"}}; }
boost::json::object to_json(const PsRequest&) { return {{"op", "ps"}}; }
boost::json::object to_json(const InspectRequest& request) { return {{"op", "inspect"}, {"name", request.name}}; }
boost::json::object to_json(const StopRequest& request) {
  return {{"op", "stop"}, {"name", request.name}, {"grace_ms", request.grace.count()}};
}
boost::json::object to_json(const EventsRequest& request) {
  return {{"op", "events"}, {"name", request.name}, {"after", request.after}, {"limit", request.limit}};
}
boost::json::object to_json(const TokensRequest& request) {
  return {{"op", "tokens"}, {"name", request.name}, {"list", to_base64(request.list)}};
}
boost::json::object to_json(const RunRequest& request) {
  return {{"op", "run"},
          {"name", request.name},
          {"platform", request.platform},
          {"listen", request.listen},
          {"config", to_base64(request.config)},
          {"tokens", to_base64(request.tokens)},
          {"traffic", encode_traffic(request.traffic)}};
}

Result<Reported> parse_refusal(JsonFields& fields) {
  Reported refusal;
  GATEWAY_ASSIGN(const std::string code, fields.text("code", 32));
  GATEWAY_ASSIGN(refusal.id, fields.text("id", 96));
  GATEWAY_ASSIGN(refusal.detail, fields.text("detail", 16UZ * 1024));
  GATEWAY_ASSIGN(refusal.remedy, fields.text("remedy", 16UZ * 1024));
  const auto known = error_code_from(code);
  if (!known || !well_formed_id(refusal.id)) {
    return fail(ErrorCode::kMalformed, "host.answer.syntax", "a refusal has no known code or no well-formed id");
  }
  refusal.code = *known;
  return refusal;
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
  GATEWAY_ASSIGN(JsonFields fields,
                 JsonFields::parse(line, kMaxRequestLine, "host.request.syntax", "host.request.key"));
  GATEWAY_ASSIGN(const std::string op, fields.text("op", 32));
  GATEWAY_ASSIGN(Request request, parse_by_op(op, fields));
  GATEWAY_TRY(fields.finish());
  return request;
}

std::string encode_request(const Request& request) {
  return codec::write_json(std::visit([](const auto& one) { return to_json(one); }, request));
}

std::string encode_refusal(const Reported& refusal) {
  return codec::write_json(boost::json::object{{"ok", false},
                                               {"error", boost::json::object{{"code", to_string(refusal.code)},
                                                                             {"id", refusal.id},
                                                                             {"detail", refusal.detail},
                                                                             {"remedy", refusal.remedy}}}});
}

Result<Answer> parse_answer(std::string_view line) {
  GATEWAY_ASSIGN(JsonFields fields,
                 JsonFields::parse(line, kMaxAnswerLine, "host.answer.syntax", "host.answer.syntax"));
  GATEWAY_ASSIGN(const bool ok, fields.boolean("ok"));
  if (ok) return Answer{std::nullopt, std::string(line)};
  GATEWAY_ASSIGN(auto error, fields.object_or_null("error"));
  if (!error) return fail(ErrorCode::kMalformed, "host.answer.syntax", "a refusal without its error");
  GATEWAY_ASSIGN(Reported refusal, parse_refusal(*error));
  return Answer{std::move(refusal), {}};
}

}  // namespace gateway::host
