#include "oidc/journey/refresh.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/journey/revoke_tokens.hpp"
#include "oidc/journey/session_times.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/signed_token.hpp"
#include "oidc/protocol/token_endpoint.hpp"
#include "oidc/provider/endpoints.hpp"

namespace oidc {
namespace {

std::string_view id_claim(SessionView session, std::string_view name)
{
    return session.find(name, EntrySource::id_token).value_or(Entry()).value;
}

// What the old session was, with the new tokens.
NewSession with_new_tokens(Context context, SessionView old, const Tokens& tokens)
{
    NewSession session;
    session.times = session_times(context.provider, tokens, old.times().created, context.request.now);
    session.binding = old.binding();
    session.id_claims = Json::parse(claims_json(old, EntrySource::id_token));
    session.userinfo = Json::parse(claims_json(old, EntrySource::userinfo));
    session.id_token = old.internal(entry_name::id_token);
    session.access_token = tokens.access_token;
    session.refresh_token =
        tokens.refresh_token.empty() ? old.internal(entry_name::refresh_token) : tokens.refresh_token;
    session.scope = tokens.scope.empty() ? old.internal(entry_name::scope) : tokens.scope;
    session.return_path = old.internal(entry_name::return_path);
    session.state_hash = old.internal(entry_name::state_hash);
    return session;
}

// Core 12.2: the same issuer, person, audience; the nonce is the old one or none. How the person logged in stays known.
Task<NewSession> renew(Context context, const Endpoints& endpoints, SessionView old, const Tokens& tokens)
{
    NewSession session = with_new_tokens(context, old, tokens);
    if (tokens.id_token.empty()) co_return session;
    VerifyPolicy policy = id_token_policy(context.provider, endpoints);
    std::string token = tokens.id_token;
    VerifiedJws verified =
        co_await verify_token(context, std::move(token), context.provider.id_token_encryption, policy);

    Expected expected{std::string(id_claim(old, "nonce")), {}, tokens.access_token, true};
    require_id_token(verified, context.provider, expected, context.request.now);

    Json claims = verified.claims();
    if (claims.text("sub") != id_claim(old, "sub"))
        fail(Reason::subject_changed, "the renewed ID token is another person's");
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

Task<bool> refresh(Context context, SessionKey key)
{
    std::optional<std::string> record = co_await context.ports.sessions.read(key);
    const SessionView old(record ? std::string_view(*record) : std::string_view());
    if (!old || !refresh_due(context.provider, old, context.request.now))
        co_return false;  // it has ended, or another worker was quicker

    std::shared_ptr<const Endpoints> endpoints = co_await context.ports.documents.endpoints(context.provider);
    std::string token(old.internal(entry_name::refresh_token));
    std::optional<Failure> failure;
    try {
        Tokens tokens = co_await refresh_tokens(context, *endpoints, std::move(token));
        NewSession session = co_await renew(context, *endpoints, old, tokens);
        std::string renewed = serialize_session(session);
        bool kept = co_await context.ports.sessions.replace(key, renewed, session.times.expires);
        if (!kept && context.provider.revoke_on_logout) {
            co_await revoke_tokens(context, std::move(renewed));
        }
        co_return kept;
    } catch (const Failure& why) {
        failure = why;
    }

    if (ends_session(failure->reason)) {
        co_await context.ports.sessions.take(key);
    }
    throw *failure;
}

}  // namespace oidc
