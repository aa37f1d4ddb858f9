#include "oidc/journey/session_times.hpp"

#include <algorithm>

namespace oidc {

SessionTimes session_times(const Provider& provider, const Tokens& tokens, std::int64_t created, std::int64_t now)
{
    constexpr std::int64_t longest = 10 * 365 * 86400;  // of an access token
    const std::int64_t access = tokens.expires_in ? now + std::clamp<std::int64_t>(*tokens.expires_in, 0, longest) : 0;
    const std::int64_t expires = now + provider.session_timeout;
    const Seconds limit = provider.session_max_lifetime;
    return {created, limit > 0 ? std::min(expires, created + limit) : expires, access, now};
}

// A token that lives shorter than twice `before` is renewed when half of its life is over.
bool refresh_due(const Provider& provider, SessionView session, std::int64_t now) noexcept
{
    const SessionTimes times = session.times();
    const std::int64_t expires = times.access_expires, half = (expires - times.access_issued) / 2;
    const bool near =
        provider.session_refresh && expires > 0 && expires - std::min(provider.refresh_before, half) <= now;
    return near && !session.internal(entry_name::refresh_token).empty();
}

}  // namespace oidc
