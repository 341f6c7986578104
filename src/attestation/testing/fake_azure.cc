#include "attestation/testing/fake_azure.h"

#include <cstdlib>

#include "codec/der.h"
#include "codec/pem.h"

namespace gateway::attestation::testing {
namespace {

namespace tag = codec::der_tag;

// Test data that cannot be made is a broken test: stop where it happens.
template <class T>
T must(Result<T> result) {
  if (!result) std::abort();
  return std::move(*result);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out + "\"";
}

std::string numbers(ByteView bytes) {
  std::string out = "[";
  for (const std::uint8_t byte : bytes) out += (out.size() > 1 ? "," : "") + std::to_string(byte);
  return out + "]";
}

}  // namespace

std::string azure_runtime_data(std::string_view key_name) {
  auto spki = must(codec::DerReader(fake_amd().vtpm_spki()).enter(tag::kSequence));
  must(spki.element(tag::kSequence));
  auto key = must(codec::DerReader(must(spki.bit_string())).enter(tag::kSequence));
  const std::string n = to_base64url(must(key.unsigned_integer()));
  const std::string e = to_base64url(must(key.unsigned_integer()));
  return R"({"keys":[{"kid":"HCLEkPub","kty":"RSA","e":"AQAB","n":"AQAB"},{"kid":)" + quoted(key_name) +
         R"(,"kty":"RSA","e":")" + e + R"(","n":")" + n + R"("}],"user-data":"00"})";
}

Bytes azure_quote(ByteView nonce, const std::vector<Bytes>& pcrs) {
  ByteWriter writer;
  writer.u32be(0xff544347);
  writer.u16be(0x8018);
  writer.u16be(34);  // qualifiedSigner
  writer.put(Bytes(34, 0x0b));
  writer.u16be(static_cast<std::uint16_t>(nonce.size()));
  writer.put(nonce);
  writer.zeros(17 + 8);  // clock, firmware
  writer.u32be(1);
  writer.u16be(0x000b);
  writer.u8(3);
  writer.put(Bytes(3, 0xff));
  Bytes all;
  for (const Bytes& pcr : pcrs) append(all, pcr);
  writer.u16be(32);
  writer.put(crypto::sha256(all));
  return std::move(writer).take();
}

AzureParts azure_parts(const std::function<void(AzureParts&)>& before_signing) {
  AzureParts parts;
  parts.runtime_data = azure_runtime_data();
  for (std::uint8_t i = 0; i < 24; ++i) parts.pcrs.emplace_back(32, i);
  parts.message = azure_quote(Bytes(16, 0x77), parts.pcrs);
  if (before_signing) before_signing(parts);
  parts.signature = fake_amd().sign_by_vtpm(parts.message);
  parts.hcl = fake_amd().hcl({}, parts.runtime_data);
  parts.vcek = fake_amd().endorsement().der();
  return parts;
}

std::string azure_json(const AzureParts& parts, AzureStyle style) {
  const bool text = style == AzureStyle::kText;
  const auto bytes = [&](ByteView view) { return text ? quoted(to_hex(view)) : numbers(view); };
  std::string pcrs;
  for (const Bytes& pcr : parts.pcrs) pcrs += (pcrs.empty() ? "" : ",") + bytes(pcr);
  const std::string quote = R"({"signature":)" + bytes(parts.signature) + R"(,"message":)" + bytes(parts.message) +
                            R"(,"pcrs":[)" + pcrs + "]}";
  if (text) {
    return R"({"version":2,"tpm_quote":)" + quote + R"(,"hcl_report":)" + quoted(to_base64url(parts.hcl)) +
           R"(,"vcek":)" + quoted(to_base64url(parts.vcek)) + "}";
  }
  return R"({"quote":)" + quote + R"(,"report":)" + numbers(parts.hcl) + R"(,"vcek":)" +
         quoted(codec::write_pem("CERTIFICATE", parts.vcek)) + "}";
}

}  // namespace gateway::attestation::testing
