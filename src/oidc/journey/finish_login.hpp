// The end of a login: the provider's answer arrives at the redirect URI (OpenID Connect Core 3.1.2.5 to 3.1.3.7, 5.3).
#pragma once

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/request.hpp"
#include "oidc/ports/session_record.hpp"

namespace oidc {

// `existing`: the live session of this provider, when the browser has one. A callback that comes late, or again, leads
// to its page when there is a session, else its login begins once more. Reasons: callback_*, state_*, login_*,
// provider_*, client_refused, token_*, id_token_*, userinfo_*, subject_changed, scope_refused, session_*.
Task<Reply> finish_login(Context context, SessionView existing);

}  // namespace oidc
