// Connections that the workload opens itself, with whatever bytes the test wants: what came back, in words.
#pragma once

#include <string>

// "connect: ECONNREFUSED" and its like; or "ok:" and the bytes that came until the end, or until `idle_ms` without any.
std::string reach_tcp(const std::string& address, unsigned port, const std::string& bytes, unsigned long idle_ms);
std::string reach_udp(const std::string& address, unsigned port, const std::string& bytes, unsigned long idle_ms);
