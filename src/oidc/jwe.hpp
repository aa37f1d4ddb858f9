// JWE compact decryption (RFC 7516) with OpenSSL: RSA-OAEP, RSA-OAEP-256, ECDH-ES on P-256, with A256GCM only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jose.hpp"
#include "jwks.hpp"

namespace oidc {

struct DecryptPolicy {
    std::vector<std::string> algs;  // allowed key management algorithms, from configuration only
    JoseReasons reasons;
};

// The plaintext of a nested token (W2-W6, W14-W16). Tries the own `enc` keys that fit by kid, else by type (at most 4).
std::string decrypt(std::string_view compact, const std::vector<OwnKey>& keys, const DecryptPolicy& policy);

// The inner JWS of a token as the configuration fixes its shape (W14): with `encrypted` a JWE(JWS) or a refusal, without it a
// plain JWS or a refusal.
Jws unwrap(std::string token, bool encrypted, const std::vector<OwnKey>& keys, const DecryptPolicy& policy);

// One round of the Concat KDF (RFC 7518 section 4.6.2, NIST SP 800-56A 5.8.1): `bits` / 8 bytes, at most 32.
std::string concat_kdf(std::string_view shared, std::string_view algorithm, std::string_view apu, std::string_view apv,
                       std::uint32_t bits);

bool is_jwe_alg(std::string_view alg) noexcept;

}  // namespace oidc
