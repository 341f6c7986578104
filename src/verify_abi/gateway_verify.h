/* libgateway-verify: evidence of AWS Nitro Enclaves, AMD SEV-SNP, Intel TDX and Intel SGX, verified offline.
 *
 *     gateway_verify_request request = {.struct_size = sizeof request};
 *     gateway_verify_result result = {.struct_size = sizeof result};
 *     request.evidence = (gateway_verify_bytes){bytes, size};
 *     request.policy = (gateway_verify_bytes){policy_toml, policy_size};
 *     request.at_ms = now_ms;
 *     if (gateway_verify_evidence(&request, &result, NULL, 0) != GATEWAY_VERIFY_OK) fprintf(stderr, "%s\n",
 * result.reason);
 *
 * No network, no files, no clock, no globals. Nothing is allocated for the caller and nothing is kept: all memory is
 * the caller's, before and after, and everything that is pointed to is only read. Any number of threads may call at
 * once.
 *
 * Structures begin with their own size, which the caller sets; all other fields start as zero, which means "none". A
 * program that was compiled with an older header works with a newer library, and the other way round as long as it uses
 * no field that the library does not know: then it is told so, and nothing is left unchecked in silence.
 */
#ifndef GATEWAY_VERIFY_H
#define GATEWAY_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* What is returned: the same numbers as the exit status of `gateway verify`. */
enum gateway_verify_outcome {
  GATEWAY_VERIFY_OK = 0,        /* authentic, and accepted by the policy where one was given */
  GATEWAY_VERIFY_REFUSED = 1,   /* the answer is no */
  GATEWAY_VERIFY_USAGE = 2,     /* a mistake in the request, the policy included */
  GATEWAY_VERIFY_UNDECIDED = 3, /* something needed was missing: collateral, a CRL */
  GATEWAY_VERIFY_FAULT = 4      /* a fault of this library, or out of memory */
};

enum gateway_verify_platform {
  GATEWAY_VERIFY_PLATFORM_NONE = 0, /* in a request: recognised from the bytes; in a result: not recognised */
  GATEWAY_VERIFY_PLATFORM_NITRO = 1,
  GATEWAY_VERIFY_PLATFORM_LOCAL = 2,
  GATEWAY_VERIFY_PLATFORM_SNP = 3,
  GATEWAY_VERIFY_PLATFORM_TDX = 4,
  GATEWAY_VERIFY_PLATFORM_SGX = 5
};

enum gateway_verify_appraisal { /* AR4SI's words */
                                GATEWAY_VERIFY_NONE = 0,
                                GATEWAY_VERIFY_AFFIRMING = 1,
                                GATEWAY_VERIFY_WARNING = 2, /* accepted, with something to mend before a date */
                                GATEWAY_VERIFY_CONTRAINDICATED = 3
};

enum gateway_verify_answer { GATEWAY_VERIFY_NO = 0, GATEWAY_VERIFY_YES = 1, GATEWAY_VERIFY_UNKNOWN = 2 };

typedef struct {
  const void* data; /* NULL: not given */
  size_t size;
} gateway_verify_bytes;

typedef struct {
  size_t struct_size;                     /* sizeof(gateway_verify_request) */
  gateway_verify_bytes evidence;          /* raw, or in any form of docs/evidence-formats.md */
  gateway_verify_bytes policy;            /* TOML; not given: authenticity alone is judged */
  const gateway_verify_bytes* collateral; /* certificates, CRLs, TCB data: files as they are, in any order */
  size_t collateral_count;
  int64_t at_ms;                    /* judge as of this time: milliseconds since 1970-01-01T00:00:00Z */
  gateway_verify_bytes nonce;       /* must be the Nitro document's nonce */
  gateway_verify_bytes report_data; /* must be the evidence's report data (SEV-SNP, TDX, SGX) */
  gateway_verify_bytes roots_pem;   /* further roots, for platform local alone */
  uint32_t platform;                /* enum gateway_verify_platform: evidence of any other is refused */
  uint32_t reserved;                /* zero */
} gateway_verify_request;

typedef struct {
  size_t struct_size;    /* sizeof(gateway_verify_result) */
  uint32_t outcome;      /* what was returned */
  uint32_t authentic;    /* enum gateway_verify_answer */
  uint32_t debug;        /* enum gateway_verify_answer */
  uint32_t appraisal;    /* enum gateway_verify_appraisal */
  uint32_t platform;     /* enum gateway_verify_platform */
  uint32_t reserved;     /* zero */
  int64_t not_before_ms; /* the verdict holds within these; both zero when there is none */
  int64_t not_after_ms;
  size_t json_size; /* of the whole JSON, its terminating zero byte included; 0 when there is none */
  char reason[128]; /* dotted id of the first failed check, stable; empty when all held */
  char detail[512]; /* for people: expected, found and what to do; cut at the end when longer */
} gateway_verify_result;

/* The version of this interface; it only grows. */
#define GATEWAY_VERIFY_ABI_VERSION 1
uint32_t gateway_verify_abi_version(void);
const char* gateway_verify_version(void); /* of the library, for people: "0.1.0" */

/* Verifies, fills *result and returns result->outcome. Where `json` is not NULL it gets the whole verdict, every check
 * with what was expected, found and to be done, as `gateway verify --json` prints it, terminated by a zero byte; when
 * it does not fit into json_capacity, json is the empty text and result->json_size says how much room it needs. 256 KiB
 * hold any verdict on evidence of a usual size. */
enum gateway_verify_outcome gateway_verify_evidence(const gateway_verify_request* request,
                                                    gateway_verify_result* result, char* json, size_t json_capacity);

#if defined(__cplusplus)
}
#endif

#endif
