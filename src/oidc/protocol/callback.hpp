// The answer of the authorization endpoint, in the query of a redirect URI (RFC 6749 section 4.1.2, RFC 9207).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oidc/base/url.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// The value of a parameter that may be there once, and then not empty; "" when it is absent.
// Reason::callback_malformed.
std::string single_value(const std::vector<Param>& params, std::string_view name);
struct Callback {
    std::string code, state, iss, error, error_description;
};
Callback parse_callback(std::string_view query);
// Refuses an error, and with RFC 9207 (mix-up protection) what another issuer sent.
void require_code(const Callback& callback, const Provider& provider, const Endpoints& endpoints);

}  // namespace oidc
