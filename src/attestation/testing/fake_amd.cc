#include "attestation/testing/fake_amd.h"

#include <algorithm>
#include <cstdlib>

#include "codec/der.h"
#include "crypto/openssl.h"

namespace gateway::attestation::testing {
namespace {

using codec::der;
using crypto::HashAlgorithm;
using crypto::SignatureFormat;
namespace tag = codec::der_tag;

// Test data that cannot be made is a broken test: stop where it happens.
template <class T>
T must(Result<T> result) {
  if (!result) std::abort();
  return std::move(*result);
}
template <class T>
T must(std::optional<T> value) {
  if (!value) std::abort();
  return std::move(*value);
}
void must_be(bool holds) {
  if (!holds) std::abort();
}

// RSASSA-PSS with SHA-384 throughout, as AMD writes it out.
const Bytes& pss_algorithm() {
  static const Bytes algorithm =
      must(from_hex("304606092a864886f70d01010a3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d"
                    "060960864801650"
                    "30402020500a203020130a303020101"));
  return algorithm;
}

// sha384WithRSAEncryption, which AMD does not use.
const Bytes& pkcs1_algorithm() {
  static const Bytes algorithm = must(from_hex("300d06092a864886f70d01010c0500"));
  return algorithm;
}

Bytes name(const std::string& common_name) {
  return der(tag::kSequence, {der(tag::kSet, {der(tag::kSequence, {must(codec::der_oid("2.5.4.3")),
                                                                   der(tag::kUtf8String, {as_bytes(common_name)})})})});
}

Bytes time(Time when) {
  std::string digits;
  std::ranges::copy_if(to_rfc3339(std::chrono::floor<std::chrono::seconds>(when)), std::back_inserter(digits),
                       [](char c) { return c >= '0' && c <= '9'; });
  digits.push_back('Z');
  if (digits < "2050") return der(tag::kUtcTime, {as_bytes(std::string_view(digits).substr(2))});
  return der(tag::kGeneralizedTime, {as_bytes(digits)});
}

Bytes number(std::uint32_t value) {
  ByteWriter writer;
  writer.u32be(value);
  return codec::der_unsigned(writer.bytes());
}

Bytes window(const TimeWindow& validity) {
  Bytes both = time(validity.not_before);
  append(both, time(validity.not_after));
  return both;
}

Bytes extension_list(const std::vector<AmdCertificate::Extension>& extensions) {
  Bytes list;
  const std::uint8_t yes = 0xff;
  for (const auto& extension : extensions) {
    append(list, der(tag::kSequence, {must(codec::der_oid(extension.oid)),
                                      extension.critical ? der(tag::kBoolean, {ByteView(&yes, 1)}) : Bytes(),
                                      der(tag::kOctetString, {extension.value})}));
  }
  return der(tag::kSequence, {list});
}

std::string key_name(SnpSigningKey key) { return key == SnpSigningKey::kVcek ? "SEV-VCEK" : "SEV-VLEK"; }
std::string issuer_name(const AmdReport& options) {
  return (options.key == SnpSigningKey::kVcek ? "SEV-" : "SEV-VLEK-") + std::string(to_string(options.product));
}
std::uint64_t tcb_of(const AmdReport& options) { return options.tcb != 0 ? options.tcb : fake_tcb(options.product); }
ByteView hardware_id(const ByteArray<64>& chip_id, SnpProduct product) {
  return ByteView(chip_id).first(product == SnpProduct::kTurin ? snp::kTurinChipIdSize : 64);
}

void put(Bytes& to, std::size_t offset, ByteView from) {
  std::ranges::copy(from, to.begin() + static_cast<std::ptrdiff_t>(offset));
}
template <class Integer>
void put_le(Bytes& to, std::size_t offset, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) to.at(offset + i) = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

struct FakeAmd::Keys {
  struct Rsa {
    crypto::UniqueKey key{EVP_RSA_gen(2048)};
    Bytes spki;
    Rsa() {
      unsigned char* encoded = nullptr;
      const int size = key == nullptr ? 0 : i2d_PUBKEY(key.get(), &encoded);
      must_be(size > 0);
      spki.assign(encoded, encoded + size);
      OPENSSL_free(encoded);
    }
    Bytes sign(ByteView message, AmdPadding padding = AmdPadding::kPss) const {
      const bool pss = padding == AmdPadding::kPss;
      const crypto::Sha384 digest = crypto::sha384(message);
      const crypto::UniqueKeyContext context(EVP_PKEY_CTX_new(key.get(), nullptr));
      Bytes signature(256);
      std::size_t size = signature.size();
      must_be(EVP_PKEY_sign_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context.get(), pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha384()) == 1 &&
              (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1) &&
              EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) == 1);
      signature.resize(size);
      return signature;
    }
  };
  Rsa ark, ask, asvk, stranger;
  crypto::PrivateKey vcek = must(crypto::PrivateKey::generate(crypto::KeyType::kP384));
  crypto::PrivateKey vlek = must(crypto::PrivateKey::generate(crypto::KeyType::kP384));

  const Rsa& of(AmdKey which) const {
    switch (which) {
      case AmdKey::kArk: return ark;
      case AmdKey::kAsk: return ask;
      case AmdKey::kAsvk: return asvk;
      case AmdKey::kStranger: break;
    }
    return stranger;
  }
  const crypto::PrivateKey& of(SnpSigningKey which) const { return which == SnpSigningKey::kVcek ? vcek : vlek; }
};

Bytes& AmdCertificate::extension(std::string_view oid) {
  const auto found = std::ranges::find(extensions, oid, &Extension::oid);
  must_be(found != extensions.end());
  return found->value;
}

void AmdCertificate::drop(std::string_view oid) {
  must_be(std::erase_if(extensions, [&](const Extension& one) { return one.oid == oid; }) == 1);
}

FakeAmd::FakeAmd() : keys_(std::make_shared<const Keys>()) {
  const auto made = [&](SnpProduct product) {
    const std::string name(to_string(product));
    const auto authority = [&](const std::string& subject, AmdKey key) {
      return issue(authority_fields(subject, "ARK-" + name, key), AmdKey::kArk);
    };
    return snp::make_roots(product, authority("ARK-" + name, AmdKey::kArk), authority("SEV-" + name, AmdKey::kAsk),
                           authority("SEV-VLEK-" + name, AmdKey::kAsvk));
  };
  roots_ = std::make_unique<snp::VendorRoots>(
      snp::VendorRoots{made(SnpProduct::kMilan), made(SnpProduct::kGenoa), made(SnpProduct::kTurin)});
}

AmdCertificate FakeAmd::authority_fields(const std::string& subject, const std::string& issuer, AmdKey key) const {
  const bool root = key == AmdKey::kArk;
  const Time start = std::chrono::floor<std::chrono::seconds>(kNow) - std::chrono::days(1000);
  // keyCertSign and cRLSign; AMD's intermediates have the first alone.
  const Bytes usage = must(from_hex(root ? "03020106" : "03020204"));
  return {.subject = subject,
          .issuer = issuer,
          .serial = root ? 0x10000U : 0x10001U,
          .validity = {start, start + std::chrono::days(9000)},
          .spki = keys_->of(key).spki,
          .extensions = {{"2.5.29.19", must(from_hex(root ? "30030101ff" : "30060101ff020100")), true},
                         {"2.5.29.15", usage, true}}};
}

AmdCertificate FakeAmd::endorsement_fields(const AmdReport& options) const {
  const Time start = std::chrono::floor<std::chrono::seconds>(kNow) - std::chrono::days(30);
  const bool turin = options.product == SnpProduct::kTurin;
  const bool vcek = options.key == SnpSigningKey::kVcek;
  AmdCertificate made{.subject = key_name(options.key),
                      .issuer = issuer_name(options),
                      .serial = 0,
                      .validity = {start, start + std::chrono::days(vcek ? 2500 : 365)},
                      .spki = keys_->of(options.key).public_key().spki(),
                      .extensions = {}};
  const std::string base = "1.3.6.1.4.1.3704.1.";
  const std::string product = std::string(to_string(options.product)) + (vcek && !turin ? "-B0" : "");
  made.extensions.push_back({base + "1", number(turin ? 1 : 0)});
  made.extensions.push_back({base + "2", der(tag::kIa5String, {as_bytes(product)})});
  const std::array<int, 8> milan_order{1, 2, 4, 5, 6, 7, 3, 8};
  const std::array<int, 8> turin_order{9, 1, 2, 3, 5, 6, 7, 8};
  for (std::size_t i = 0; i < 8; ++i) {
    const int oid = turin ? turin_order.at(i) : milan_order.at(i);
    const auto level = static_cast<std::uint8_t>(tcb_of(options) >> (8 * i));
    made.extensions.push_back({base + "3." + std::to_string(oid), number(level)});
  }
  const ByteArray<64> chip_id = fake_chip_id(options.product);
  if (vcek) made.extensions.push_back({base + "4", to_bytes(hardware_id(chip_id, options.product))});
  else made.extensions.push_back({base + "5", der(tag::kIa5String, {as_bytes("CN=fake-cloud.example")})});
  return made;
}

crypto::Certificate FakeAmd::issue(const AmdCertificate& fields, AmdKey signer, AmdPadding padding) const {
  const Bytes& algorithm = padding == AmdPadding::kPss ? pss_algorithm() : pkcs1_algorithm();
  const ByteArray<1> version3{{2}};
  const Bytes tbs = der(
      tag::kSequence,
      {der(tag::context_constructed(0), {codec::der_unsigned(version3)}), number(fields.serial), algorithm,
       name(fields.issuer), der(tag::kSequence, {window(fields.validity)}), name(fields.subject), fields.spki,
       fields.extensions.empty() ? Bytes() : der(tag::context_constructed(3), {extension_list(fields.extensions)})});
  return must(crypto::Certificate::from_der(
      der(tag::kSequence, {tbs, algorithm, codec::der_bit_string(keys_->of(signer).sign(tbs, padding))})));
}

crypto::Certificate FakeAmd::endorsement(const AmdReport& options,
                                         const std::function<void(AmdCertificate&)>& alter) const {
  AmdCertificate fields = endorsement_fields(options);
  if (alter) alter(fields);
  return issue(fields, options.key == SnpSigningKey::kVcek ? AmdKey::kAsk : AmdKey::kAsvk);
}

crypto::Crl FakeAmd::list(const AmdList& fields) const {
  Bytes entries;
  for (const std::uint32_t serial : fields.revoked) {
    append(entries, der(tag::kSequence, {number(serial), time(fields.validity.not_before)}));
  }
  const Bytes tbs = der(tag::kSequence, {number(1), pss_algorithm(), name(fields.issuer), window(fields.validity),
                                         entries.empty() ? Bytes() : der(tag::kSequence, {entries})});
  return must(crypto::Crl::from_der(
      der(tag::kSequence, {tbs, pss_algorithm(), codec::der_bit_string(keys_->of(fields.signer).sign(tbs))})));
}

Bytes FakeAmd::report(const AmdReport& options) const {
  Bytes report(snp::kSignedSize);
  const bool vlek = options.key == SnpSigningKey::kVlek;
  put_le<std::uint32_t>(report, 0x000, options.version);
  put_le<std::uint32_t>(report, 0x004, 7);                     // GUEST_SVN
  put_le<std::uint64_t>(report, 0x008, 0x30000 | 0x1f);        // POLICY: SMT, ABI 0.31
  put(report, 0x010, Bytes(16, 0xf1));                         // FAMILY_ID
  put(report, 0x020, Bytes(16, 0xf2));                         // IMAGE_ID
  put_le<std::uint32_t>(report, 0x034, 1);                     // SIGNATURE_ALGO
  put_le<std::uint64_t>(report, 0x040, 0x25);                  // PLATFORM_INFO
  put_le<std::uint32_t>(report, 0x048, vlek ? 1U << 2U : 0U);  // SIGNING_KEY
  put(report, 0x050, Bytes(64, 0x11));                         // REPORT_DATA
  put(report, 0x090, Bytes(48, 0x22));                         // MEASUREMENT
  put(report, 0x0c0, Bytes(32, 0x33));                         // HOST_DATA
  put(report, 0x0e0, Bytes(48, 0x44));                         // ID_KEY_DIGEST
  put(report, 0x110, Bytes(48, 0x55));                         // AUTHOR_KEY_DIGEST
  put(report, 0x140, Bytes(32, 0x66));                         // REPORT_ID
  put(report, 0x160, Bytes(32, 0xff));                         // REPORT_ID_MA
  for (const std::size_t offset : {0x038UZ, 0x180UZ, 0x1e0UZ, 0x1f0UZ}) put_le(report, offset, tcb_of(options));
  if (options.version >= 3) {
    const bool turin = options.product == SnpProduct::kTurin;
    report[0x188] = turin ? 0x1a : 0x19;
    report[0x189] = options.product == SnpProduct::kMilan ? 0x01 : turin ? 0x02 : 0x11;
    report[0x18a] = 0x01;
  }
  if (!vlek) put(report, 0x1a0, fake_chip_id(options.product));
  for (const std::size_t offset : {0x1e8UZ, 0x1ecUZ}) put(report, offset, Bytes{29, 55, 1});  // build, minor, major
  if (options.version >= 5) {
    put_le<std::uint64_t>(report, 0x1f8, 0x3);
    put_le<std::uint64_t>(report, 0x200, 0x7);
  }
  if (options.alter) options.alter(report);
  return sign(std::move(report), options.key);
}

Bytes FakeAmd::sign(Bytes report, SnpSigningKey key) const {
  const Bytes raw = must(keys_->of(key).sign(HashAlgorithm::kSha384, SignatureFormat::kRaw, report));
  report.resize(snp::kReportSize);
  std::ranges::reverse_copy(ByteView(raw).first(48), report.begin() + 0x2a0);
  std::ranges::reverse_copy(ByteView(raw).last(48), report.begin() + 0x2a0 + 72);
  return report;
}

Bytes FakeAmd::hcl(const AmdReport& options, std::string_view runtime_data) const {
  AmdReport bound = options;
  bound.alter = [&](Bytes& bytes) {
    if (options.alter) options.alter(bytes);
    put(bytes, 0x050, Bytes(64));
    put(bytes, 0x050, crypto::sha256(as_bytes(runtime_data)));
  };
  const auto size = static_cast<std::uint32_t>(runtime_data.size());
  ByteWriter writer;
  writer.put("HCLA");
  for (const std::uint32_t value : {2U, size + 32U + 0x4a0U + 20U, 2U, 0U}) writer.u32le(value);
  writer.zeros(12);
  writer.put(report(bound));
  for (const std::uint32_t value : {size + 20U, 1U, 2U, 1U, size}) writer.u32le(value);
  writer.put(runtime_data);
  writer.zeros(100);
  return std::move(writer).take();
}

Collateral FakeAmd::collateral(const AmdReport& options) const {
  Collateral made;
  made.certificates.push_back(endorsement(options));
  return made;
}

Result<Claims> FakeAmd::authenticate(ByteView evidence, const Collateral& collateral, Time at, snp::ChainCache* cache,
                                     CheckList* given) const {
  CheckList own;
  CheckList& checks = given != nullptr ? *given : own;
  GATEWAY_ASSIGN(const auto parsed, snp::parse_evidence(evidence, &checks));
  return snp::dangerous_authenticate_with_vendor_roots(parsed, collateral, roots(), at, cache, &checks);
}

const FakeAmd& fake_amd() {
  static const FakeAmd amd;
  return amd;
}

std::uint64_t fake_tcb(SnpProduct product) {
  // Turin: FMC 1, boot loader 2, TEE 3, SNP 4, microcode 200. Others: boot loader 4, TEE 1, SNP 24, microcode 219.
  return product == SnpProduct::kTurin ? 0xc800'0000'0403'0201 : 0xdb18'0000'0000'0104;
}

ByteArray<64> fake_chip_id(SnpProduct product) {
  ByteArray<64> chip_id{};
  const std::size_t size = product == SnpProduct::kTurin ? snp::kTurinChipIdSize : chip_id.size();
  for (std::size_t i = 0; i < size; ++i) chip_id.at(i) = static_cast<std::uint8_t>(0xa0 + i);
  return chip_id;
}

Bytes certificate_table(const std::vector<TableEntry>& entries, TableOrder order) {
  ByteWriter writer;
  std::size_t offset = 24 * (entries.size() + 1);
  for (const TableEntry& entry : entries) {
    Bytes guid = must(from_hex(entry.guid));
    if (order == TableOrder::kMixed) {
      std::reverse(guid.begin(), guid.begin() + 4);
      std::reverse(guid.begin() + 4, guid.begin() + 6);
      std::reverse(guid.begin() + 6, guid.begin() + 8);
    }
    writer.put(guid);
    writer.u32le(static_cast<std::uint32_t>(offset));
    writer.u32le(static_cast<std::uint32_t>(entry.content.size()));
    offset += entry.content.size();
  }
  writer.zeros(24);
  for (const TableEntry& entry : entries) writer.put(entry.content);
  return std::move(writer).take();
}

}  // namespace gateway::attestation::testing
