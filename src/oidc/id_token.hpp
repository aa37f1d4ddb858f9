// Validation of an ID token (OpenID Connect Core 3.1.3.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jose.hpp"
#include "provider.hpp"

namespace oidc {

// What this login asked for and received, to which the token must answer.
struct Expected {
    std::string nonce;
    std::vector<std::string> acr;             // the levels asked for, empty: not judged
    std::string access_token;                 // for at_hash
    std::optional<std::int64_t> max_age;      // seconds
};

// The configured signature algorithms, else every asymmetric one.
const std::vector<std::string>& allowed_algs(const Provider& provider);

// Throws Failure with an id_token_* Reason. `now` in Unix seconds. The caller has verified nothing before.
VerifiedJws verify_id_token(const Jws& token, const Jwks& keys, const Provider& provider, const Expected& expected, std::int64_t now);

// Checks 2-5 and 9-10 (issuer, audience, azp, exp, iat) on already verified claims.
void require_claims(const Json& claims, const Provider& provider, std::int64_t now);

// True when `level` is one of `asked`, or stands above one of them in one of the provider's orders of strength.
bool acr_at_least(const std::vector<std::vector<std::string>>& orders, const std::vector<std::string>& asked, std::string_view level);

}  // namespace oidc
