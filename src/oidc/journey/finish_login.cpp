#include "oidc/journey/finish_login.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oidc/base/base64.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/jose/jws.hpp"
#include "oidc/journey/begin_login.hpp"
#include "oidc/journey/logout.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/journey/session_times.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/protocol/authentication_request.hpp"
#include "oidc/protocol/callback.hpp"
#include "oidc/protocol/id_token.hpp"
#include "oidc/protocol/signed_token.hpp"
#include "oidc/protocol/token_endpoint.hpp"
#include "oidc/protocol/userinfo.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/provider.hpp"
#include "oidc/provider/session_cookie.hpp"

namespace oidc {
namespace {

std::string state_hash(std::string_view state) { return base64url(view(sha256(state)).substr(0, 16)); }

// Core 3.1.3.7, 5.3: whose tokens they are. `verified_token`: the ID token, once the provider has proved to be its
// author.
Task<NewSession> verify_login(Context context, const Endpoints& endpoints, const PendingRequest& pending,
                              const Tokens& tokens, std::string& verified_token)
{
    const Provider& provider = context.provider;
    VerifyPolicy policy = id_token_policy(provider, endpoints);
    std::string token = tokens.id_token;
    VerifiedJws verified = co_await verify_token(context, std::move(token), provider.id_token_encryption, policy);
    verified_token = verified.compact();
    Expected expected{std::string(pending.nonce()), words(pending.acr), tokens.access_token};
    require_id_token(verified, provider, expected, context.request.now);

    NewSession session;
    session.id_claims = verified.claims();
    session.id_token = verified_token;
    session.access_token = tokens.access_token;
    session.refresh_token = tokens.refresh_token;
    session.scope = tokens.scope.empty() ? all_scopes(provider, pending.scope) : tokens.scope;
    session.times = session_times(provider, tokens, context.request.now, context.request.now);
    session.binding = provider.binding;
    session.return_path = pending.return_path;
    session.state_hash = state_hash(pending.state());
    if (!provider.userinfo) co_return session;

    std::string subject = session.id_claims.text("sub");
    session.userinfo = co_await fetch_userinfo(context, endpoints, tokens, std::move(subject));
    co_return session;
}

// The session goes on, for the same person and until its old end. The scopes for which it was interrupted are those it
// got.
void continue_session(NewSession& session, const PendingRequest& pending, SessionView old)
{
    const bool same = session.id_claims.text("sub") == old.find("sub", EntrySource::id_token).value_or(Entry()).value;
    if (!same) fail(Reason::subject_changed, "another person answered; the session stays as it was");
    for (const std::string& scope : words(pending.scope))
        if (!contains(words(session.scope), scope)) fail(Reason::scope_refused, scope);
    session.times.created = old.times().created;
    session.times.expires = old.times().expires;
}

// A code that is refused for good leaves no trace of its state.
Task<Tokens> redeem_code(Context context, const Endpoints& endpoints, CodeExchange exchange, Digest used_state)
{
    std::optional<Failure> refused;
    try {
        co_return co_await exchange_code(context, endpoints, std::move(exchange));
    } catch (const Failure& failure) {
        refused = failure;
    }
    if (refused->reason == Reason::token_refused) {
        co_await context.ports.sessions.forget(used_state);
    }
    throw *refused;
}

bool is_tampered(const Failure& failure)
{
    return failure.reason == Reason::id_token_nonce || failure.reason == Reason::userinfo_subject;
}

// Under a new id: the one that the browser brought ends. A session that was to go on must still be there.
Task<Reply> open_session(Context context, const PendingRequest& pending, NewSession session, bool goes_on)
{
    const Provider& provider = context.provider;
    const Request& request = context.request;
    Digest random;
    context.ports.random(random);
    std::string id = base64url(view(random)), record = serialize_session(session);
    SessionKey key = sha256(id);
    bool stored = co_await context.ports.sessions.put(key, std::move(record), session.times.expires);
    if (!stored) fail(Reason::session_store, "no room in the session zone");

    std::string name = session_cookie_name(provider, request.https);
    std::string count = keep_recent_logins(provider, request, pending.restarts + 1);
    SessionKey old_key = sha256(find_cookie(request.cookies, name));
    std::optional<std::string> old = co_await context.ports.sessions.take(old_key);
    if (goes_on && !old) {
        co_await context.ports.sessions.take(key);
        Failure ended(Reason::login_required, "the session ended meanwhile, or was renewed in another tab");
        co_return Reply{302, request.base_url + pending.return_path, {std::move(count)}, std::move(ended)};
    }

    Reply reply{302, request.base_url + pending.return_path};
    reply.set_cookies = {set_cookie(name, id, session_cookie_attributes(provider, request.https)), std::move(count),
                         delete_pending_request(pending, provider, request)};
    co_return reply;
}

Task<Reply> complete_login(Context context, const Endpoints& endpoints, const PendingRequest& pending, std::string code,
                           SessionView existing)
{
    const Provider& provider = context.provider;
    const Request& request = context.request;
    std::string redirect_uri = absolute_uri(provider.redirect_uri, request);
    CodeExchange exchange{std::move(code), std::move(redirect_uri), std::string(pending.verifier())};
    Tokens tokens = co_await redeem_code(context, endpoints, std::move(exchange), use_once_key(pending));

    NewSession session;
    std::string verified_token;
    std::optional<Failure> tampered;
    try {
        session = co_await verify_login(context, endpoints, pending, tokens, verified_token);
    } catch (const Failure& failure) {
        if (!is_tampered(failure) || !provider.tamper_logout || pending.purpose == Purpose::step_up) throw;
        tampered = failure;
    }
    if (tampered) {
        Reply reply = reject_tampered_login(context, endpoints, verified_token, *tampered);
        reply.set_cookies.push_back(delete_pending_request(pending, provider, request));
        reply.set_cookies.push_back(keep_recent_logins(provider, request, pending.restarts + 1));
        co_return reply;
    }

    const bool goes_on = existing && pending.purpose == Purpose::step_up;
    if (goes_on) continue_session(session, pending, existing);
    co_return co_await open_session(context, pending, std::move(session), goes_on);
}

Task<Reply> begin_again(Context context, const PendingRequest& pending, Failure why)
{
    LoginTarget target{pending.return_path, pending.restarts + 1};
    Reply reply = co_await start_login(context, std::move(target));
    reply.why = std::move(why);
    reply.set_cookies.push_back(delete_pending_request(pending, context.provider, context.request));
    co_return reply;
}

// By itself, once, and where the provider lets the person through: whoever would have to authenticate again is told
// first.
bool may_begin_again(Context context, const PendingRequest& pending)
{
    const std::vector<std::string> prompt = words(last_value(context.request.args, "prompt"));
    return pending.restarts == 0 && pending.purpose == Purpose::login && !context.provider.max_age &&
           !contains(prompt, "login");
}

}  // namespace

Task<Reply> finish_login(Context context, SessionView existing)
{
    const Provider& provider = context.provider;
    const Request& request = context.request;
    Callback callback = parse_callback(request.query);  // RFC 6749 4.1.2
    std::optional<PendingRequest> pending = open_pending_request(callback.state, request, context.ports.cookie_keys);
    if (!pending && existing && existing.internal(entry_name::state_hash) == state_hash(callback.state))
        co_return Reply{302, concat({request.base_url, existing.internal(entry_name::return_path)})};

    std::optional<Failure> spent = co_await use_pending_request(context, login_purposes, pending);
    const bool ours = !spent || spent->reason != Reason::state_unknown;
    if (spent && ours && existing) co_return Reply{302, request.base_url + pending->return_path};
    if (spent && provider.tamper_logout) {
        std::string count = keep_recent_logins(provider, request, recent_logins(provider, request) + 1);
        co_return Reply{302, absolute_uri(provider.tamper_uri, request), {std::move(count)}, std::move(spent)};
    }
    if (!ours) throw *spent;  // CSRF
    if (spent) {
        co_return co_await begin_again(context, *pending, std::move(*spent));
    }

    std::shared_ptr<const Endpoints> endpoints = co_await context.ports.documents.endpoints(provider);
    require_code(callback, provider, *endpoints);  // RFC 9207
    std::optional<Failure> lost;
    try {
        co_return co_await complete_login(context, *endpoints, *pending, std::move(callback.code), existing);
    } catch (const Failure& failure) {
        if (!failure.unanswered || !may_begin_again(context, *pending)) throw;
        lost = failure;
    }
    lost->detail += "; the login begins again";
    co_return co_await begin_again(context, *pending, std::move(*lost));
}

}  // namespace oidc
