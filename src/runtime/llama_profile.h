// Profile llama: what keeps callers of one llama.cpp server apart, and what it counts.
//
// Flags of the engine are not enough (a body with cache_prompt and id_slot reaches another caller's cache whatever the
// flags), so each JSON body is parsed here and written anew; the engine never sees the caller's own bytes.
//
// Only these pass, whatever the image's paths say: POST /v1/completions, /v1/chat/completions, /v1/embeddings and
// GET /v1/models. Everything else of the engine (/props, /slots, /lora-adapters, /completion, /infill, /tokenize,
// /apply-template, /metrics, /v1/responses, /v1/messages, …) is 404: it names other callers' state, changes the engine,
// or takes bodies of a shape that is not judged here.
// In a body:
// - refused: id_slot, slot_id (another caller's slot and cache); lora, control_vector (change the engine for whoever
//   shares the batch); n, n_cmpl, best_of above 1 and several prompts in one body (multiply the work that the quota
//   judged); speculative.* and speculative (choose the engine's draft work); n_cache_reuse, n_keep, n_discard (cache
//   and context shifting across requests); images but as data: URLs, and other media (the engine would fetch).
// - forced: cache_prompt = false.
// - dropped: timings_per_token, return_progress, response_fields, verbose, __verbose: they tell of the engine's inside.
// - capped: max_tokens, max_completion_tokens, n_predict at the image's llama.max_tokens, which also stands where the
//   caller names none or a negative number.
// - added: stream_options.include_usage on streams.
// t_max_predict_ms, sampler settings, grammar, json_schema, logit_bias, n_probs, stop and tools pass: they act on the
// caller's own request.
//
// Input:  untrusted, from callers.
// Bounds: kJsonLimits; the body by the server's limit before it comes here.
// Spec:   docs/trust.md §7.
// Errors: 404 gate.path; 405 gate.method; 400 llama.json, llama.key, llama.type
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "server/seam.h"

namespace gateway::runtime {

enum class LlamaEndpoint : std::uint8_t { kCompletions, kChatCompletions, kEmbeddings, kModels };
std::optional<LlamaEndpoint> llama_endpoint(std::string_view path);
std::string_view llama_method(LlamaEndpoint endpoint);

enum class AnswerShape : std::uint8_t { kJson, kEventStream };

struct LlamaRequest {
  Bytes body;  // what the engine gets
  AnswerShape answer = AnswerShape::kJson;
  std::uint64_t max_tokens = 0;       // the most that the engine may make; 0 for embeddings
  std::uint64_t prompt_estimate = 0;  // a quarter of the body's bytes: used only where the engine's count is missing
};

std::variant<LlamaRequest, server::LocalResponse> rewrite_llama_body(LlamaEndpoint endpoint, ByteView body,
                                                                     std::uint32_t max_tokens);

}  // namespace gateway::runtime
