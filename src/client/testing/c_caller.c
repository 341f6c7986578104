/* Compiled as C: the header is C, and the calls work from it. Returns 0, or the number of the step that failed. */
#include "c_caller.h"

#include <string.h>

#include "client/gateway.h"

int call_from_c(const char *endpoint, const char *policy, const char *wrong_policy) {
  gateway_error *error = NULL;
  gateway_header header = {"X-From", "C"};
  gateway_response *response;
  gateway_client *client;
  char buffer[64];
  size_t used = 0;
  ptrdiff_t got;
  int affirmed = 0;
  char *json;

  if (gateway_connect(NULL, policy, NULL, &error) || strcmp(gateway_error_id(error), "client.argument") != 0) return 1;
  gateway_error_free(error);
  if (gateway_connect(endpoint, "nonsense = 1", NULL, &error)) return 2;
  if (gateway_error_outcome(error) != GATEWAY_USAGE) return 3;
  gateway_error_free(error);
  if (gateway_connect(endpoint, wrong_policy, NULL, &error)) return 4;
  if (strcmp(gateway_error_id(error), "policy.measurement") != 0) return 5;
  if (gateway_error_outcome(error) != GATEWAY_REFUSED) return 6;
  gateway_error_free(error);

  json = gateway_verify(endpoint, wrong_policy, NULL, &affirmed, &error);
  if (!json || affirmed || !strstr(json, "\"policy.measurement\"")) return 7;
  gateway_string_free(json);
  json = gateway_verify(endpoint, policy, NULL, &affirmed, &error);
  if (!json || !affirmed || error) return 8;
  gateway_string_free(json);

  client = gateway_connect(endpoint, policy, NULL, NULL);
  if (!client) return 9;
  response = gateway_request(client, "POST", "/", &header, 1, "from C", 6, &error);
  if (!response || gateway_response_status(response) != 200) return 10;
  if (strcmp(gateway_response_header(response, "content-length"), "6") != 0) return 11;
  while ((got = gateway_response_read(response, buffer + used, sizeof buffer - used, &error)) > 0) used += (size_t)got;
  if (got != 0 || used != 6 || memcmp(buffer, "from C", 6) != 0) return 12;
  gateway_response_free(response);
  if (gateway_request(client, "GET", "no path", NULL, 0, NULL, 0, &error)) return 13;
  if (strcmp(gateway_error_id(error), "client.request") != 0) return 14;
  gateway_error_free(error);
  gateway_error_free(NULL);
  gateway_client_free(client);
  return 0;
}
