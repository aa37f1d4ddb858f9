// A provider's published keys: a JSON Web Key Set (RFC 7517 section 5).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <cjose/jwk.h>

#include "oidc/base/openssl.hpp"

namespace oidc {

// One usable public signature key of a provider.
struct VerificationKey {
    std::string kid;                 // empty: none
    std::string alg;                 // empty: any RS* and PS*; a curve has one
    std::size_t signature_size = 0;  // bytes: RSA modulus, or 2 * field size
    Owned<cjose_jwk_t, cjose_jwk_release> key;
};
using Jwks = std::vector<VerificationKey>;

// Parses a fetched set. Keys that cannot verify a signature (oct, OKP, unknown curve, use=enc, weak RSA, key_ops
// without verify) are left out; private members are dropped; at most 64 keys are read.
// Fails with Reason::jwks_malformed when the document is no key set, or holds no usable key.
Jwks parse_jwks(std::string_view json);

}  // namespace oidc
