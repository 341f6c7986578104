// What a workload asks of KMS, and what the host passes on as credentials.
#include "keys/kms_calls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gateway;
  static const image::KmsDescription kms{.region = "eu-central-1",
                                         .endpoint = "kms.eu-central-1.amazonaws.com:443",
                                         .keys = {"arn:aws:kms:eu-central-1:111122223333:key/1"},
                                         .context = {{"purpose", "model"}}};
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto held = [](const Result<keys::KmsCall>& call) {
    if (!call) return;
    if (call->operation != keys::KmsOperation::kGenerateRandom && call->key != kms.keys.front()) __builtin_trap();
    if (call->body.contains("\"Recipient\"") && call->operation == keys::KmsOperation::kGenerateRandom)
      __builtin_trap();
  };
  for (const char* target : {"TrentService.Decrypt", "TrentService.GenerateDataKey", "TrentService.GenerateRandom"}) {
    held(keys::judge_kms_call(target, text, kms));
  }
  for (const char* name : {"decrypt", "data-key", "random"}) held(keys::judge_local_call(name, text, kms));
  (void)keys::parse_credentials(ByteView(bytes, size));
  return 0;
}
