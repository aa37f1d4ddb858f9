// The relying party's own private keys (client_key), and the set of public ones that it serves (client_jwks_uri).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oidc/base/openssl.hpp"

namespace oidc {

enum class KeyUse : std::uint8_t { sig, enc };
enum class KeyState : std::uint8_t { next, active, retired };
struct OwnKey {
    std::string kid;
    std::string alg;  // empty: any that fits the key
    KeyUse use = KeyUse::enc;
    KeyState state = KeyState::active;
    Pkey key;
    std::vector<std::pair<std::string, std::string>> thumbprints{};  // of its certificate, as a JWS header has them
};

// Reads a private key, PEM (PKCS#1, SEC1, PKCS#8) or JWK. `kid` empty: the JWK's own, else the RFC 7638 thumbprint.
// A PEM file of a signature key may hold its certificate too, the first one: for `x5t` and `x5t#S256` (RFC
// 7515 4.1.7, 4.1.8). `alg` empty: the JWK's own, else any. Throws std::invalid_argument with a sentence that names the
// remedy (for nginx -t): not a private key, kind or curve unsupported, RSA outside 2048..8192 bits, alg that the key
// cannot do, certificate of another key.
OwnKey load_own_key(std::string_view text, KeyUse use, std::string_view alg, std::string_view kid);

bool can_decrypt(const OwnKey& key, std::string_view alg);
std::string public_jwks(const std::vector<OwnKey>& keys);  // of the active keys, never a private member

}  // namespace oidc
