#!/bin/sh
# check_library.sh LIBRARY: what the shared library needs and exports is what its README says, and nothing else.
set -eu
needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libcrypto\.so\.3|libstdc\+\+\.so\.6|libm\.so\.6|libgcc_s\.so\.1|libc\.so\.6|ld-linux-x86-64\.so\.2)$' || true)
[ -z "$needed" ] || { echo "needs more than it may: $needed"; exit 1; }
names=$(nm -D --defined-only "$1" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort | tr '\n' ' ')
[ "$names" = "gateway_verify_abi_version gateway_verify_evidence gateway_verify_version " ] || { echo "exports $names"; exit 1; }
[ "$(nm -D --defined-only "$1" | grep -cvE ' (T|A) ')" -eq 0 ] || { echo "exports data or weak symbols:"; nm -D --defined-only "$1"; exit 1; }
# No sockets, no files, no clock: what the verifier must never call, it does not link against.
imports=$(nm -D --undefined-only "$1" | awk '{ print $2 }' | sed 's/@.*//' | grep -xE 'socket|connect|open|open64|openat|fopen|fopen64|clock_gettime|time|gettimeofday|getenv|secure_getenv|.*(basic_filebuf|basic_ifstream|basic_ofstream|system_clock3now|steady_clock3now|random_device).*' || true)
[ -z "$imports" ] || { echo "imports $imports"; exit 1; }
