// A policy that accepts what a fake vendor's documents say.
#pragma once

#include <string>

#include "attestation/testing/fake_vendor.h"

namespace gateway::verify_abi::testing {

inline std::string policy_for(const attestation::testing::FakeVendor& vendor) {
  std::string measurements;
  for (const auto& [index, value] : vendor.fields().pcrs) {
    if (index > 2) continue;
    measurements += (index == 0 ? "\"" : ", \"") + std::to_string(index) + "\" = \"" + to_hex(value) + "\"";
  }
  return "[[accept]]\nplatform = \"local\"\nroot = \"sha256:" + to_hex(vendor.root_sha256()) + "\"\nmeasurements = { " +
         measurements + " }\n";
}

}  // namespace gateway::verify_abi::testing
