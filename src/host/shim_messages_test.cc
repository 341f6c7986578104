// What daemon and shim say to each other: specification, status, requests.
#include <gtest/gtest.h>

#include "host/enclave_spec.h"
#include "host/shim_status.h"
#include "host/status_server.h"

namespace gateway::host {
namespace {

EnclaveSpec sample_spec() {
  EnclaveSpec spec;
  spec.name = "assistant";
  spec.image_file = "/s/images/k/image.eif";
  spec.image_key = std::string(64, 'a');
  spec.tree = "/s/images/k/tree";
  spec.listen = "127.0.0.1:0";
  spec.root_folder = "/s/local-root";
  spec.cgroup_note = "cgroup not writable";
  spec.memory = 1ULL << 30U;
  spec.cpus = {0, 3};
  spec.slot = 7;
  spec.ids = {70028, 70029, 70029, 70030, 70030};
  spec.start_timeout = std::chrono::milliseconds(1234);
  spec.max_connections = 99;
  return spec;
}

ShimStatus sample_status() {
  ShimStatus status;
  status.state = EnclaveState::kFailed;
  status.pid = 12;
  status.enclave_pid = 13;
  status.listen = "127.0.0.1:4433";
  status.measurements = {std::string(96, '1'), std::string(96, '2'), std::string(96, '3')};
  status.config_digest = std::string(96, '4');
  status.root_sha256 = std::string(64, '5');
  status.root_pem = "-----BEGIN CERTIFICATE-----\n";
  status.memory_limit = 5;
  status.memory_note = "none";
  status.uid = 70000;
  status.workload_uid = 70001;
  status.connections = 3;
  status.started_at = Time(std::chrono::milliseconds(1000));
  status.ready_at = Time(std::chrono::milliseconds(2000));
  status.failure = Reported{ErrorCode::kUnavailable, "host.enclave.ended", "why", "what"};
  return status;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(EnclaveSpecTest, SurvivesItsFile) {
  const EnclaveSpec spec = sample_spec();
  const auto read = parse_spec(encode_spec(spec));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(encode_spec(*read), encode_spec(spec));
  EXPECT_EQ(read->ids, spec.ids);
  EXPECT_EQ(read->cpus, spec.cpus);
}

TEST(EnclaveSpecTest, RefusesWhatTheDaemonWouldNotWrite) {
  const std::string good = encode_spec(sample_spec());
  const auto id = [](const std::string& text) {
    const auto read = parse_spec(text);
    return read ? std::string("accepted") : std::string(read.error().id());
  };
  EXPECT_EQ(id("{"), "host.spec.syntax");
  EXPECT_EQ(id(replaced(good, "\"version\":1", "\"version\":2")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "\"version\":1", "\"version\":0")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "\"memory\"", "\"memori\"")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "[0,3]", "[0,-3]")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "[0,3]", "\"all\"")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "[70028,", "[")), "host.spec.key");
  EXPECT_EQ(id(replaced(good, "\"assistant\"", "\"../etc\"")), "host.name");
  EXPECT_EQ(id(replaced(good, "\"slot\":7", "\"slot\":true")), "host.spec.key");
}

TEST(ShimStatusTest, SurvivesItsLine) {
  const ShimStatus status = sample_status();
  const auto read = parse_status(encode_status(status));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(encode_status(*read), encode_status(status));
  EXPECT_EQ(read->failure->id, "host.enclave.ended");
}

TEST(ShimStatusTest, RefusesWhatAShimWouldNotSay) {
  const std::string good = encode_status(sample_status());
  const auto id = [](const std::string& text) {
    const auto read = parse_status(text);
    return read ? std::string("accepted") : std::string(read.error().id());
  };
  EXPECT_EQ(id("[]"), "host.status.syntax");
  EXPECT_EQ(id(replaced(good, "\"failed\"", "\"fine\"")), "host.status.key");
  EXPECT_EQ(id(replaced(good, std::string(96, '1'), "zz")), "host.status.key");
  EXPECT_EQ(id(replaced(good, std::string(64, '5'), std::string(62, '5'))), "host.status.key");
  EXPECT_EQ(id(replaced(good, "\"" + std::string(96, '3') + "\"", "\"\",\"\"")), "host.status.key");
  EXPECT_EQ(id(replaced(good, "host.enclave.ended", "host enclave")), "host.status.key");
  EXPECT_EQ(id(replaced(good, "\"pid\":12", "\"pid\":-12")), "host.status.key");
  EXPECT_EQ(id(replaced(good, "{\"state\"", "{\"more\":1,\"state\"")), "host.status.key");
  EXPECT_EQ(id(std::string(kMaxStatusLine + 1, ' ') + good), "host.status.syntax");
}

TEST(ShimStatusTest, MakesAFailuresWordsSafeToPrint) {
  ShimStatus status = sample_status();
  status.failure->detail = "\x1b[2J";
  const auto read = parse_status(encode_status(status));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->failure->detail, "?[2J");
}

TEST(ShimRequestTest, KnowsItsRequests) {
  EXPECT_EQ(parse_shim_request(R"({"op":"status"})")->kind, ShimRequest::Kind::kStatus);
  EXPECT_EQ(parse_shim_request(R"({"op":"watch"})")->kind, ShimRequest::Kind::kWatch);
  EXPECT_EQ(parse_shim_request(R"({"op":"tokens","list":"AQI="})")->tokens, (Bytes{1, 2}));
  EXPECT_EQ(parse_shim_request(R"({"op":"stop","grace_ms":9})")->grace.count(), 9);
}

TEST(ShimRequestTest, RefusesEverythingElse) {
  for (const char* line : {"", "{}", R"({"op":"kill"})", R"({"op":"stop"})", R"({"op":"stop","grace_ms":600001})",
                           R"({"op":"status","more":1})", R"({"op":"tokens","list":"*"})"}) {
    const auto request = parse_shim_request(line);
    ASSERT_FALSE(request.has_value()) << line;
    EXPECT_EQ(request.error().id(), "host.shim.request") << line;
  }
}

}  // namespace
}  // namespace gateway::host
