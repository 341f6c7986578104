#include "attestation/binding.h"

#include <algorithm>

#include "codec/cbor.h"

namespace gateway::attestation {
namespace {

using codec::CborProfile;
using codec::CborReader;
using codec::CborWriter;

constexpr std::string_view kKeysLabel = "gateway/keys/v1";
constexpr std::string_view kQuoteLabel = "gateway/quote/v1";
constexpr std::string_view kSessionLabel = "gateway/session/v1";
constexpr std::string_view kResponseLabel = "gateway/attestation/v1";
constexpr std::size_t kSignatureSize = 64;  // P-256, r ‖ s

// Every read of a statement ends here when it fails: one id a statement, the decoder's id in the detail.
std::unexpected<Error> malformed(ErrorId id, std::string detail) {
  return fail(ErrorCode::kMalformed, id, std::move(detail),
              "the peer does not speak this version of the protocol, or somebody changed its answer");
}

// A reader of one statement: an array with a label first, read item by item.
class StatementReader {
 public:
  static Result<StatementReader> open(ByteView input, std::size_t max_size, std::string_view label, std::uint64_t items,
                                      ErrorId id) {
    auto reader = CborReader::open(input, {.bytes = max_size, .depth = 3, .items = 256}, CborProfile::kDeterministic);
    if (!reader) return malformed(id, "expected deterministic CBOR, found " + reader.error().message());
    StatementReader statement(std::move(*reader), id);
    if (!statement.reader_.array_of(items)) {
      return malformed(id, "expected an array of " + std::to_string(items) + " items");
    }
    const auto found = statement.reader_.text();
    if (!found || *found != label) return malformed(id, "expected the label " + std::string(label));
    return statement;
  }

  Result<ByteView> bytes(const char* what, std::size_t least, std::size_t most) {
    const auto view = reader_.bytes();
    if (!view || view->size() < least || view->size() > most) {
      const std::string size =
          least == most ? std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
      return malformed(id_, std::string("expected ") + what + " as a byte string of " + size + " bytes");
    }
    return *view;
  }
  template <std::size_t N>
  Result<ByteArray<N>> array(const char* what) {
    GATEWAY_ASSIGN(const ByteView view, bytes(what, N, N));
    ByteArray<N> out{};
    std::ranges::copy(view, out.begin());
    return out;
  }
  Result<std::string_view> text(const char* what) {
    const auto view = reader_.text();
    if (!view) return malformed(id_, std::string("expected ") + what + " as text");
    return *view;
  }
  // Enters an array of at most `most` items.
  Result<std::size_t> enter(const char* what, std::size_t most) {
    const auto count = reader_.array();
    if (!count || !*count || **count > most) {
      return malformed(id_, std::string("expected an array of at most ") + std::to_string(most) + " " + what);
    }
    return static_cast<std::size_t>(**count);
  }
  Status leave() {
    if (!reader_.end()) return malformed(id_, "an array holds more items than it should");
    return {};
  }

 private:
  StatementReader(CborReader reader, ErrorId id) : reader_(std::move(reader)), id_(id) {}
  CborReader reader_;
  ErrorId id_;
};

std::unexpected<Error> unbound(ErrorId id, std::string detail) {
  return fail(ErrorCode::kNotAuthentic, id, std::move(detail),
              "do not send anything on this connection: somebody stands between you and the enclave, or replays");
}

}  // namespace

Bytes encode_keys(const KeysStatement& keys) {
  CborWriter writer;
  writer.array(6)
      .text(kKeysLabel)
      .text(to_string(keys.platform))
      .bytes(keys.ik_spki)
      .bytes(keys.hpke_config)
      .bytes(keys.config_digest)
      .bytes(keys.manifest_digest);
  return std::move(writer).take();
}

Result<KeysStatement> parse_keys(ByteView k) {
  GATEWAY_ASSIGN(auto reader, StatementReader::open(k, kMaxKeysSize, kKeysLabel, 6, "binding.keys"));
  KeysStatement keys;
  GATEWAY_ASSIGN(const std::string_view platform, reader.text("the platform"));
  const auto known = platform_from(platform);
  if (!known) return malformed("binding.keys", "expected the name of a platform");
  keys.platform = *known;
  GATEWAY_ASSIGN(const ByteView spki, reader.bytes("the identity key", 1, kMaxIdentityKeySize));
  keys.ik_spki = to_bytes(spki);
  GATEWAY_ASSIGN(const ByteView hpke, reader.bytes("the HPKE configuration", 0, kMaxHpkeConfigSize));
  keys.hpke_config = to_bytes(hpke);
  GATEWAY_ASSIGN(keys.config_digest, reader.array<48>("the configuration's digest"));
  GATEWAY_ASSIGN(const ByteView manifest, reader.bytes("the manifest's digest", 0, 48));
  if (!manifest.empty() && manifest.size() != 48) {
    return malformed("binding.keys", "expected the manifest's digest as a byte string of 0 or 48 bytes");
  }
  keys.manifest_digest = to_bytes(manifest);
  GATEWAY_TRY(reader.leave());
  return keys;
}

Bytes encode_quote(ByteView k, std::span<const Nonce> nonces) {
  CborWriter writer;
  writer.array(3).text(kQuoteLabel).bytes(k).array(nonces.size());
  for (const Nonce& nonce : nonces) writer.bytes(nonce);
  return std::move(writer).take();
}

Result<QuoteStatement> parse_quote(ByteView q) {
  GATEWAY_ASSIGN(auto reader, StatementReader::open(q, kMaxQuoteSize, kQuoteLabel, 3, "binding.quote"));
  QuoteStatement quote;
  GATEWAY_ASSIGN(const ByteView k, reader.bytes("the keys statement", 1, kMaxKeysSize));
  quote.k = to_bytes(k);
  GATEWAY_ASSIGN(const std::size_t count, reader.enter("nonces", kMaxNoncesPerQuote));
  for (std::size_t i = 0; i < count; ++i) {
    GATEWAY_ASSIGN(const Nonce nonce, reader.array<32>("a nonce"));
    quote.nonces.push_back(nonce);
  }
  GATEWAY_TRY(reader.leave());
  GATEWAY_TRY(reader.leave());
  return quote;
}

crypto::Sha512 report_data_of(ByteView q) { return crypto::sha512(q); }

Bytes encode_session(const SessionStatement& session) {
  CborWriter writer;
  writer.array(6)
      .text(kSessionLabel)
      .text(session.role == SessionRole::kServer ? "server" : "client")
      .bytes(session.keys_digest)
      .bytes(session.nonce)
      .bytes(session.exporter)
      .bytes(session.server_spki);
  return std::move(writer).take();
}

Result<SessionStatement> parse_session(ByteView s) {
  GATEWAY_ASSIGN(auto reader, StatementReader::open(s, kMaxSessionSize, kSessionLabel, 6, "binding.session"));
  SessionStatement session;
  GATEWAY_ASSIGN(const std::string_view role, reader.text("the role"));
  if (role != "server" && role != "client") return malformed("binding.session", "expected the role server or client");
  session.role = role == "server" ? SessionRole::kServer : SessionRole::kClient;
  GATEWAY_ASSIGN(session.keys_digest, reader.array<48>("the digest of the keys statement"));
  GATEWAY_ASSIGN(session.nonce, reader.array<32>("the nonce"));
  GATEWAY_ASSIGN(session.exporter, reader.array<32>("the exporter"));
  GATEWAY_ASSIGN(session.server_spki, reader.array<32>("the server key's digest"));
  GATEWAY_TRY(reader.leave());
  return session;
}

Bytes encode_response(const AttestationResponse& response) {
  CborWriter writer;
  writer.array(6)
      .text(kResponseLabel)
      .bytes(response.q)
      .bytes(response.evidence)
      .bytes(response.s)
      .bytes(response.signature)
      .array(response.collateral.size());
  for (const Bytes& item : response.collateral) writer.bytes(item);
  return std::move(writer).take();
}

Result<AttestationResponse> parse_response(ByteView body) {
  GATEWAY_ASSIGN(auto reader, StatementReader::open(body, kMaxResponseSize, kResponseLabel, 6, "binding.response"));
  AttestationResponse response;
  GATEWAY_ASSIGN(const ByteView q, reader.bytes("the quote statement", 1, kMaxQuoteSize));
  response.q = to_bytes(q);
  GATEWAY_ASSIGN(const ByteView evidence, reader.bytes("the evidence", 1, kMaxEvidenceSize));
  response.evidence = to_bytes(evidence);
  GATEWAY_ASSIGN(const ByteView s, reader.bytes("the session statement", 1, kMaxSessionSize));
  response.s = to_bytes(s);
  GATEWAY_ASSIGN(const ByteView signature, reader.bytes("the session's signature", kSignatureSize, kSignatureSize));
  response.signature = to_bytes(signature);
  GATEWAY_ASSIGN(const std::size_t count, reader.enter("files of collateral", kMaxCollateral));
  for (std::size_t i = 0; i < count; ++i) {
    GATEWAY_ASSIGN(const ByteView item, reader.bytes("a file of collateral", 1, kMaxResponseSize));
    response.collateral.push_back(to_bytes(item));
  }
  GATEWAY_TRY(reader.leave());
  GATEWAY_TRY(reader.leave());
  return response;
}

Status verify_session(ByteView s, ByteView signature, ByteView k, const SessionFacts& facts) {
  GATEWAY_ASSIGN(const SessionStatement session, parse_session(s));
  GATEWAY_ASSIGN(const KeysStatement keys, parse_keys(k));
  if (session.role != facts.role) {
    return unbound("binding.session.role", "the session statement was made by the other side of a connection");
  }
  if (session.keys_digest != crypto::sha384(k)) {
    return unbound("binding.session.keys", "the session statement names other keys than the evidence does");
  }
  if (session.nonce != facts.nonce) {
    return unbound("binding.session.nonce", "the session statement answers another nonce than the one sent");
  }
  if (!crypto::constant_time_equal(session.exporter, facts.exporter)) {
    return unbound("binding.session.exporter", "the session statement was made for another TLS session");
  }
  if (session.server_spki != facts.server_spki) {
    return unbound("binding.session.server_key",
                   "the session statement names another server key than this TLS session has");
  }
  const auto identity = crypto::PublicKey::from_spki(keys.ik_spki);
  if (!identity || identity->type() != crypto::KeyType::kP256 ||
      !identity->verify(crypto::HashAlgorithm::kSha256, crypto::SignatureFormat::kRaw, s, signature)) {
    return unbound("binding.session.signature",
                   "the session statement is not signed by the identity key of the evidence");
  }
  return {};
}

}  // namespace gateway::attestation
