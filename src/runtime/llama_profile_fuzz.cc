// A caller's body through the llama profile, and the same bytes as an engine's answer through the meter.
#include <boost/json.hpp>
#include <cstdlib>

#include "runtime/llama_profile.h"
#include "runtime/usage_meter.h"

namespace {

using namespace gateway;

void check_rewritten(const runtime::LlamaRequest& request) {
  // What goes on to the engine is JSON that holds what the profile promises.
  boost::json::parse_options options;
  options.max_depth = 64;
  const auto value = boost::json::parse(as_text(request.body), {}, options);
  const auto& object = value.as_object();
  if (object.at("cache_prompt") != false || object.contains("id_slot") || object.contains("lora")) std::abort();
  if (object.at("max_tokens").as_int64() < 0 || object.at("max_tokens").as_int64() > 100) std::abort();
  const auto* predict = object.if_contains("n_predict");
  if (predict != nullptr && (predict->as_int64() < 0 || predict->as_int64() > 100)) std::abort();
  const bool stream = request.answer == runtime::AnswerShape::kEventStream;
  if (stream && object.at("stream_options").at("include_usage") != true) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  for (const auto endpoint : {runtime::LlamaEndpoint::kCompletions, runtime::LlamaEndpoint::kChatCompletions}) {
    auto result = runtime::rewrite_llama_body(endpoint, input, 100);
    if (const auto* request = std::get_if<runtime::LlamaRequest>(&result)) check_rewritten(*request);
  }
  static_cast<void>(runtime::rewrite_llama_body(runtime::LlamaEndpoint::kEmbeddings, input, 100));
  for (const auto shape : {runtime::AnswerShape::kJson, runtime::AnswerShape::kEventStream}) {
    runtime::UsageReader whole(shape);
    whole.take(input);
    whole.end();
    runtime::UsageReader pieces(shape);
    for (std::size_t at = 0; at < size; at += 7) pieces.take(input.subspan(at, std::min<std::size_t>(7, size - at)));
    pieces.end();
    // How an answer was cut on its way changes nothing.
    if (whole.events() != pieces.events() || whole.usage().has_value() != pieces.usage().has_value()) std::abort();
  }
  return 0;
}
