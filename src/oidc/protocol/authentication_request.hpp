// The authentication request (OpenID Connect Core 3.1.2.1).
#pragma once

#include <string>
#include <string_view>

#include "oidc/ports/request.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// What one login sends beside the provider's configuration. The views outlive the call.
struct AuthenticationRequest {
    std::string_view state, nonce, verifier;  // verifier empty: no PKCE
    std::string acr, scope;                   // levels asked for; scopes beside the provider's; separated by spaces
};

bool uses_pkce(const Provider& provider, const Endpoints& endpoints);
bool uses_par(const Provider& provider, const Endpoints& endpoints);

// The provider's scopes, and `more` beside them; separated by spaces.
std::string all_scopes(const Provider& provider, const std::string& more);

// The address to send the browser to, its parameters in the order in which the French providers document them.
std::string authorization_url(const Provider& provider, const Endpoints& endpoints, const Request& request,
                              const AuthenticationRequest& asked);

}  // namespace oidc
