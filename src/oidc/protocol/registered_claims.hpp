// The claims that every token for us has (RFC 7519 section 4.1, OpenID Connect Core 2): who issued it, about whom, for
// whom, when.
#pragma once

#include <cstdint>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// How a kind of token is judged.
struct ClaimRules {
    Seconds max_age;    // since iat: an older one was kept by someone
    bool sub_optional;  // a logout token may name a session alone
    Reason issuer, subject, audience, azp, expired, iat;
};

// Checks 2 to 5, 9 and 10 of Core 3.1.3.7: issuer, audience, azp, exp, iat. Fails with the reasons of `rules`. `now` in
// Unix seconds.
void require_claims(const Json& claims, const Provider& provider, std::int64_t now, const ClaimRules& rules);

}  // namespace oidc
