#include "attestation/nitro/document.h"

#include <algorithm>
#include <limits>

namespace gateway::attestation::nitro {
namespace {

using codec::CborReader;

// 32 PCRs, 7 certificates and the keys of the map stay below 100 items; depth is map → array.
constexpr codec::CborLimits kEnvelopeLimits{.bytes = kMaxDocumentSize, .depth = 4, .items = 64};
constexpr codec::CborLimits kPayloadLimits{.bytes = kMaxPayloadSize, .depth = 4, .items = 256};
constexpr std::size_t kEs384SignatureSize = 96;
constexpr std::int64_t kQemuNoAlgorithm = -1;
// The protected header of every genuine document: {1: -35}.
constexpr ByteArray<4> kProtectedHeader{{0xa1, 0x01, 0x38, 0x22}};

constexpr const char* kSender =
    "ask the sender for the document's raw bytes; it was damaged or is not a Nitro document";

std::string bytes_text(std::size_t size) { return std::to_string(size) + " bytes"; }

// Reports broken CBOR under this format's own ids, so that a reader of the verdict need not know the decoder's.
std::unexpected<Error> broken(const Error& cause, CheckList& checks, const char* expected) {
  if (cause.id() == "cbor.duplicate_key") {
    return checks.refused(ErrorCode::kMalformed, "nitro.document.duplicate_key", "every key once", "a key twice",
                          kSender);
  }
  if (cause.id() == "cbor.trailing") {
    return checks.refused(ErrorCode::kMalformed, "nitro.document.trailing", "nothing after the end of the document",
                          "further bytes", kSender);
  }
  return checks.refused(ErrorCode::kMalformed, "nitro.document.structure", expected, std::string(cause.id()), kSender);
}

struct Envelope {
  ByteView protected_header;
  std::uint64_t unprotected_entries = 0;
};

// The parts of the COSE_Sign1 array that crypto::CoseSign1 does not carry.
Result<Envelope> read_envelope(ByteView input) {
  GATEWAY_ASSIGN(auto reader, CborReader::open(input, kEnvelopeLimits, codec::CborProfile::kGeneral));
  if (reader.peek() == codec::CborType::kTag) GATEWAY_TRY(reader.tag());
  GATEWAY_TRY(reader.array());
  Envelope envelope;
  GATEWAY_ASSIGN(envelope.protected_header, reader.bytes());
  GATEWAY_TRY(reader.map());
  while (reader.peek()) {
    GATEWAY_TRY(reader.skip());
    ++envelope.unprotected_entries;
  }
  GATEWAY_TRY(reader.end());
  return envelope;
}

// alg of a protected header {1: alg}; nullopt when there is none.
std::optional<std::int64_t> algorithm_of(ByteView protected_header) {
  auto reader = CborReader::open(protected_header, kEnvelopeLimits, codec::CborProfile::kGeneral);
  if (!reader || !reader->map() || !reader->peek()) return std::nullopt;
  const auto label = reader->integer();
  if (!label || *label != 1) return std::nullopt;
  const auto algorithm = reader->integer();
  if (!algorithm) return std::nullopt;
  return *algorithm;
}

std::unexpected<Error> wrong_algorithm(ByteView input, CheckList& checks) {
  const auto envelope = read_envelope(input);
  const auto algorithm = envelope ? algorithm_of(envelope->protected_header) : std::nullopt;
  if (algorithm == kQemuNoAlgorithm) {
    return checks.refused(ErrorCode::kNotAuthentic, "nitro.unsigned", "a document signed with ES384",
                          "algorithm -1: QEMU's unsigned document",
                          "run the enclave on Nitro hardware or on platform local; emulation proves nothing");
  }
  return checks.refused(ErrorCode::kUnsupported, "nitro.document.algorithm", "ES384 (-35)",
                        algorithm ? std::to_string(*algorithm) : std::string("no algorithm"),
                        "only ES384 is used by Nitro; do not accept this document");
}

Result<crypto::CoseSign1> parse_envelope(ByteView input, CheckList& checks) {
  auto parsed = crypto::parse_cose_sign1(input, kEnvelopeLimits);
  if (!parsed && parsed.error().id() == "cose.algorithm") return wrong_algorithm(input, checks);
  if (!parsed) return broken(parsed.error(), checks, "a COSE_Sign1 array");
  auto envelope = read_envelope(input);
  if (!envelope) return broken(envelope.error(), checks, "a COSE_Sign1 array");
  checks.held("nitro.document.structure", "a COSE_Sign1 array", "COSE_Sign1");
  if (parsed->algorithm != crypto::CoseAlgorithm::kEs384) return wrong_algorithm(input, checks);
  checks.held("nitro.document.algorithm", "ES384 (-35)", "-35");
  GATEWAY_TRY(checks.require(equal(envelope->protected_header, kProtectedHeader) && envelope->unprotected_entries == 0,
                             ErrorCode::kMalformed, "nitro.document.header",
                             "the protected header {1: -35} and an empty unprotected one",
                             bytes_text(envelope->protected_header.size()) + " protected, " +
                                 std::to_string(envelope->unprotected_entries) + " entries unprotected",
                             kSender));
  GATEWAY_TRY(checks.require(parsed->signature.size() == kEs384SignatureSize, ErrorCode::kMalformed,
                             "nitro.document.signature_size", bytes_text(kEs384SignatureSize),
                             bytes_text(parsed->signature.size()), kSender));
  GATEWAY_TRY(checks.require(parsed->payload.size() <= kMaxPayloadSize, ErrorCode::kLimitExceeded,
                             "nitro.document.payload_size", "at most " + bytes_text(kMaxPayloadSize),
                             bytes_text(parsed->payload.size()), kSender));
  return parsed;
}

// Reads the payload's map. Keys may come in any order, each at most once (the reader refuses duplicates).
class PayloadReader {
 public:
  PayloadReader(CborReader reader, CheckList& checks, UnverifiedDocument& document)
      : reader_(std::move(reader)), checks_(checks), document_(document) {}

  Status read() {
    if (auto map = reader_.map(); !map) return structure(map.error());
    while (reader_.peek()) {
      const auto key = reader_.text();
      if (!key) return structure(key.error());
      GATEWAY_TRY(read_field(*key));
    }
    if (auto end = reader_.end(); !end) return structure(end.error());
    GATEWAY_TRY(checks_.require(seen_ == kAllRequired, ErrorCode::kMalformed, "nitro.document.missing_key",
                                "module_id, digest, timestamp, pcrs, certificate and cabundle",
                                seen_ == kAllRequired ? "all of them" : "no " + first_missing(), kSender));
    return {};
  }

 private:
  static constexpr std::array<std::string_view, 6> kRequired{"module_id", "digest",      "timestamp",
                                                             "pcrs",      "certificate", "cabundle"};
  static constexpr unsigned kAllRequired = (1U << kRequired.size()) - 1;

  std::unexpected<Error> structure(const Error& cause) {
    return broken(cause, checks_, "a map of the document's fields");
  }
  std::string first_missing() const {
    for (std::size_t i = 0; i < kRequired.size(); ++i) {
      if ((seen_ & (1U << i)) == 0) return std::string(kRequired.at(i));
    }
    return {};
  }
  void note(std::string_view key) {
    for (std::size_t i = 0; i < kRequired.size(); ++i) {
      if (kRequired.at(i) == key) seen_ |= 1U << i;
    }
  }

  Status read_field(std::string_view key) {
    note(key);
    if (key == "module_id") return read_module_id();
    if (key == "digest") return read_digest();
    if (key == "timestamp") return read_timestamp();
    if (key == "pcrs") return read_pcrs();
    if (key == "certificate") return read_certificate();
    if (key == "cabundle") return read_cabundle();
    if (key == "public_key") return read_optional("nitro.document.public_key", document_.public_key);
    if (key == "user_data") return read_optional("nitro.document.user_data", document_.user_data);
    if (key == "nonce") return read_optional("nitro.document.nonce", document_.nonce);
    return checks_.refused(ErrorCode::kMalformed, "nitro.document.unknown_key",
                           "only the nine keys of the specification", "another key of " + bytes_text(key.size()),
                           kSender);
  }

  Status read_module_id() {
    const auto text = reader_.text();
    const bool good = text && !text->empty() && text->size() <= kMaxModuleId &&
                      std::ranges::all_of(*text, [](char c) { return c > ' ' && c <= '~'; });
    GATEWAY_TRY(checks_.require(good, ErrorCode::kMalformed, "nitro.document.module_id",
                                "1 to " + std::to_string(kMaxModuleId) + " printable ASCII characters",
                                text ? bytes_text(text->size()) : std::string("no text"), kSender));
    document_.module_id = *text;
    return {};
  }

  Status read_digest() {
    const auto text = reader_.text();
    return checks_.require(text && *text == "SHA384", ErrorCode::kUnsupported, "nitro.document.digest", "SHA384",
                           text && *text == "SHA384" ? "SHA384" : "another digest", kSender);
  }

  Status read_timestamp() {
    // Milliseconds since 1970. Bounded so that later arithmetic on times cannot overflow (year 2999 and before).
    constexpr std::uint64_t kLatest = 32'503'680'000'000;
    const auto value = reader_.unsigned_integer();
    GATEWAY_TRY(checks_.require(value && *value > 0 && *value < kLatest, ErrorCode::kMalformed,
                                "nitro.document.timestamp", "milliseconds since 1970, more than 0",
                                value ? std::to_string(*value) : std::string("no unsigned integer"), kSender));
    document_.timestamp = Time(std::chrono::milliseconds(static_cast<std::int64_t>(*value)));
    return {};
  }

  std::unexpected<Error> bad_pcrs(std::string found) {
    return checks_.refused(ErrorCode::kMalformed, "nitro.document.pcrs", "1 to 32 registers 0–31 of 32, 48 or 64 bytes",
                           std::move(found), kSender);
  }

  Status read_pcrs() {
    if (!reader_.map()) return bad_pcrs("no map");
    std::size_t count = 0;
    while (reader_.peek()) {
      const auto index = reader_.unsigned_integer();
      if (!index) return bad_pcrs("an index that is no unsigned integer");
      if (*index >= kMaxPcrs) return bad_pcrs("index " + std::to_string(*index));
      const auto value = reader_.bytes();
      if (!value) return bad_pcrs("a value that is no byte string");
      if (value->size() != 32 && value->size() != 48 && value->size() != 64) {
        return bad_pcrs("a value of " + bytes_text(value->size()));
      }
      document_.pcrs.at(static_cast<std::size_t>(*index)) = *value;
      ++count;
    }
    if (count == 0) return bad_pcrs("none");
    if (auto end = reader_.end(); !end) return structure(end.error());
    checks_.held("nitro.document.pcrs", "1 to 32 registers 0–31 of 32, 48 or 64 bytes",
                 std::to_string(count) + " registers");
    return {};
  }

  Status read_certificate() {
    const auto der = reader_.bytes();
    GATEWAY_TRY(checks_.require(der && !der->empty() && der->size() <= kMaxCertificateSize, ErrorCode::kMalformed,
                                "nitro.document.certificate", "1 to " + bytes_text(kMaxCertificateSize),
                                der ? bytes_text(der->size()) : std::string("no byte string"), kSender));
    document_.certificate = *der;
    return {};
  }

  std::unexpected<Error> bad_cabundle(std::string found) {
    return checks_.refused(ErrorCode::kMalformed, "nitro.document.cabundle",
                           "1 to " + std::to_string(kMaxCabundle) + " certificates of 1 to " +
                               bytes_text(kMaxCertificateSize) + ", root first",
                           std::move(found), kSender);
  }

  Status read_cabundle() {
    if (!reader_.array()) return bad_cabundle("no array");
    while (reader_.peek()) {
      const auto der = reader_.bytes();
      if (!der) return bad_cabundle("an entry that is no byte string");
      if (der->empty() || der->size() > kMaxCertificateSize)
        return bad_cabundle("a certificate of " + bytes_text(der->size()));
      if (document_.cabundle.size() == kMaxCabundle) return bad_cabundle("more certificates");
      document_.cabundle.push_back(*der);
    }
    if (document_.cabundle.empty()) return bad_cabundle("none");
    if (auto end = reader_.end(); !end) return structure(end.error());
    checks_.held("nitro.document.cabundle", "1 to " + std::to_string(kMaxCabundle) + " certificates, root first",
                 std::to_string(document_.cabundle.size()) + " certificates");
    return {};
  }

  Status read_optional(ErrorId id, std::optional<ByteView>& field) {
    const std::string expected = "null or at most " + bytes_text(kMaxOptionalField);
    if (reader_.take_null()) {
      checks_.held(id, expected, "null");
      return {};
    }
    const auto value = reader_.bytes();
    GATEWAY_TRY(checks_.require(value && value->size() <= kMaxOptionalField, ErrorCode::kMalformed, id, expected,
                                value ? bytes_text(value->size()) : std::string("no byte string"), kSender));
    field = *value;
    return {};
  }

  CborReader reader_;
  CheckList& checks_;
  UnverifiedDocument& document_;
  unsigned seen_ = 0;
};

}  // namespace

Result<UnverifiedDocument> parse_document(ByteView input, CheckList* given) {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  if (input.empty()) {
    return checks.refused(ErrorCode::kMalformed, "nitro.document.empty", "a document", "0 bytes", kSender);
  }
  GATEWAY_TRY(checks.require(input.size() <= kMaxDocumentSize, ErrorCode::kLimitExceeded, "nitro.document.size",
                             "at most " + bytes_text(kMaxDocumentSize), bytes_text(input.size()), kSender));
  UnverifiedDocument document{};
  GATEWAY_ASSIGN(document.envelope, parse_envelope(input, checks));
  auto reader = CborReader::open(document.envelope.payload, kPayloadLimits, codec::CborProfile::kGeneral);
  if (!reader) return broken(reader.error(), checks, "a map of the document's fields");
  GATEWAY_TRY(PayloadReader(std::move(*reader), checks, document).read());
  return document;
}

}  // namespace gateway::attestation::nitro
