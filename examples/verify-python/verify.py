#!/usr/bin/env python3
"""Verifies evidence in a file, from Python, with libgateway-verify and the standard library alone.

    ./verify.py [--at MILLISECONDS] [--policy FILE] EVIDENCE [COLLATERAL ...]

Prints the verdict as JSON. Exit status as `gateway verify`: 0 accepted, 1 refused, 2 usage, 3 undecided, 4 fault.
GATEWAY_VERIFY_LIBRARY names the library where it is not installed: build/release/src/verify_abi/libgateway-verify.so.1
"""
import argparse
import ctypes
import json
import os
import sys
import time
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, sizeof


class Bytes(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("size", c_size_t)]

    @classmethod
    def of(cls, content):
        return cls() if content is None else cls(content, len(content))


class Request(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("evidence", Bytes),
        ("policy", Bytes),
        ("collateral", POINTER(Bytes)),
        ("collateral_count", c_size_t),
        ("at_ms", c_int64),
        ("nonce", Bytes),
        ("report_data", Bytes),
        ("roots_pem", Bytes),
        ("platform", c_uint32),
        ("reserved", c_uint32),
    ]


class Result(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("outcome", c_uint32),
        ("authentic", c_uint32),
        ("debug", c_uint32),
        ("appraisal", c_uint32),
        ("platform", c_uint32),
        ("reserved", c_uint32),
        ("not_before_ms", c_int64),
        ("not_after_ms", c_int64),
        ("json_size", c_size_t),
        ("reason", c_char * 128),
        ("detail", c_char * 512),
    ]


def load():
    library = ctypes.CDLL(os.environ.get("GATEWAY_VERIFY_LIBRARY", "libgateway-verify.so.1"))
    library.gateway_verify_evidence.argtypes = [POINTER(Request), POINTER(Result), c_char_p, c_size_t]
    library.gateway_verify_evidence.restype = c_int
    return library


def verify(library, evidence, policy=None, collateral=(), at_ms=None, nonce=None, report_data=None):
    """Returns (outcome, result, verdict): verdict is the JSON of `gateway verify --json`, or None after a usage error."""
    files = (Bytes * len(collateral))(*(Bytes.of(content) for content in collateral))
    # The verifier never asks for the time: who calls it says when.
    request = Request(
        struct_size=sizeof(Request),
        evidence=Bytes.of(evidence),
        policy=Bytes.of(policy),
        collateral=files,
        collateral_count=len(files),
        at_ms=int(time.time() * 1000) if at_ms is None else at_ms,
        nonce=Bytes.of(nonce),
        report_data=Bytes.of(report_data),
    )
    result = Result(struct_size=sizeof(Result))
    room = ctypes.create_string_buffer(256 * 1024)
    outcome = library.gateway_verify_evidence(byref(request), byref(result), room, len(room))
    if result.json_size > len(room):
        room = ctypes.create_string_buffer(result.json_size)
        outcome = library.gateway_verify_evidence(byref(request), byref(result), room, len(room))
    return outcome, result, json.loads(room.value) if room.value else None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description="Verifies evidence with libgateway-verify.")
    parser.add_argument("evidence")
    parser.add_argument("collateral", nargs="*")
    parser.add_argument("--policy")
    parser.add_argument("--at", type=int, metavar="MILLISECONDS")
    given = parser.parse_args()
    outcome, result, verdict = verify(
        load(),
        read(given.evidence),
        policy=read(given.policy) if given.policy else None,
        collateral=[read(path) for path in given.collateral],
        at_ms=given.at,
    )
    if verdict is not None:
        print(json.dumps(verdict, indent=2))
    if outcome != 0:
        print(f"{result.reason.decode()}: {result.detail.decode()}", file=sys.stderr)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
