// The endpoints of a provider.
#pragma once

#include <string>
#include <vector>

namespace oidc {

// The endpoints in force: metadata (OpenID Connect Discovery 1.0 section 3) overridden by `endpoint` directives.
struct Endpoints {
    std::string authorization, token, userinfo, jwks, end_session, revocation, par;
    std::vector<std::string> auth_methods;         // token_endpoint_auth_methods_supported
    std::vector<std::string> auth_algs;            // token_endpoint_auth_signing_alg_values_supported
    std::vector<std::string> id_token_algs;        // id_token_signing_alg_values_supported
    bool pkce_s256 = false, callback_iss = false;  // authorization_response_iss_parameter_supported
    bool par_required = false;                     // require_pushed_authorization_requests
};

}  // namespace oidc
