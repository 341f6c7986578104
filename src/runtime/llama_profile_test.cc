#include "runtime/llama_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace gateway::runtime {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kCap = 100;

// The body as the engine gets it, or status and id of the refusal.
std::variant<json::object, std::string> rewritten(std::string_view body,
                                                  LlamaEndpoint endpoint = LlamaEndpoint::kCompletions) {
  auto result = rewrite_llama_body(endpoint, as_bytes(body), kCap);
  if (const auto* refusal = std::get_if<server::LocalResponse>(&result)) {
    const std::string text(as_text(refusal->body));
    const std::size_t at = text.find("\"id\":\"") + 6;
    return std::to_string(refusal->status) + " " + text.substr(at, text.find('"', at) - at);
  }
  return json::parse(as_text(std::get<LlamaRequest>(result).body)).as_object();
}
json::object body(std::string_view text, LlamaEndpoint endpoint = LlamaEndpoint::kCompletions) {
  auto result = rewritten(text, endpoint);
  if (const auto* refusal = std::get_if<std::string>(&result)) ADD_FAILURE() << text << ": " << *refusal;
  return std::holds_alternative<json::object>(result) ? std::get<json::object>(result) : json::object();
}
std::string refusal(std::string_view text, LlamaEndpoint endpoint = LlamaEndpoint::kCompletions) {
  const auto result = rewritten(text, endpoint);
  return std::holds_alternative<std::string>(result) ? std::get<std::string>(result) : "accepted";
}

TEST(LlamaProfile, OnlyInferencePathsAreKnown) {
  EXPECT_EQ(llama_endpoint("/v1/completions"), LlamaEndpoint::kCompletions);
  EXPECT_EQ(llama_endpoint("/v1/chat/completions"), LlamaEndpoint::kChatCompletions);
  EXPECT_EQ(llama_endpoint("/v1/embeddings"), LlamaEndpoint::kEmbeddings);
  EXPECT_EQ(llama_endpoint("/v1/models"), LlamaEndpoint::kModels);
  for (const char* path :
       {"/", "/props", "/slots", "/slots/0", "/lora-adapters", "/completion", "/completions", "/infill", "/tokenize",
        "/detokenize", "/apply-template", "/metrics", "/v1/responses", "/v1/messages", "/v1/completions/",
        "/V1/completions", "/api/chat", "/models/load", "/v1/rerank"}) {
    EXPECT_FALSE(llama_endpoint(path)) << path;
  }
  EXPECT_EQ(llama_method(LlamaEndpoint::kModels), "GET");
  EXPECT_EQ(llama_method(LlamaEndpoint::kChatCompletions), "POST");
}

TEST(LlamaProfile, TheCacheIsNeverShared) {
  EXPECT_EQ(body(R"({"prompt":"x"})").at("cache_prompt"), false);
  EXPECT_EQ(body(R"({"prompt":"x","cache_prompt":true})").at("cache_prompt"), false);
  EXPECT_EQ(body(R"({"messages":[]})", LlamaEndpoint::kChatCompletions).at("cache_prompt"), false);
}

TEST(LlamaProfile, RefusesKeysThatReachOtherCallers) {
  for (const char* key : {"id_slot", "slot_id", "lora", "control_vector", "speculative", "speculative.n_max",
                          "n_cache_reuse", "n_keep", "n_discard"}) {
    const std::string text = std::string(R"({"prompt":"x",")") + key + R"(":0})";
    EXPECT_EQ(refusal(text), "400 llama.key") << key;
    EXPECT_EQ(refusal(text, LlamaEndpoint::kEmbeddings), "400 llama.key") << key;
  }
  EXPECT_EQ(refusal("{\"prompt\":\"x\",\"id\\u005fslot\":3}"), "400 llama.key");  // escapes hide nothing
}

TEST(LlamaProfile, RefusesMoreThanOneCompletion) {
  for (const char* key : {"n", "n_cmpl", "best_of"}) {
    const std::string start = std::string(R"({"prompt":"x",")") + key + "\":";
    EXPECT_EQ(refusal(start + "2}"), "400 llama.key");
    EXPECT_EQ(refusal(start + "-1}"), "400 llama.key");
    EXPECT_EQ(refusal(start + "1.5}"), "400 llama.type");
    EXPECT_EQ(refusal(start + "\"2\"}"), "400 llama.type");
    EXPECT_EQ(refusal(start + "1}"), "accepted");
    EXPECT_EQ(refusal(start + "null}"), "accepted");
  }
  EXPECT_EQ(refusal(R"({"prompt":["a","b"]})"), "400 llama.key");
  EXPECT_EQ(refusal(R"({"prompt":[[1,2],[3]]})"), "400 llama.key");
  EXPECT_EQ(refusal(R"({"prompt":["a"]})"), "accepted");
  EXPECT_EQ(refusal(R"({"prompt":[1,2,"text",3]})"), "accepted");
}

TEST(LlamaProfile, RefusesWhatAnEngineWouldFetch) {
  const auto image = [](std::string_view url) {
    return R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" + std::string(url) +
           R"("}}]}]})";
  };
  EXPECT_EQ(refusal(image("http://10.0.0.1/x"), LlamaEndpoint::kChatCompletions), "400 llama.key");
  EXPECT_EQ(refusal(image("file:///etc/passwd"), LlamaEndpoint::kChatCompletions), "400 llama.key");
  EXPECT_EQ(refusal(image("data:image/png;base64,AAAA"), LlamaEndpoint::kChatCompletions), "accepted");
  EXPECT_EQ(refusal(R"({"messages":[{"content":[{"image_url":7}]}]})", LlamaEndpoint::kChatCompletions),
            "400 llama.key");
  EXPECT_EQ(refusal(R"({"messages":[{"content":[{"input_audio":{}}]}]})", LlamaEndpoint::kChatCompletions),
            "400 llama.key");
  EXPECT_EQ(refusal(R"({"prompt":{"prompt_string":"x","multimodal_data":["AA"]}})"), "400 llama.key");
}

TEST(LlamaProfile, LengthsAreCapped) {
  EXPECT_EQ(body(R"({"prompt":"x"})").at("max_tokens"), kCap);
  EXPECT_EQ(body(R"({"prompt":"x","max_tokens":7})").at("max_tokens"), 7);
  EXPECT_EQ(body(R"({"prompt":"x","max_tokens":101})").at("max_tokens"), kCap);
  EXPECT_EQ(body(R"({"prompt":"x","max_tokens":-1})").at("max_tokens"), kCap);
  EXPECT_EQ(body(R"({"prompt":"x","max_tokens":null})").at("max_tokens"), kCap);
  EXPECT_EQ(body(R"({"prompt":"x","max_tokens":18446744073709551615})").at("max_tokens"), kCap);
  const json::object mixed = body(R"({"prompt":"x","max_tokens":50,"n_predict":-1,"max_completion_tokens":9999})");
  EXPECT_EQ(mixed.at("max_tokens"), 50);
  EXPECT_EQ(mixed.at("n_predict"), 50);
  EXPECT_EQ(mixed.at("max_completion_tokens"), 50);
  EXPECT_EQ(refusal(R"({"prompt":"x","max_tokens":"9"})"), "400 llama.type");
  EXPECT_EQ(refusal(R"({"prompt":"x","n_predict":1.5})"), "400 llama.type");
}

TEST(LlamaProfile, TheReservationIsWhatTheEngineMayMake) {
  auto result = rewrite_llama_body(LlamaEndpoint::kCompletions, as_bytes(R"({"prompt":"four","max_tokens":7})"), kCap);
  const LlamaRequest& request = std::get<LlamaRequest>(result);
  EXPECT_EQ(request.max_tokens, 7U);
  EXPECT_EQ(request.prompt_estimate, 8U);
  EXPECT_EQ(request.answer, AnswerShape::kJson);
}

TEST(LlamaProfile, StreamsSayWhatTheyUsed) {
  EXPECT_EQ(body(R"({"prompt":"x","stream":true})").at("stream_options").at("include_usage"), true);
  const json::object asked = body(R"({"prompt":"x","stream":true,"stream_options":{"include_usage":false,"more":1}})");
  EXPECT_EQ(asked.at("stream_options").at("include_usage"), true);
  EXPECT_EQ(asked.at("stream_options").at("more"), 1);
  EXPECT_FALSE(body(R"({"prompt":"x","stream":false,"stream_options":{}})").contains("stream_options"));
  EXPECT_EQ(refusal(R"({"prompt":"x","stream":1})"), "400 llama.type");
  EXPECT_EQ(refusal(R"({"prompt":"x","stream":true,"stream_options":[]})"), "400 llama.type");
}

TEST(LlamaProfile, TheEnginesInsideIsNotToldAbout) {
  const json::object rest =
      body(R"({"prompt":"x","timings_per_token":true,"return_progress":true,"response_fields":["generation_settings"],)"
           R"("verbose":true,"__verbose":true,"temperature":0.5,"grammar":"root ::= \"a\"","logit_bias":[[1,2]]})");
  for (const char* key : {"timings_per_token", "return_progress", "response_fields", "verbose", "__verbose"}) {
    EXPECT_FALSE(rest.contains(key)) << key;
  }
  EXPECT_EQ(rest.at("temperature"), 0.5);
  EXPECT_TRUE(rest.contains("grammar"));
  EXPECT_TRUE(rest.contains("logit_bias"));
}

TEST(LlamaProfile, RefusesWhatIsNotOneObject) {
  for (const char* text : {"", "[]", "7", "{", "{}x", R"({"prompt":"a","prompt":"b"})", "{\"prompt\":\"\xff\"}",
                           "{'prompt':'x'}", "// x\n{}"}) {
    EXPECT_EQ(refusal(text), "400 llama.json") << text;
  }
  EXPECT_EQ(refusal(std::string(100, '[') + std::string(100, ']')), "400 llama.json");
}

TEST(LlamaProfile, ARefusalRepeatsNothingOfTheCallers) {
  auto result = rewrite_llama_body(LlamaEndpoint::kCompletions, as_bytes(R"({"speculative.attacker_text":1})"), kCap);
  EXPECT_THAT(std::string(as_text(std::get<server::LocalResponse>(result).body)),
              ::testing::Not(::testing::HasSubstr("attacker")));
}

}  // namespace
}  // namespace gateway::runtime
