// Refresh of a session's tokens (OpenID Connect Core 12, RFC 6749 section 6), before the access token ends, in the
// background.
#pragma once

#include "oidc/base/task.hpp"
#include "oidc/ports/context.hpp"
#include "oidc/ports/sessions.hpp"

namespace oidc {

// Renews the tokens of the session under `key`; it keeps its id, and ends session_timeout from now. What the provider
// refuses ends it; whatever keeps us from asking does not. Throws for the log.
Task<bool> refresh(Context context, SessionKey key);

}  // namespace oidc
