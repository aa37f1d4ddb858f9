// Refresh of a session's tokens (OpenID Connect Core 12, RFC 6749 section 6).
#include "login.hpp"

namespace oidc {
namespace {

std::string_view id_claim(SessionView session, std::string_view name)
{
    return session.find(name, Source::id_token).value_or(Entry()).value;
}

// What the old session was, with the new tokens.
NewSession carried_over(Journey on, SessionView old, const Tokens& tokens)
{
    NewSession session;
    session.times = times_of(on.provider, tokens, old.times().created, on.request.now);
    session.binding = old.binding();
    session.id_claims = Json::parse(claims_json(old, Source::id_token));
    session.userinfo = Json::parse(claims_json(old, Source::userinfo));
    session.id_token = old.internal(entry_name::id_token);
    session.access_token = tokens.access_token;
    session.refresh_token = tokens.refresh_token.empty() ? old.internal(entry_name::refresh_token) : tokens.refresh_token;
    session.scope = tokens.scope.empty() ? old.internal(entry_name::scope) : tokens.scope;
    session.return_path = old.internal(entry_name::return_path);
    session.state_hash = old.internal(entry_name::state_hash);
    return session;
}

// Core 12.2: the same issuer, person, audience; the nonce is the old one or none. How the person logged in stays known.
Task<NewSession> renew(Journey on, const Endpoints& endpoints, SessionView old, const Tokens& tokens)
{
    NewSession session = carried_over(on, old, tokens);
    if (tokens.id_token.empty()) co_return session;
    VerifyPolicy policy = id_token_policy(on.provider, endpoints);
    std::string token = tokens.id_token;
    VerifiedJws verified = co_await open_token(on, std::move(token), on.provider.id_token_encryption, policy);
    Expected expected{std::string(id_claim(old, "nonce")), {}, tokens.access_token, true};
    require_id_token(verified, on.provider, expected, on.request.now);
    Json claims = verified.claims();
    if (claims.text("sub") != id_claim(old, "sub")) fail(Reason::subject_changed, "the renewed ID token is another person's");
    for (const char* name : {"acr", "amr", "auth_time", "nonce", "sid"})
        if (!claims.has(name) && session.id_claims.has(name)) claims.set(name, session.id_claims.at(name));
    session.id_claims = claims;
    session.id_token = verified.compact();
    co_return session;
}

// Who was not reached, or could not do its work, has refused nothing.
bool ends_session(Reason reason) noexcept
{
    const std::string_view name = name_of(reason);
    return reason == Reason::refresh_refused || reason == Reason::subject_changed || name.starts_with("id_token_");
}

}  // namespace

SessionTimes times_of(const Provider& provider, const Tokens& tokens, std::int64_t created, std::int64_t now)
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
    const bool near = provider.session_refresh && expires > 0 && expires - std::min(provider.refresh_before, half) <= now;
    return near && !session.internal(entry_name::refresh_token).empty();
}

Task<bool> refresh(Journey on, SessionKey key)
{
    std::optional<std::string> record = co_await on.ports.sessions.read(key);
    const SessionView old(record ? std::string_view(*record) : std::string_view());
    if (!old || !refresh_due(on.provider, old, on.request.now)) co_return false;  // it has ended, or another worker was quicker
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    std::string token(old.internal(entry_name::refresh_token));
    std::optional<Failure> failure;
    try {
        Tokens tokens = co_await refresh_tokens(on, *endpoints, std::move(token));
        NewSession session = co_await renew(on, *endpoints, old, tokens);
        std::string renewed = serialize(session);
        bool kept = co_await on.ports.sessions.replace(key, renewed, session.times.expires);
        if (!kept && on.provider.revoke_on_logout) {
            co_await revoke(on, std::move(renewed));
        }
        co_return kept;
    } catch (const Failure& why) {
        failure = why;
    }
    if (ends_session(failure->reason)) {
        co_await on.ports.sessions.take(key);
    }
    throw *failure;
}

}  // namespace oidc
