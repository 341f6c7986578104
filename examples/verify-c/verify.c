/* Verifies evidence in a file, from C, with libgateway-verify and nothing else.
 *
 *     cc -o verify verify.c -lgateway-verify          (installed; from a build folder, as of the project's root:
 *     cc -Isrc/verify_abi -Lbuild/release/src/verify_abi -Wl,-rpath,build/release/src/verify_abi -o verify \
 *        examples/verify-c/verify.c -lgateway-verify)
 *     ./verify [--at MILLISECONDS] [--policy FILE] [--json] EVIDENCE [COLLATERAL...]
 *
 * Exit status as `gateway verify`: 0 accepted, 1 refused, 2 usage, 3 undecided, 4 fault.
 */
#include <gateway_verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_COLLATERAL = 64, LARGEST_FILE = 16 * 1024 * 1024, JSON_ROOM = 256 * 1024 };

/* The whole file, to be freed by the caller; data is NULL when it cannot be read. */
static gateway_verify_bytes read_file(const char* path) {
  gateway_verify_bytes none = {NULL, 0};
  FILE* const file = fopen(path, "rb");
  if (!file) {
    perror(path);
    return none;
  }
  unsigned char* const content = malloc(LARGEST_FILE);
  const size_t size = content ? fread(content, 1, LARGEST_FILE, file) : 0;
  const int whole = content && !ferror(file) && fgetc(file) == EOF;
  fclose(file);
  if (!whole) {
    fprintf(stderr, "%s: cannot be read, or is too large\n", path);
    free(content);
    return none;
  }
  return (gateway_verify_bytes){content, size};
}

static int usage(void) {
  fprintf(stderr, "usage: verify [--at MILLISECONDS] [--policy FILE] [--json] EVIDENCE [COLLATERAL...]\n");
  return GATEWAY_VERIFY_USAGE;
}

int main(int argc, char** argv) {
  static gateway_verify_bytes collateral[MOST_COLLATERAL];
  static char json[JSON_ROOM];
  gateway_verify_request request = {.struct_size = sizeof request};
  gateway_verify_result result = {.struct_size = sizeof result};
  int show_json = 0;

  /* The verifier never asks for the time: who calls it says when. */
  request.at_ms = (int64_t)time(NULL) * 1000;
  request.collateral = collateral;

  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--json") == 0) {
      show_json = 1;
    } else if (strcmp(argv[i], "--at") == 0 && i + 1 < argc) {
      request.at_ms = strtoll(argv[++i], NULL, 10);
    } else {
      gateway_verify_bytes* place = &collateral[request.collateral_count];
      if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc) {
        place = &request.policy;
        ++i;
      } else if (!request.evidence.data) {
        place = &request.evidence;
      } else if (++request.collateral_count > MOST_COLLATERAL) {
        return usage();
      }
      *place = read_file(argv[i]);
      if (!place->data) return GATEWAY_VERIFY_UNDECIDED;
    }
  }
  if (!request.evidence.data) return usage();

  const enum gateway_verify_outcome outcome = gateway_verify_evidence(&request, &result, json, sizeof json);

  if (show_json && json[0]) puts(json);
  if (outcome == GATEWAY_VERIFY_OK) {
    fprintf(stderr, "%s\n", request.policy.data ? "accepted" : "authentic (not appraised: no policy was given)");
  } else {
    fprintf(stderr, "%s: %s\n", result.reason[0] ? result.reason : "usage", result.detail);
  }
  free((void*)request.evidence.data);
  free((void*)request.policy.data);
  for (size_t i = 0; i < request.collateral_count; ++i) free((void*)collateral[i].data);
  return (int)outcome;
}
