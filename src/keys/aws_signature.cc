#include "keys/aws_signature.h"

#include <algorithm>

#include "crypto/aead.h"
#include "crypto/hash.h"

namespace gateway::keys {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// "2015-08-30T12:36:00Z" as "20150830T123600Z".
std::string basic_time(Time at) {
  std::string text = to_rfc3339(std::chrono::floor<std::chrono::seconds>(at));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

// Runs of spaces are one space, none at either end.
std::string trimmed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out.push_back(c);
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct Canonical {
  std::string text;
  std::string signed_headers;
};

Canonical canonical_request(const AwsRequest& request) {
  auto headers = request.headers;
  std::ranges::sort(headers);
  Canonical out;
  out.text = request.method + "\n" + request.path + "\n" + request.query + "\n";
  for (const auto& [name, value] : headers) {
    out.text += name + ":" + trimmed(value) + "\n";
    out.signed_headers += (out.signed_headers.empty() ? "" : ";") + name;
  }
  out.text += "\n" + out.signed_headers + "\n" + to_hex(crypto::sha256(request.body));
  return out;
}

Secret signing_key(const AwsCredentials& credentials, std::string_view date, const AwsScope& scope) {
  Bytes start = to_bytes("AWS4");
  append(start, credentials.secret_access_key.reveal());
  Secret key = Secret::take(std::move(start));
  for (const std::string_view part :
       {date, std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")}) {
    key = Secret::take(crypto::hmac(crypto::HashAlgorithm::kSha256, key.reveal(), as_bytes(part)));
  }
  return key;
}

}  // namespace

void sign_aws_request(AwsRequest& request, const AwsScope& scope, const AwsCredentials& credentials, Time at) {
  const std::string time = basic_time(at);
  const std::string date = time.substr(0, 8);
  request.headers.emplace_back("x-amz-date", time);
  if (!credentials.session_token.empty()) {
    request.headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  const Canonical canonical = canonical_request(request);
  const std::string credential_scope = date + "/" + scope.region + "/" + scope.service + "/aws4_request";
  const std::string to_sign = std::string(kAlgorithm) + "\n" + time + "\n" + credential_scope + "\n" +
                              to_hex(crypto::sha256(as_bytes(canonical.text)));
  const Secret key = signing_key(credentials, date, scope);
  const Bytes signature = crypto::hmac(crypto::HashAlgorithm::kSha256, key.reveal(), as_bytes(to_sign));
  request.headers.emplace_back(
      "authorization", std::string(kAlgorithm) + " Credential=" + credentials.access_key_id + "/" + credential_scope +
                           ", SignedHeaders=" + canonical.signed_headers + ", Signature=" + to_hex(signature));
}

}  // namespace gateway::keys
