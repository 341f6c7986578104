// The evidence, and what ties it to this session, this nonce and these keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "callers.h"
#include "suite.h"

namespace gateway::hostile_suite {
namespace {

using harness::entry_for;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> before_enclave(const char* mode) { return {mode, "--upstream", enclave().listen}; }

TEST(Evidence, GenuineEnclaveIsAcceptedFirst) {
  const auto verified = site().gateway({"verify", enclave().listen, "--policy", policy(), "--json"});
  EXPECT_EQ(verified.status, 0) << verified.both();
  EXPECT_EQ(harness::json_at(verified.out, "/reason"), "null");
  const Connection connection(enclave().listen);
  EXPECT_EQ(connection.exchange(harness::post("/echo", kPrompt, good_token()), "POST").body, kPrompt);
}

TEST(Evidence, ReplayedEvidenceIsRefused) {
  attack("evidence replayed from an earlier connection", "`binding.quote.nonce`");
  expect_refused(Attacker(before_enclave("replay")), policy(), "binding.quote.nonce");
}

TEST(Evidence, EvidenceFromBeforeTheQuestionIsRefused) {
  attack("genuine evidence older than the question (stale nonce in the quote)", "`binding.quote.nonce`");
  expect_refused(Attacker(before_enclave("stale-quote")), policy(), "binding.quote.nonce");
}

TEST(Evidence, SessionStatementOverAnOlderNonceIsRefused) {
  attack("fresh evidence, session statement over a stale nonce", "`binding.session.nonce`");
  expect_refused(Attacker(before_enclave("stale-nonce")), policy(), "binding.session.nonce");
}

TEST(Evidence, ManInTheMiddleWhoRelaysEvidenceIsRefused) {
  attack("evidence relayed through a man in the middle who ends TLS", "`binding.session.exporter`");
  expect_refused(Attacker(before_enclave("mitm")), policy(), "binding.session.exporter");
}

TEST(Evidence, ManInTheMiddleWhoSignsTheSessionHimselfIsRefused) {
  attack("genuine evidence, session signed by the man in the middle", "`binding.session.signature`");
  expect_refused(Attacker(before_enclave("forge-session")), policy(), "binding.session.signature");
}

TEST(Evidence, KeysThatTheEvidenceDoesNotVouchForAreRefused) {
  attack("genuine evidence beside somebody else's keys", "`evidence.report_data`");
  expect_refused(Attacker(before_enclave("swap-keys")), policy(), "evidence.report_data");
}

TEST(Evidence, AnotherEnclavesEvidenceIsRefused) {
  attack("another enclave's evidence with this one's session (same image, same configuration)",
         "`binding.session.keys`");
  const auto other =
      site().run_enclave(echo_image(), "other", {"--config", config_file(), "--tokens", first_list_file()});
  EXPECT_EQ(other.measurements, enclave().measurements);
  auto words = before_enclave("other-evidence");
  words.insert(words.end(), {"--other", other.listen});
  expect_refused(Attacker(words), policy(), "binding.session.keys");
  site().stop_enclave("other");
}

TEST(Evidence, AnEnclaveOfAnotherImageInItsPlaceIsRefused) {
  attack("the port leads to a genuine enclave of another image", "`policy.measurement`");
  const std::string image = site().build_echo({.name = "lookalike"});
  const auto other = site().run_enclave(image, "lookalike", {"--config", config_file(), "--tokens", first_list_file()});
  expect_refused(other.listen, policy(), "policy.measurement");
  site().stop_enclave("lookalike");
}

TEST(Evidence, AForgeryThatDiffersInNothingIsAcceptedOnLocal) {
  // The control for what follows: this host owns the root of `local`. Nothing here protects from it, and nothing claims
  // to.
  Attacker twin(twin_of(enclave(), {"forge"}));
  const auto verified = site().gateway({"verify", twin.endpoint(), "--policy", policy(), "--json"});
  EXPECT_EQ(verified.status, 0) << verified.both();
}

TEST(Evidence, DebugEnclaveIsRefused) {
  attack("an enclave in debug mode: PCR0–2 are zero", "`policy.debug`");
  expect_refused(Attacker(twin_of(enclave(), {"debug"})), policy(), "policy.debug");
}

TEST(Evidence, DebugEnclaveIsRefusedEvenByAPolicyThatNamesZeros) {
  attack("a debug enclave under a policy that names zero PCRs", "`policy.debug`");
  auto entry = entry_for(enclave());
  entry.measurements.fill(std::string(96, '0'));
  expect_refused(Attacker(twin_of(enclave(), {"debug"})), site().write_policy("zeros.toml", entry), "policy.debug");
}

TEST(Evidence, UnsignedDocumentIsRefused) {
  attack("an unsigned document, as QEMU makes them", "`nitro.unsigned`");
  expect_refused(Attacker(twin_of(enclave(), {"unsigned"})), policy(), "nitro.unsigned");
}

TEST(Evidence, DocumentWithAnEmptiedSignatureIsRefused) {
  attack("a document whose signature is all zeros", "`nitro.signature`");
  expect_refused(Attacker(twin_of(enclave(), {"zero-signature"})), policy(), "nitro.signature");
}

TEST(Evidence, DocumentUnderAnotherRootIsRefused) {
  attack("a document under a root of the attacker's own", "`nitro.chain.anchor`");
  auto words = twin_of(enclave(), {"forge"});
  words.insert(words.end(), {"--root", ""});
  expect_refused(Attacker(words), policy(), "nitro.chain.anchor");
}

TEST(Evidence, ExpiredLeafIsRefused) {
  attack("a document under a leaf that has expired", "`nitro.chain.validity`");
  auto words = twin_of(enclave(), {"forge"});
  words.insert(words.end(), {"--backdate", "14400"});
  expect_refused(Attacker(words), policy(), "nitro.chain.validity");
}

TEST(Evidence, DocumentOlderThanThePolicyAllowsIsRefused) {
  attack("a backdated document under a leaf that is still valid", "`policy.age`");
  auto words = twin_of(enclave(), {"forge"});
  words.insert(words.end(), {"--backdate", "900"});
  expect_refused(Attacker(words), policy(), "policy.age");
}

TEST(Evidence, LocalDocumentThatClaimsToBeNitrosIsRefused) {
  auto words = twin_of(enclave(), {"forge"});
  words.insert(words.end(), {"--platform", "nitro"});
  const Attacker attacker(words);
  auto entry = entry_for(enclave());
  entry.platform = "nitro";
  entry.root = "";
  const std::string nitro_policy = site().write_policy("nitro.toml", entry);
  attack("a local document passed off as Nitro's", "`nitro.chain.anchor`");
  expect_refused(attacker, nitro_policy, "nitro.chain.anchor");
  attack("… even when its root is given by hand: a root of one's own never makes it Nitro", "`policy.platform`");
  expect_refused(attacker, nitro_policy, "policy.platform", {"--root", enclave().root_file});
  attack("keys that claim platform nitro beside a local document", "`binding.platform`");
  expect_refused(attacker, policy(), "binding.platform");
}

TEST(Evidence, GenuineLocalEnclaveIsRefusedByANitroPolicy) {
  attack("a genuine local enclave under a policy for nitro", "`nitro.chain.anchor`");
  auto entry = entry_for(enclave());
  entry.platform = "nitro";
  entry.root = "";
  expect_refused(enclave().listen, site().write_policy("nitro.toml", entry), "nitro.chain.anchor");
}

TEST(Evidence, PolicyForLocalWithoutARootIsNoPolicy) {
  attack("a policy for local that names no root", "`policy.root_missing`");
  auto entry = entry_for(enclave());
  entry.root = "";
  const auto ended =
      site().gateway({"verify", enclave().listen, "--policy", site().write_policy("rootless.toml", entry), "--json"});
  EXPECT_EQ(ended.status, 2) << ended.both();
  EXPECT_THAT(ended.both(), HasSubstr("policy.root_missing"));
}

// The first connection is honest, so the local port opens; from then on the host cheats. A request that takes its time
// keeps the honest connection, so that the prompt needs another.
void expect_turning_host_sees_nothing(const char* mode, const char* id) {
  auto words = before_enclave(mode);
  words.insert(words.end(), {"--honest", "1"});
  const Attacker attacker(words);
  const Connection connection(attacker.endpoint());
  harness::HttpAnswer first;
  std::thread busy([&] { first = connection.exchange(harness::get("/slow?ms=900", good_token())); });
  std::this_thread::sleep_for(Milliseconds(300));
  const auto second = connection.exchange(harness::post("/echo", kPrompt, good_token()), "POST");
  busy.join();
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_NE(second.status, 200);
  EXPECT_THAT(second.body, Not(HasSubstr(kPrompt)));
  EXPECT_TRUE(connection.program().wait_for(id)) << connection.program().err();
  expect_saw_nothing(attacker);
}

TEST(Evidence, HostThatTurnsAfterTheFirstConnectionNeverSeesAPrompt) {
  attack("a host that is honest once and a man in the middle afterwards", "`binding.session.exporter`");
  expect_turning_host_sees_nothing("mitm", "binding.session.exporter");
  attack("a host that is honest once and replays afterwards", "`binding.session.nonce`");
  expect_turning_host_sees_nothing("replay", "binding.session.nonce");
}

}  // namespace
}  // namespace gateway::hostile_suite
