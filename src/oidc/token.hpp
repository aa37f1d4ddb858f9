// The token endpoint (OpenID Connect Core 3.1.3, RFC 6749 4.1.3).
#pragma once

#include <cstdint>
#include <string>

#include "ports.hpp"

namespace oidc {

struct Tokens {
    std::string id_token, access_token;
    std::optional<std::int64_t> expires_in;  // seconds
};

// What the exchange of one code needs. The code leaves at most once.
struct CodeExchange {
    std::string code, redirect_uri, verifier;  // verifier empty: no PKCE

    CodeExchange(std::string code_value, std::string uri, std::string code_verifier)
        : code{std::move(code_value)}, redirect_uri{std::move(uri)}, verifier{std::move(code_verifier)}
    {
    }
};

// Reasons: token_refused (the code), client_refused, token_malformed, token_type, id_token_missing, provider_*.
Task<Tokens> exchange_code(const Provider& provider, const Endpoints& endpoints, HttpClient& http, CodeExchange exchange);

// Throws the provider_* Failure of a call that brought no response.
void require_response(const HttpResponse& response, std::string_view what);

}  // namespace oidc
