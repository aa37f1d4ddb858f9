// Encrypted tokens (RFC 7516) behind the strict layer W1-W6, W14-W16: OpenSSL decrypts RSA-OAEP, RSA-OAEP-256 and
// ECDH-ES on P-256, with A256GCM only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oidc/jose/compact.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/jose/own_keys.hpp"

namespace oidc {

// The plaintext of a nested token (W2-W6, W14-W16). Tries the own `enc` keys that fit by kid, else by type (at most 4).
// `algs`: of key management, from configuration only.
std::string decrypt(std::string compact, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
                    const JoseReasons& reasons);

// The inner JWS of a token as the configuration fixes its shape (W14): with `encrypted` a JWE(JWS) or a refusal,
// without it a plain JWS or a refusal.
Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const std::vector<std::string>& algs,
           const JoseReasons& reasons);

// One round of the Concat KDF (RFC 7518 section 4.6.2, NIST SP 800-56A 5.8.1): `bits` / 8 bytes, at most 32.
std::string concat_kdf(std::string_view shared, std::string_view alg, std::string_view apu, std::string_view apv,
                       unsigned bits);

}  // namespace oidc
