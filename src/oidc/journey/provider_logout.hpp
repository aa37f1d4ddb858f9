// Logout that the provider tells of. A login under way at that moment goes on.
#pragma once

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"

namespace oidc {

// OpenID Connect Back-Channel Logout 1.0: a POST of a logout token. Reasons: logout_token_*, provider_*.
Task<Reply> backchannel_logout(Context context);
// Front-Channel Logout 1.0: from an iframe, for the session of the browser's cookie, or by `iss` and `sid`.
// Reason::logout_refused.
Task<Reply> frontchannel_logout(Context context, SessionView existing);

}  // namespace oidc
