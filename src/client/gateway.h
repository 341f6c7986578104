/* libgateway for C, and for whatever can call C: verify an enclave, then talk to it.
 *
 *     gateway_error *error = NULL;
 *     gateway_client *client = gateway_connect("enclave.example:8443", policy_toml, NULL, &error);
 *     if (!client) { fprintf(stderr, "%s\n", gateway_error_id(error)); gateway_error_free(error); return 1; }
 *
 * Nothing is sent before evidence, keys and this very TLS session verified under the policy (docs/trust.md). An answer
 * is over only when gateway_response_read() returns 0; an answer that was cut short is an error.
 *
 * Objects are opaque and owned by the caller until freed; every *_free accepts NULL. Strings that are returned belong
 * to the object they came from. A client and its responses are used by one thread at a time; one response lives at a
 * time. On failure a function returns NULL or -1 and, where `error` is not NULL, sets *error to an object to be freed.
 */
#ifndef GATEWAY_CLIENT_GATEWAY_H
#define GATEWAY_CLIENT_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* As on the command line: what a caller can do about an error. */
enum gateway_outcome {
  GATEWAY_REFUSED = 1,   /* the answer is no */
  GATEWAY_USAGE = 2,     /* a mistake in what was given */
  GATEWAY_UNDECIDED = 3, /* something needed was missing or unreachable: try again */
  GATEWAY_FAULT = 4      /* a fault of this library */
};

typedef struct gateway_client gateway_client;
typedef struct gateway_response gateway_response;
typedef struct gateway_error gateway_error;

/* Zero means the default. */
typedef struct {
  const char* roots_pem;        /* further roots for platform local; those that the policy names need none */
  uint32_t connect_timeout_ms;  /* TCP, TLS and verification together */
  uint32_t response_timeout_ms; /* between bytes of an answer */
} gateway_options;

const char* gateway_version(void);

const char* gateway_error_id(const gateway_error* error);     /* dotted, stable: "binding.session.exporter" */
const char* gateway_error_detail(const gateway_error* error); /* a sentence for people */
const char* gateway_error_remedy(const gateway_error* error);
enum gateway_outcome gateway_error_outcome(const gateway_error* error);
void gateway_error_free(gateway_error* error);

/* The policy is TOML (docs/cli.md); options may be NULL. */
gateway_client* gateway_connect(const char* endpoint, const char* policy_toml, const gateway_options* options,
                                gateway_error** error);
/* The verdict alone, as the JSON of `gateway verify --json`, to be freed with gateway_string_free. NULL only when there
 * was nobody to judge; a refusal is a verdict, and *affirmed says which. */
char* gateway_verify(const char* endpoint, const char* policy_toml, const gateway_options* options, int* affirmed,
                     gateway_error** error);
void gateway_string_free(char* text);
void gateway_client_free(gateway_client* client);

typedef struct {
  const char* name;
  const char* value;
} gateway_header;

gateway_response* gateway_request(gateway_client* client, const char* method, const char* target,
                                  const gateway_header* headers, size_t header_count, const void* body,
                                  size_t body_size, gateway_error** error);
int gateway_response_status(const gateway_response* response);
const char* gateway_response_header(const gateway_response* response, const char* lower_case_name); /* or NULL */
/* The next bytes, as soon as there are any; 0 when the answer is whole; -1 on failure. */
ptrdiff_t gateway_response_read(gateway_response* response, void* into, size_t size, gateway_error** error);
/* An answer that was not read to its end costs its connection. */
void gateway_response_free(gateway_response* response);

#if defined(__cplusplus)
}
#endif

#endif
