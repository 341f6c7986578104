// The vendor's certificates: AMD's root keys (ARK) of Milan, Genoa and Turin with their pins, and the intermediates
// (ASK for VCEK, ASVK for VLEK) that AMD serves beside them. Nothing else can speak for platform snp.
//
// The intermediates are a convenience: evidence rarely carries them. They are verified under their ARK like any other.
//
// Spec: AMD 57230 (VCEK certificate and KDS interface), cert_chain of /vcek/v1/<product> and /vlek/v1/<product>.
#pragma once

#include <array>

#include "attestation/model/snp_claims.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace gateway::attestation::snp {

struct ProductRoots {
  SnpProduct product{};
  crypto::Certificate ark;
  crypto::Sha256 ark_sha256{};
  crypto::Certificate ask;
  crypto::Certificate asvk;
};
using VendorRoots = std::array<ProductRoots, 3>;  // one of each product

ProductRoots make_roots(SnpProduct product, crypto::Certificate ark, crypto::Certificate ask, crypto::Certificate asvk);

// The built-in certificates. Their pins are checked when they are first used; a binary whose constants were altered
// stops there.
const VendorRoots& amd_roots();

const ProductRoots& roots_for(const VendorRoots& roots, SnpProduct product);

}  // namespace gateway::attestation::snp
