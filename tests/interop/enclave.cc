// An enclave that answers as an OpenAI-compatible server does, for the interoperability test. It prints one line: its
// endpoint and a policy for it, then serves until its standard input ends.
#include <cstdio>
#include <string>
#include <thread>

#include "client/testing/fake_enclave.h"

namespace {

using gateway::client::testing::FakeEnclave;
using gateway::client::testing::ServerSide;

std::string chunked(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

std::string event(bool chat, const std::string& word) {
  const std::string choice = chat ? R"({"index":0,"delta":{"content":")" + word + R"("},"finish_reason":null})"
                                  : R"({"index":0,"text":")" + word + R"(","finish_reason":null})";
  return "data: " + std::string(R"({"id":"c1","object":"chunk","created":1,"model":"m","choices":[)") + choice +
         "]}\n\n";
}

bool stream(ServerSide& side, bool chat, bool cut, bool endless) {
  if (!side.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"))
    return false;
  for (int i = 0; endless || i < 5; ++i) {
    if (!side.write(chunked(event(chat, "w" + std::to_string(i) + " ")))) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (cut && i == 2) {
      side.cut();
      return false;
    }
  }
  if (endless) {
    std::printf("cancelled\n");
    std::fflush(stdout);
    return false;
  }
  return side.write(chunked("data: [DONE]\n\n") + "0\r\n\r\n");
}

bool serve(ServerSide& side, const ServerSide::Seen& seen) {
  const bool chat = seen.target() == "/v1/chat/completions";
  if (seen.head.find("Authorization: Bearer interop-token-0123456789") == std::string::npos &&
      seen.head.find("authorization: Bearer interop-token-0123456789") == std::string::npos) {
    const std::string body = R"({"error":{"id":"tokens.missing","message":"send a token"}})";
    return side.write("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  const auto says = [&](const char* word) { return seen.body.find(word) != std::string::npos; };
  if (says("\"stream\":true")) return stream(side, chat, says("CUT"), says("ENDLESS"));
  const std::string text = "\"the answer\"";
  const std::string body =
      R"({"id":"c1","object":"completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",)" +
      (chat ? "\"message\":{\"role\":\"assistant\",\"content\":" + text + "}" : "\"text\":" + text) +
      R"(}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})";
  return side.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
}

std::string hex(const gateway::Bytes& bytes) { return gateway::to_hex(bytes); }

}  // namespace

int main() {
  FakeEnclave::Knobs knobs;
  knobs.serve = serve;
  FakeEnclave enclave(std::move(knobs));
  const auto entry = enclave.policy().accept.at(0);
  std::printf(
      "{\"endpoint\":\"%s\",\"root\":\"sha256:%s\",\"measurements\":{\"0\":\"%s\",\"1\":\"%s\",\"2\":\"%s\"},"
      "\"config\":\"sha384:%s\"}\n",
      enclave.endpoint().c_str(), gateway::to_hex(*entry.root_sha256).c_str(), hex(entry.measurements.at(0)).c_str(),
      hex(entry.measurements.at(1)).c_str(), hex(entry.measurements.at(2)).c_str(),
      gateway::to_hex(*entry.config).c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
