#include <gtest/gtest.h>

#include "client/gateway.h"
#include "client/testing/c_caller.h"
#include "client/testing/fake_enclave.h"

namespace gateway::client {
namespace {

std::string toml_of(const attestation::PolicyEntry& entry) {
  std::string text = "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(*entry.root_sha256) + "\"\n";
  text += "measurements = { ";
  for (const auto& [index, value] : entry.measurements) {
    text += (index ? ", \"" : "\"") + std::to_string(index) + "\" = \"" + to_hex(value) + "\"";
  }
  return text + " }\nconfig = \"sha384:" + to_hex(*entry.config) + "\"\n";
}

TEST(CApi, WorksFromC) {
  testing::FakeEnclave enclave;
  const attestation::PolicyEntry right = enclave.policy().accept.at(0);
  attestation::PolicyEntry wrong = right;
  wrong.measurements[0] = Bytes(48, 0xee);
  EXPECT_EQ(call_from_c(enclave.endpoint().c_str(), toml_of(right).c_str(), toml_of(wrong).c_str()), 0);
}

TEST(CApi, RefusesNullArguments) {
  gateway_error* error = nullptr;
  EXPECT_EQ(gateway_request(nullptr, "GET", "/", nullptr, 0, nullptr, 0, &error), nullptr);
  EXPECT_STREQ(gateway_error_id(error), "client.argument");
  gateway_error_free(error);
  EXPECT_EQ(gateway_response_read(nullptr, nullptr, 0, nullptr), -1);
  EXPECT_EQ(gateway_response_status(nullptr), 0);
  EXPECT_STREQ(gateway_error_id(nullptr), "");
}

}  // namespace
}  // namespace gateway::client
