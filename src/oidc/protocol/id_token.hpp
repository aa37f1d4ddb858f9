// The ID token (OpenID Connect Core 2) and its validation (3.1.3.7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/protocol/registered_claims.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

constexpr JoseReasons id_token_reasons{Reason::id_token_malformed,  Reason::id_token_encryption,
                                       Reason::id_token_decryption, Reason::id_token_algorithm,
                                       Reason::id_token_key,        Reason::id_token_signature};
constexpr ClaimRules id_token_rules{24 * 3600,
                                    false,
                                    Reason::id_token_issuer,
                                    Reason::id_token_subject,
                                    Reason::id_token_audience,
                                    Reason::id_token_azp,
                                    Reason::id_token_expired,
                                    Reason::id_token_iat};

// The algorithms configured for ID tokens, else the asymmetric ones that the metadata names, if it does.
VerifyPolicy id_token_policy(const Provider& provider, const Endpoints& endpoints);
// What this login asked for and received, to which its ID token must answer.
struct Expected {
    std::string nonce;
    std::vector<std::string> acr;  // the levels asked for, empty: not judged
    std::string access_token;      // for at_hash
    bool renewal = false;          // Core 12.2: the nonce may be missing, and the login is as old as it is
};

// OpenID Connect Core 3.1.3.7, but for the signature. Throws Failure with an id_token_* Reason. `now` in Unix seconds.
void require_id_token(const VerifiedJws& jws, const Provider& provider, const Expected& expected, std::int64_t now);

}  // namespace oidc
