// Logout (OpenID Connect RP-Initiated Logout 1.0): the session ends here first, then the browser goes to the provider.
#pragma once

#include "ports.hpp"
#include "request.hpp"

namespace oidc {

// logout_uri. Never fails for a provider's fault: without its end_session endpoint the browser goes to the page after logout.
Task<Reply> logout(const Provider& provider, Ports& ports, const Request& request);

// The return from the provider: verifies our `state` (single use). Reason::logout_state.
Task<Reply> logged_out(const Provider& provider, Ports& ports, const Request& request);

}  // namespace oidc
