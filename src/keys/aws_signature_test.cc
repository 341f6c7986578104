#include "keys/aws_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway::keys {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AwsCredentials example() {
  return {.access_key_id = "AKIDEXAMPLE",
          .secret_access_key = Secret(as_bytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
          .session_token = {}};
}

std::string authorization_of(const AwsRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name == "authorization") return value;
  }
  return {};
}

// The example that AWS's documentation works through step by step.
TEST(AwsSignature, IsThatOfAwssOwnExample) {
  AwsRequest request{
      .method = "GET",
      .path = "/",
      .query = "Action=ListUsers&Version=2010-05-08",
      .headers = {{"host", "iam.amazonaws.com"}, {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
      .body = {}};
  sign_aws_request(request, {.region = "us-east-1", .service = "iam"}, example(),
                   *from_rfc3339("2015-08-30T12:36:00Z"));
  EXPECT_EQ(authorization_of(request),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(AwsSignature, CoversBodyHeadersAndTheRolesToken) {
  const auto sign = [](std::string_view body, const std::string& value, const std::string& token) {
    AwsRequest request{.headers = {{"host", "kms.eu-central-1.amazonaws.com"}, {"x-amz-target", value}},
                       .body = as_bytes(body)};
    AwsCredentials credentials = example();
    credentials.session_token = token;
    sign_aws_request(request, {.region = "eu-central-1", .service = "kms"}, credentials,
                     *from_rfc3339("2026-11-27T12:00:00.750Z"));
    return authorization_of(request);
  };
  const std::string one = sign("{}", "TrentService.Decrypt", "");
  EXPECT_THAT(one, HasSubstr("20261127/eu-central-1/kms/aws4_request"));
  EXPECT_EQ(one, sign("{}", "  TrentService.Decrypt ", "")) << "spaces around a value are not signed";
  EXPECT_NE(one, sign("{ }", "TrentService.Decrypt", ""));
  EXPECT_NE(one, sign("{}", "TrentService.GenerateRandom", ""));
  EXPECT_THAT(sign("{}", "TrentService.Decrypt", "token"), HasSubstr("x-amz-security-token"));
  EXPECT_THAT(one, Not(HasSubstr("x-amz-security-token")));
}

}  // namespace
}  // namespace gateway::keys
