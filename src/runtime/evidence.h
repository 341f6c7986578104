// The attestation endpoint: quotes that carry verifiers' nonces, and a signed statement for each session.
//
//     GET /.well-known/gateway/attestation?nonce=<64 hex digits>[&fresh=1]
//
// A caller chooses the nonce and nothing else. Without fresh=1 the current quote is returned with a new S; a quote
// older than kMaxQuoteAge is renewed for whoever asks next. Fresh nonces are gathered only while a quote is in flight:
// an idle service quotes at once, so a lone caller never waits the 50 ms that the rules would allow, and under load a
// batch is what arrived during the quote before (at most 64; the rest goes into the next). One quote in flight, at most
// 1,024 requests waiting; then 503.
// Threads: a worker of its own talks to the attester; everything else is on the loop's thread, which never blocks.
// Spec:    docs/trust.md §1.
// Errors:  400 evidence.query; 405 gate.method; 500 evidence.session; 503 evidence.busy, evidence.unavailable
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "attester/attester.h"
#include "net/loop.h"
#include "runtime/identity.h"
#include "server/seam.h"

namespace gateway::runtime {

inline constexpr std::size_t kMaxWaitingForQuote = 1024;
inline constexpr std::chrono::minutes kMaxQuoteAge{5};

struct EvidenceMetrics {
  std::uint64_t requests = 0;
  std::uint64_t quotes = 0;
  std::uint64_t failures = 0;
};

class EvidenceService {
 public:
  // Uses the attester from a thread of its own, beside whoever else may: the device lets one wait for the other. Makes
  // the first quote, without nonces, before it returns. Errors: those of the attester.
  static Result<std::unique_ptr<EvidenceService>> start(net::Loop& loop, attester::Attester& attester,
                                                        const Identity& identity);
  ~EvidenceService();  // answers nobody who still waits
  EvidenceService(const EvidenceService&) = delete;
  EvidenceService& operator=(const EvidenceService&) = delete;

  server::Decision answer(std::string_view query, const server::SessionContext& session);
  const EvidenceMetrics& metrics() const { return metrics_; }

 private:
  struct Quote {
    Bytes q;
    Bytes evidence;
  };
  struct Waiting {
    attestation::Nonce nonce{};
    ByteArray<32> exporter{};
    server::Respond respond;
  };
  struct Shared;  // of loop and worker

  EvidenceService(net::Loop& loop, attester::Attester& attester, const Identity& identity);
  void work();
  void start_quote();
  void finish_quote(Result<Quote> quote);
  server::LocalResponse respond_with(const Quote& quote, const attestation::Nonce& nonce,
                                     const ByteArray<32>& exporter) const;
  static Result<Quote> make_quote(attester::Attester& attester, ByteView k,
                                  const std::vector<attestation::Nonce>& nonces);

  net::Loop& loop_;
  attester::Attester& attester_;
  const Identity& identity_;
  Quote current_;
  std::chrono::steady_clock::time_point quoted_at_{};
  std::deque<Waiting> waiting_;     // for the next quote
  std::vector<Waiting> in_flight_;  // in the quote that is being made
  bool quoting_ = false;
  EvidenceMetrics metrics_;
  std::shared_ptr<Shared> shared_;
  std::thread worker_;
};

}  // namespace gateway::runtime
