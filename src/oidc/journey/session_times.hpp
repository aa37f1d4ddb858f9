// How long a session and its access token live.
#pragma once

#include <cstdint>

#include "oidc/ports/session_record.hpp"
#include "oidc/protocol/token_endpoint.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {

// `created`: when the login was, in Unix seconds as `now`. The session ends session_timeout from now, at most
// session_max_lifetime after its login.
SessionTimes session_times(const Provider& provider, const Tokens& tokens, std::int64_t created, std::int64_t now);
// Whether the access token is to be renewed now: a refresh token is there, and the end is near.
bool refresh_due(const Provider& provider, SessionView session, std::int64_t now) noexcept;

}  // namespace oidc
