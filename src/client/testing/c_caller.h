#ifndef GATEWAY_CLIENT_TESTING_C_CALLER_H
#define GATEWAY_CLIENT_TESTING_C_CALLER_H

#if defined(__cplusplus)
extern "C"
#endif
    int
    call_from_c(const char* endpoint, const char* policy, const char* wrong_policy);

#endif
