// AWS Signature Version 4 over one HTTP request, with its body in the signature.
//
// Spec:   AWS, "Create a signed AWS API request" (AWS4-HMAC-SHA256).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"

namespace gateway::keys {

struct AwsCredentials {
  std::string access_key_id;
  Secret secret_access_key;
  std::string session_token;  // of a role; empty: none
};

struct AwsRequest {
  std::string method = "POST";
  std::string path = "/";                                    // URI-encoded
  std::string query = {};                                    // canonical: encoded, sorted
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; host among them
  ByteView body;
};

struct AwsScope {
  std::string region;
  std::string service;
};

// Adds x-amz-date, x-amz-security-token where there is a token, and authorization.
void sign_aws_request(AwsRequest& request, const AwsScope& scope, const AwsCredentials& credentials, Time at);

}  // namespace gateway::keys
