// JSON Web Keys (RFC 7517): the provider's set, and our own keys. W7, W8, W10, W11, W12 of the strict layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cjose/cjose.h>
#include <openssl/evp.h>

#include "secret.hpp"

namespace oidc {

struct JwkRelease {
    void operator()(cjose_jwk_t* key) const noexcept { cjose_jwk_release(key); }
};
struct PkeyFree {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

enum class KeyType : std::uint8_t { rsa, ec };
enum class Curve : std::uint8_t { none, p256, p384, p521 };

// One usable public signature key of a provider.
struct VerificationKey {
    std::string kid;  // empty: none
    std::string alg;  // empty: any that fits
    KeyType type = KeyType::rsa;
    Curve curve = Curve::none;
    std::size_t signature_size = 0;  // bytes: RSA modulus, or 2 * field size
    std::unique_ptr<cjose_jwk_t, JwkRelease> key;
};

struct Jwks {
    std::vector<VerificationKey> keys;
};

// Parses a fetched set. Keys that cannot verify a signature (oct, OKP, unknown curve, use=enc, weak RSA, key_ops
// without verify) are left out; private members are dropped; at most 64 keys are read.
// Fails with Reason::jwks_malformed when the document is no key set, or holds no usable key.
Jwks parse_jwks(std::string_view json);

enum class KeyUse : std::uint8_t { sig, enc };
enum class KeyState : std::uint8_t { next, active, retired };

// One of the relying party's own private keys (client_key).
struct OwnKey {
    std::string kid;
    std::string alg;  // empty: any that fits the key
    KeyUse use = KeyUse::enc;
    KeyState state = KeyState::active;
    KeyType type = KeyType::rsa;
    std::unique_ptr<EVP_PKEY, PkeyFree> key;
};

// Reads a private key, PEM (PKCS#1, SEC1, PKCS#8) or JWK. `kid` empty: the JWK's own, else the RFC 7638 thumbprint.
// `alg` empty: the JWK's own, else any. Throws std::invalid_argument with a sentence that names the remedy (for nginx -t):
// not a private key, kind or curve unsupported, RSA outside 2048..8192 bits, alg that the key cannot do.
OwnKey load_own_key(std::string_view text, KeyUse use, std::string_view alg, std::string_view kid);

// The public members of the active keys as a JWK set (RFC 7517 section 5), never a private member.
std::string public_jwks(const std::vector<OwnKey>& keys);

}  // namespace oidc
