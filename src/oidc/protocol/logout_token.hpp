// The logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4) and its validation (2.6).
#pragma once

#include <cstdint>

#include "oidc/base/failure.hpp"
#include "oidc/jose/compact.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/protocol/registered_claims.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

constexpr JoseReasons logout_token_reasons{Reason::logout_token_malformed,  Reason::logout_token_encryption,
                                           Reason::logout_token_encryption, Reason::logout_token_algorithm,
                                           Reason::logout_token_signature,  Reason::logout_token_signature};
constexpr ClaimRules logout_token_rules{600,
                                        true,
                                        Reason::logout_token_issuer,
                                        Reason::logout_token_subject,
                                        Reason::logout_token_audience,
                                        Reason::logout_token_audience,
                                        Reason::logout_token_expired,
                                        Reason::logout_token_iat};

// In the order of 2.6, but for the signature. Fails with a logout_token_* Reason. `now` in Unix seconds.
void require_logout_token(const VerifiedJws& jws, const Provider& provider, std::int64_t now);

}  // namespace oidc
