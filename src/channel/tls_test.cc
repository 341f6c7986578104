#include "channel/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "codec/cbor.h"

namespace gateway::channel {
namespace {

const Time kNow{std::chrono::milliseconds(1'790'000'000'000)};

const ServerIdentity& identity() {
  static const ServerIdentity made = [] {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256);
    return std::move(*make_server_identity(std::move(*key), kNow, std::nullopt));
  }();
  return made;
}
const TlsContext& server_context() {
  static const TlsContext context = *TlsContext::server(identity().certificate, identity().key);
  return context;
}
const TlsContext& client_context() {
  static const TlsContext context = *TlsContext::client();
  return context;
}

std::array<net::Descriptor, 2> socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  return {net::Descriptor(ends[0]), net::Descriptor(ends[1])};
}

struct Session {
  TlsStream server;
  TlsStream client;
};

Session shake_hands(const TlsContext& server_side = server_context()) {
  auto [a, b] = socket_pair();
  Session out{*TlsStream::accept(server_side, std::move(a)),
              *TlsStream::connect(client_context(), std::move(b), "example")};
  for (int i = 0; i < 10; ++i) {
    const auto client = out.client.handshake();
    const auto server = out.server.handshake();
    EXPECT_TRUE(client && server);
    if (client && server && *client == Progress::kDone && *server == Progress::kDone) return out;
  }
  ADD_FAILURE() << "the handshake does not end";
  return out;
}

std::string read_some(TlsStream& stream) {
  Bytes bytes(65536);
  const auto got = stream.read(bytes);
  if (!got) return std::string(got.error().id());
  if (got->progress == Progress::kClosedInOrder) return "closed in order";
  if (got->progress != Progress::kDone) return "wait";
  return std::string(as_text(ByteView(bytes).first(got->bytes)));
}

// OpenSSL's own client, free to try what ours never would.
class ForeignClient {
 public:
  ForeignClient() : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_, [](SSL* ssl, SSL_SESSION* fresh) {
      auto* self = static_cast<ForeignClient*>(SSL_get_app_data(ssl));
      SSL_SESSION_free(self->session);
      self->session = fresh;
      ++self->tickets;
      return 1;
    });
  }
  ~ForeignClient() {
    SSL_SESSION_free(session);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  ForeignClient(const ForeignClient&) = delete;
  ForeignClient& operator=(const ForeignClient&) = delete;

  SSL_CTX* context() { return context_; }
  SSL* ssl() { return ssl_; }
  // A new connection; resumes with what it got before when there is something.
  void start(net::Descriptor socket) {
    // Otherwise freeing it would spoil its session.
    if (ssl_ != nullptr) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    socket_ = std::move(socket);
    ssl_ = SSL_new(context_);
    SSL_set_app_data(ssl_, this);
    SSL_set_fd(ssl_, socket_.get());
    if (session != nullptr) {
      EXPECT_EQ(SSL_set_session(ssl_, session), 1);
    }
    SSL_set_connect_state(ssl_);
    hello.clear();
    SSL_set_msg_callback(ssl_, [](int, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
      const auto* message = static_cast<const char*>(bytes);
      if (type != SSL3_RT_HANDSHAKE || size == 0 || message[0] != SSL3_MT_CLIENT_HELLO) return;
      static_cast<ForeignClient*>(SSL_get_app_data(ssl))->hello.assign(message, size);
    });
  }
  std::string ticket() const {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    SSL_SESSION_get0_ticket(session, &bytes, &size);
    return {reinterpret_cast<const char*>(bytes), size};
  }
  bool shake_hands_with(TlsStream& server) {
    bool server_done = false, client_done = false;
    for (int i = 0; i < 10 && !(server_done && client_done); ++i) {
      client_done = SSL_do_handshake(ssl_) == 1;
      const auto progress = server.handshake();
      if (!progress) {
        server_error = progress.error().id();
        return false;
      }
      server_done = *progress == Progress::kDone;
    }
    std::array<char, 64> bytes{};
    SSL_read(ssl_, bytes.data(), bytes.size());  // takes tickets
    return server_done && client_done;
  }

  SSL_SESSION* session = nullptr;
  int tickets = 0;
  std::string hello;  // the ClientHello as sent
  std::string server_error;

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  net::Descriptor socket_;
};

TEST(Tls, CarriesBytesBothWays) {
  Session session = shake_hands();
  EXPECT_EQ(read_some(session.server), "wait");
  ASSERT_EQ(session.client.write(as_bytes("ping"))->bytes, 4u);
  EXPECT_EQ(read_some(session.server), "ping");
  ASSERT_EQ(session.server.write(as_bytes("pong"))->bytes, 4u);
  EXPECT_EQ(read_some(session.client), "pong");
  EXPECT_EQ(session.client.write({})->progress, Progress::kDone);
}

// What is on the wire: the lengths of the records that carry data, as anybody who looks on sees them.
std::vector<std::size_t> record_lengths(const TlsStream& receiving) {
  Bytes wire(65536);
  const ssize_t got = ::recv(receiving.descriptor(), wire.data(), wire.size(), MSG_PEEK);
  std::vector<std::size_t> lengths;
  for (std::size_t at = 0; got > 0 && at + 5 <= static_cast<std::size_t>(got);) {
    const std::size_t length = wire[at + 3] * 256U + wire[at + 4];
    lengths.push_back(length);
    at += 5 + length;
  }
  return lengths;
}

TEST(Tls, PaddedRecordsHideTheLengthOfWhatIsInThem) {
  constexpr std::size_t kTag = 16;  // of the AEAD
  const auto padded = TlsContext::server(identity().certificate, identity().key, 1024);
  ASSERT_TRUE(padded);
  for (const std::size_t size : {1U, 10U, 1000U, 1023U, 1024U, 5000U}) {
    Session session = shake_hands(*padded);
    EXPECT_EQ(read_some(session.client), "wait");  // what came with the handshake
    ASSERT_EQ(session.server.write(as_bytes(std::string(size, 'x')))->bytes, size);
    const auto lengths = record_lengths(session.client);
    ASSERT_EQ(lengths.size(), 1U) << size;
    EXPECT_EQ((lengths[0] - kTag) % 1024, 0U) << size;
    EXPECT_EQ(read_some(session.client).size(), size);
  }
  Session plain = shake_hands();
  EXPECT_EQ(read_some(plain.client), "wait");
  ASSERT_EQ(plain.server.write(as_bytes("x"))->bytes, 1U);
  EXPECT_EQ(record_lengths(plain.client), std::vector<std::size_t>{1 + 1 + kTag});
  EXPECT_FALSE(TlsContext::server(identity().certificate, identity().key, 20'000)) << "no record is that large";
}

TEST(Tls, SaysWhenTheSocketTakesNoMoreAndGoesOnLater) {
  Session session = shake_hands();
  const std::string large(3'000'000, 'x');
  std::size_t sent = 0, received = 0;
  bool blocked = false;
  while (received < large.size()) {
    if (sent < large.size()) {
      const std::string copy = large.substr(sent);  // another address each time
      const auto wrote = session.client.write(as_bytes(copy));
      ASSERT_TRUE(wrote);
      sent += wrote->bytes;
      if (wrote->progress == Progress::kDone) continue;
      EXPECT_EQ(wrote->progress, Progress::kWantWrite);
      blocked = true;
    }
    for (std::string some = read_some(session.server); some != "wait"; some = read_some(session.server))
      received += some.size();
  }
  EXPECT_TRUE(blocked);
  EXPECT_EQ(received, large.size());
}

TEST(Tls, KnowsOfBytesThatEpollCannotSee) {
  Session session = shake_hands();
  ASSERT_TRUE(session.client.write(as_bytes("one")));
  ASSERT_TRUE(session.client.write(as_bytes("two")));
  EXPECT_FALSE(session.server.pending());
  EXPECT_EQ(read_some(session.server), "one");
  EXPECT_TRUE(session.server.pending());
  EXPECT_EQ(read_some(session.server), "two");
  EXPECT_FALSE(session.server.pending());
}

TEST(Tls, AnOrderlyEndAndATruncatedStreamAreToldApart) {
  Session orderly = shake_hands();
  ASSERT_TRUE(orderly.server.write(as_bytes("all")));
  ASSERT_EQ(*orderly.server.shut_down(), Progress::kDone);
  EXPECT_EQ(read_some(orderly.client), "all");
  EXPECT_EQ(read_some(orderly.client), "closed in order");

  std::optional<Session> cut = shake_hands();
  TlsStream client = std::move(cut->client);
  ASSERT_TRUE(cut->server.write(as_bytes("half")));
  cut.reset();
  EXPECT_EQ(read_some(client), "half");
  EXPECT_EQ(read_some(client), "tls.truncated");
}

TEST(Tls, WritingToAPeerThatLeftIsAnErrorNotASignal) {
  std::optional<Session> session = shake_hands();
  TlsStream client = std::move(session->client);
  session.reset();
  const auto written = client.write(as_bytes("hello"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().id(), "tls.closed");
}

TEST(Tls, RefusesAForgedRecord) {
  Session session = shake_hands();
  const std::array<std::uint8_t, 45> forged{23, 3, 3, 0, 40};
  ASSERT_EQ(::send(session.client.descriptor(), forged.data(), forged.size(), 0), 45);
  EXPECT_EQ(read_some(session.server), "tls.record");
}

TEST(Tls, RefusesGarbageAndALeavingPeerInTheHandshake) {
  auto [a, b] = socket_pair();
  auto server = TlsStream::accept(server_context(), std::move(a));
  ASSERT_EQ(::send(b.get(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
  const auto garbage = server->handshake();
  ASSERT_FALSE(garbage);
  EXPECT_EQ(garbage.error().id(), "tls.handshake");

  auto [c, d] = socket_pair();
  auto lonely = TlsStream::accept(server_context(), std::move(c));
  ASSERT_EQ(*lonely->handshake(), Progress::kWantRead);
  d.reset();
  const auto left = lonely->handshake();
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().id(), "tls.closed");
}

TEST(Tls, BothSidesExportTheSameForANonceAndNothingBeforehand) {
  Session session = shake_hands();
  Session other = shake_hands();
  attestation::Nonce nonce{}, another{};
  another.fill(1);
  const auto mine = session.client.exporter(nonce);
  ASSERT_TRUE(mine);
  EXPECT_EQ(*mine, *session.server.exporter(nonce));
  EXPECT_NE(*mine, *session.server.exporter(another));
  EXPECT_NE(*mine, *other.server.exporter(nonce));
  auto [a, b] = socket_pair();
  const auto early = TlsStream::accept(server_context(), std::move(a))->exporter(nonce);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().id(), "tls.setup");
}

TEST(Tls, TheClientSeesTheServersKeyAndTheServerNone) {
  Session session = shake_hands();
  EXPECT_EQ(*session.client.peer_spki_sha256(), identity().spki_sha256);
  EXPECT_EQ(*session.client.peer_certificate_der(), identity().certificate.der());
  EXPECT_EQ(session.server.peer_spki_sha256().error().id(), "tls.handshake");
  EXPECT_EQ(session.server.peer_certificate_der().error().id(), "tls.handshake");
}

TEST(Tls, SpeaksOnlyVersion13WithAes128First) {
  ForeignClient client;
  auto [a, b] = socket_pair();
  auto server = TlsStream::accept(server_context(), std::move(a));
  client.start(std::move(b));
  ASSERT_TRUE(client.shake_hands_with(*server));
  EXPECT_STREQ(SSL_get_version(client.ssl()), "TLSv1.3");
  EXPECT_STREQ(SSL_get_cipher(client.ssl()), "TLS_AES_128_GCM_SHA256");

  ForeignClient old;
  SSL_CTX_set_max_proto_version(old.context(), TLS1_2_VERSION);
  auto [c, d] = socket_pair();
  auto refusing = TlsStream::accept(server_context(), std::move(c));
  old.start(std::move(d));
  EXPECT_FALSE(old.shake_hands_with(*refusing));
  EXPECT_EQ(old.server_error, "tls.handshake");
}

TEST(Tls, NothingResumes) {
  ForeignClient client;
  for (int i = 0; i < 3; ++i) {
    auto [a, b] = socket_pair();
    auto server = TlsStream::accept(server_context(), std::move(a));
    client.start(std::move(b));
    const std::string offered = i == 0 ? "" : client.ticket();
    ASSERT_TRUE(client.shake_hands_with(*server));
    if (i > 0) {
      ASSERT_FALSE(offered.empty());
      EXPECT_THAT(client.hello, ::testing::HasSubstr(offered));
    }
    EXPECT_EQ(SSL_session_reused(client.ssl()), 0);
    EXPECT_FALSE(server->resumed());
    // The one ticket that is sent: the client has it, offers it the next time, and it is worth nothing.
    EXPECT_EQ(client.tickets, i + 1);
    ASSERT_NE(client.session, nullptr);
    EXPECT_EQ(SSL_SESSION_is_resumable(client.session), 1);
    EXPECT_EQ(SSL_SESSION_get_max_early_data(client.session), 0u);
  }
}

TEST(Tls, EarlyDataIsNeverTaken) {
  ForeignClient client;
  auto [a, b] = socket_pair();
  auto first = TlsStream::accept(server_context(), std::move(a));
  client.start(std::move(b));
  ASSERT_TRUE(client.shake_hands_with(*first));
  SSL_SESSION_set_max_early_data(client.session, 1000);  // though the server never said so
  auto [c, d] = socket_pair();
  auto second = TlsStream::accept(server_context(), std::move(c));
  client.start(std::move(d));
  std::size_t written = 0;
  ASSERT_EQ(SSL_write_early_data(client.ssl(), "early", 5, &written), 1);
  ASSERT_TRUE(client.shake_hands_with(*second));
  EXPECT_EQ(SSL_get_early_data_status(client.ssl()), SSL_EARLY_DATA_REJECTED);
  EXPECT_FALSE(second->resumed());
  ASSERT_EQ(SSL_write(client.ssl(), "late", 4), 4);
  EXPECT_EQ(read_some(*second), "late");
}

TEST(Tls, APskFromOutsideIsNeverTaken) {
  ForeignClient client;
  SSL_CTX_set_psk_use_session_callback(client.context(), [](SSL* ssl, const EVP_MD*, const unsigned char** id,
                                                            std::size_t* id_size, SSL_SESSION** session) {
    static const std::array<unsigned char, 32> key{};
    const std::array<unsigned char, 2> cipher{0x13, 0x01};
    *session = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(*session, key.data(), key.size());
    SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, cipher.data()));
    SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
    *id = reinterpret_cast<const unsigned char*>("guess");
    *id_size = 5;
    return 1;
  });
  auto [a, b] = socket_pair();
  auto server = TlsStream::accept(server_context(), std::move(a));
  client.start(std::move(b));
  ASSERT_TRUE(client.shake_hands_with(*server));
  EXPECT_EQ(SSL_session_reused(client.ssl()), 0);
  EXPECT_FALSE(server->resumed());
}

TEST(Tls, StepsOverAFloodOfKeyUpdates) {
  ForeignClient client;
  auto [a, b] = socket_pair();
  auto server = TlsStream::accept(server_context(), std::move(a));
  client.start(std::move(b));
  ASSERT_TRUE(client.shake_hands_with(*server));
  const int size = 1 << 20;
  ::setsockopt(server->descriptor(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  ::setsockopt(SSL_get_fd(client.ssl()), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  const int socket = SSL_get_fd(client.ssl());
  BIO* kept = BIO_new(BIO_s_mem());
  SSL_set0_wbio(client.ssl(), kept);
  for (int i = 0; i < 9'000; ++i) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(client.ssl()), 1);
  }
  ASSERT_EQ(SSL_write(client.ssl(), "after", 5), 5);
  char* bytes = nullptr;
  const long kept_size = BIO_get_mem_data(kept, &bytes);
  std::string_view left(bytes, static_cast<std::size_t>(kept_size));
  int turns = 0;
  std::string got = "wait";
  int cut_short = 0;  // turns that left bytes in the socket
  for (; got == "wait" && turns < 100; ++turns) {
    const ssize_t sent = ::send(socket, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
    got = read_some(*server);
    char next = 0;
    if (::recv(server->descriptor(), &next, 1, MSG_PEEK) == 1) ++cut_short;
  }
  EXPECT_EQ(got, "after");
  EXPECT_GT(cut_short, 0);
}

TEST(ServerIdentity, IsAP256CertificateThatIsValidNow) {
  EXPECT_EQ(identity().certificate.public_key().spki(), identity().key.public_key().spki());
  EXPECT_TRUE(identity().certificate.validity().contains(kNow));
  EXPECT_TRUE(identity().certificate.verify_signed_by(identity().key.public_key()));
  EXPECT_FALSE(identity().certificate.extension("2.23.133.5.4.9"));
  auto other = crypto::PrivateKey::generate(crypto::KeyType::kP384);
  const auto refused = make_server_identity(std::move(*other), kNow, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "tls.setup");
}

TEST(ServerIdentity, ACertificateNeedsItsOwnKey) {
  const auto other = crypto::PrivateKey::generate(crypto::KeyType::kP256);
  const auto context = TlsContext::server(identity().certificate, *other);
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().id(), "tls.setup");
}

// The interoperable RA-TLS extension, read back field by field (facts of its specification).
TEST(ServerIdentity, CarriesTheRaTlsExtension) {
  auto key = crypto::PrivateKey::generate(crypto::KeyType::kP256);
  const crypto::PublicKey public_key = key->public_key();
  const RaTlsClaims claims = make_ra_tls_claims(public_key);
  const crypto::Sha256 digest = crypto::sha256(claims.claims);
  EXPECT_TRUE(std::equal(digest.begin(), digest.end(), claims.report_data.begin()));
  EXPECT_TRUE(
      std::all_of(claims.report_data.begin() + 32, claims.report_data.end(), [](std::uint8_t b) { return b == 0; }));

  const Bytes evidence = to_bytes("evidence");
  const Bytes extension = encode_ra_tls_extension(evidence, claims.claims);
  const auto made = make_server_identity(std::move(*key), kNow, extension);
  ASSERT_TRUE(made);
  const auto found = made->certificate.extension("2.23.133.5.4.9");
  ASSERT_TRUE(found);
  auto reader = codec::CborReader::open(*found, {}, codec::CborProfile::kDeterministic);
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->tag(), 60'000u);
  ASSERT_TRUE(reader->array_of(2));
  EXPECT_EQ(as_text(*reader->bytes()), "evidence");
  const ByteView inner = *reader->bytes();
  EXPECT_TRUE(reader->end());
  auto map = codec::CborReader::open(inner, {}, codec::CborProfile::kDeterministic);
  ASSERT_TRUE(map);
  EXPECT_EQ(**map->map(), 1u);
  EXPECT_EQ(*map->text(), "pubkey-hash");
  auto hash = codec::CborReader::open(*map->bytes(), {}, codec::CborProfile::kDeterministic);
  ASSERT_TRUE(hash && hash->array_of(2));
  EXPECT_EQ(*hash->unsigned_integer(), 1u);
  EXPECT_TRUE(equal(*hash->bytes(), crypto::sha256(public_key.spki())));
}

}  // namespace
}  // namespace gateway::channel
