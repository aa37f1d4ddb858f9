// Logout that begins here (OpenID Connect RP-Initiated Logout 1.0): the session ends first, then the browser goes to
// the provider.
#pragma once

#include <string_view>

#include "oidc/base/failure.hpp"
#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {

// logout_uri. Never fails for a provider's fault: without its end_session endpoint the browser goes to the page after
// logout.
Task<Reply> logout(Context context);
// The answer to a login whose tokens are genuine and someone else's: no session, and `id_token` logs that person out
// (tamper_action).
Reply reject_tampered_login(Context context, const Endpoints& endpoints, std::string_view id_token, Failure why);
// The return from the provider: verifies our `state` (single use). Reason::logout_state.
Task<Reply> finish_logout(Context context);

}  // namespace oidc
