#include "runtime/llama_profile.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "codec/json.h"

namespace gateway::runtime {
namespace {

namespace json = boost::json;

constexpr codec::JsonLimits kJsonLimits{.bytes = 64UZ * 1024 * 1024, .depth = 32, .values = 200'000};

struct Endpoint {
  std::string_view path;
  std::string_view method;
};
constexpr std::array<Endpoint, 4> kEndpoints{
    {{"/v1/completions", "POST"}, {"/v1/chat/completions", "POST"}, {"/v1/embeddings", "POST"}, {"/v1/models", "GET"}}};

constexpr auto kRefusedKeys = std::to_array<std::string_view>({
    "id_slot",
    "slot_id",
    "lora",
    "control_vector",
    "speculative",
    "n_cache_reuse",
    "n_keep",
    "n_discard",
});
constexpr auto kDroppedKeys = std::to_array<std::string_view>({
    "timings_per_token",
    "return_progress",
    "response_fields",
    "verbose",
    "__verbose",
});
constexpr auto kOnceKeys = std::to_array<std::string_view>({"n", "n_cmpl", "best_of"});
constexpr auto kLengthKeys = std::to_array<std::string_view>({"max_tokens", "max_completion_tokens", "n_predict"});
constexpr auto kMediaKeys = std::to_array<std::string_view>({"input_audio", "video_url", "multimodal_data"});

server::LocalResponse refused_key(std::string_view key) {
  // Keys named here are ours, from the lists above; a caller's own spelling is never repeated.
  return server::refuse(400, "llama.key", "this key is not accepted here: " + std::string(key));
}
server::LocalResponse wrong_type(std::string_view key) {
  return server::refuse(400, "llama.type", "this key has a value of another type than expected: " + std::string(key));
}

using Judgement = std::optional<server::LocalResponse>;

Judgement refuse_keys(const json::object& body) {
  for (const std::string_view key : kRefusedKeys) {
    if (body.contains(key)) return refused_key(key);
  }
  for (const auto& member : body) {
    if (std::string_view(member.key()).starts_with("speculative.")) return refused_key("speculative");
  }
  for (const std::string_view key : kOnceKeys) {
    const json::value* value = body.if_contains(key);
    if (value == nullptr || value->is_null()) continue;
    if (!value->is_int64()) return wrong_type(key);
    if (value->get_int64() != 1) return refused_key(key);
  }
  return std::nullopt;
}

// {"url": "data:…"} or the text itself: anything else is a place to fetch from.
bool is_inline_image(const json::value& image) {
  const json::value* url = image.is_object() ? image.get_object().if_contains("url") : &image;
  return url != nullptr && url->is_string() && std::string_view(url->get_string()).starts_with("data:");
}

// Whether anything below `value` asks the engine to fetch, or is media of a kind not judged here. Depth is bounded by
// the parser.
std::optional<std::string_view> find_media(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) {
      if (const auto found = find_media(element)) return found;
    }
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  for (const std::string_view key : kMediaKeys) {
    if (object->contains(key)) return key;
  }
  for (const auto& member : *object) {
    if (member.key() == "image_url") {
      if (!is_inline_image(member.value())) return "image_url";
    } else if (const auto found = find_media(member.value())) {
      return found;
    }
  }
  return std::nullopt;
}

// The engine answers an array of texts as that many requests; an array with numbers in it is one prompt of tokens.
bool is_one_prompt(const json::value& prompt) {
  const json::array* array = prompt.if_array();
  if (array == nullptr || array->size() <= 1) return true;
  const auto is_token = [](const json::value& element) { return element.is_number(); };
  return std::ranges::all_of(*array, [&](const json::value& e) { return is_token(e) || e.is_string(); }) &&
         std::ranges::any_of(*array, is_token);
}

// Sets every length that the caller named, and max_tokens always, to at most `cap`.
Judgement cap_lengths(json::object& body, std::uint32_t cap, std::uint64_t& granted) {
  std::int64_t least = cap;
  for (const std::string_view key : kLengthKeys) {
    json::value* value = body.if_contains(key);
    if (value == nullptr) continue;
    std::int64_t wanted = -1;  // null and negative mean "no end" to the engine
    if (value->is_int64()) wanted = value->get_int64();
    else if (value->is_uint64()) wanted = cap;
    else if (!value->is_null()) return wrong_type(key);
    if (wanted >= 0) least = std::min(least, wanted);
  }
  for (const std::string_view key : kLengthKeys) {
    if (body.contains(key)) body[key] = least;
  }
  body["max_tokens"] = least;
  granted = static_cast<std::uint64_t>(least);
  return std::nullopt;
}

Judgement prepare_stream(json::object& body, AnswerShape& answer) {
  const json::value* stream = body.if_contains("stream");
  if (stream != nullptr && !stream->is_bool() && !stream->is_null()) return wrong_type("stream");
  if (stream == nullptr || stream->is_null() || !stream->get_bool()) {
    body.erase("stream_options");  // the engine refuses it without a stream
    return std::nullopt;
  }
  answer = AnswerShape::kEventStream;
  json::value& options = body["stream_options"];
  if (options.is_null()) options.emplace_object();
  if (!options.is_object()) return wrong_type("stream_options");
  options.get_object()["include_usage"] = true;
  return std::nullopt;
}

Judgement rewrite(LlamaEndpoint endpoint, json::object& body, std::uint32_t max_tokens, LlamaRequest& request) {
  if (auto refusal = refuse_keys(body)) return refusal;
  for (const std::string_view key : {"messages", "prompt", "input", "content"}) {
    const json::value* value = body.if_contains(key);
    const auto media = value == nullptr ? std::nullopt : find_media(*value);
    if (media) return refused_key(*media);
  }
  for (const std::string_view key : kDroppedKeys) body.erase(key);
  if (endpoint == LlamaEndpoint::kEmbeddings) return std::nullopt;
  const json::value* prompt = body.if_contains("prompt");
  if (prompt != nullptr && !is_one_prompt(*prompt)) return refused_key("prompt");
  body["cache_prompt"] = false;
  if (auto refusal = cap_lengths(body, max_tokens, request.max_tokens)) return refusal;
  return prepare_stream(body, request.answer);
}

}  // namespace

std::optional<LlamaEndpoint> llama_endpoint(std::string_view path) {
  const auto found = std::ranges::find(kEndpoints, path, &Endpoint::path);
  if (found == kEndpoints.end()) return std::nullopt;
  return static_cast<LlamaEndpoint>(found - kEndpoints.begin());
}

std::string_view llama_method(LlamaEndpoint endpoint) { return kEndpoints[static_cast<std::size_t>(endpoint)].method; }

std::variant<LlamaRequest, server::LocalResponse> rewrite_llama_body(LlamaEndpoint endpoint, ByteView body,
                                                                     std::uint32_t max_tokens) {
  auto parsed = codec::parse_json(as_text(body), kJsonLimits);
  if (!parsed || !parsed->is_object()) {
    return server::refuse(400, "llama.json", "the body is not one JSON object within limits, without repeated keys");
  }
  LlamaRequest request;
  request.prompt_estimate = body.size() / 4;
  if (auto refusal = rewrite(endpoint, parsed->get_object(), max_tokens, request)) return std::move(*refusal);
  request.body = to_bytes(codec::write_json(*parsed));
  return request;
}

}  // namespace gateway::runtime
