// The token endpoint: a code or a refresh token for tokens (OpenID Connect Core 3.1.3 and 12, RFC 6749 sections 4.1.3
// and 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

struct Tokens {
    std::string id_token, access_token, refresh_token, scope;  // as sent; empty: not
    std::optional<std::int64_t> expires_in;                    // seconds
};

struct CodeExchange {
    std::string code, redirect_uri, verifier;  // verifier empty: no PKCE
};

// The code leaves at most once. Reasons: token_refused (the code), client_refused, token_malformed, token_type,
// id_token_missing, provider_*; `unanswered` where nobody knows whether the code was used.
Task<Tokens> exchange_code(Context context, const Endpoints& endpoints, CodeExchange exchange);
// Core 12. An ID token may be missing. Reason::refresh_refused: the refresh token is good for nothing any more.
Task<Tokens> refresh_tokens(Context context, const Endpoints& endpoints, std::string refresh_token);

}  // namespace oidc
