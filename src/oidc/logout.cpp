// Logout (OpenID Connect RP-Initiated Logout 1.0), and what becomes of the tokens of a session that ended (RFC 7009).
#include "attempt.hpp"
#include "login.hpp"

namespace oidc {
namespace {

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const bool same = provider.logged_out_uri.empty() && !provider.logout_state;  // as the page that the provider leads back to
    const std::string& page = same ? provider.post_logout_uri : provider.logged_out_uri;
    return page.empty() ? Reply{200} : Reply{302, absolute_uri(page, request)};
}

bool provider_can(const Provider& provider, const Endpoints& endpoints, std::string_view id_token)
{
    const bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    return !endpoints.end_session.empty() && !hint_missing;
}

Reply to_provider(Journey on, const Endpoints& endpoints, std::string_view id_token, Purpose purpose)
{
    Reply reply;
    const Attempt attempt = new_attempt(purpose, on.provider, on.request, on.ports.random);
    const std::string back = absolute_uri(on.provider.post_logout_uri, on.request);
    const bool hint = (on.provider.logout_token_hint || purpose == Purpose::intruder) && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", on.provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});
    if (!back.empty() && on.provider.logout_state) {
        params.push_back({"state", attempt.state()});
        keep_attempt(reply, attempt, on.provider, on.request, on.ports.cookie_keys.front(), on.ports.random);
    }
    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

}  // namespace

Task<Reply> logout(Journey on)
{
    const Provider& provider = on.provider;
    std::string name = session_cookie_name(provider, on.request.https);
    SessionKey key = sha256(find_cookie(on.request.cookies, name));
    std::optional<std::string> record = co_await on.ports.sessions.take(key);
    SessionView session(record ? std::string_view(*record) : std::string_view());
    std::string_view id_token = session.binding() == provider.binding ? session.internal(entry_name::id_token) : std::string_view();
    std::shared_ptr<const Endpoints> endpoints;
    try {
        endpoints = co_await on.ports.documents.endpoints(provider);
    } catch (const Failure&) {  // a provider that is down must not keep anyone logged in
    }
    const bool leaves = endpoints && provider_can(provider, *endpoints, id_token);
    Reply reply = leaves ? to_provider(on, *endpoints, id_token, Purpose::logout) : after_logout(provider, on.request);
    if (session && session.binding() == provider.binding && provider.revoke_on_logout) reply.ended = *record;
    reply.set_cookies.push_back(keep_rounds(provider, on.request, 0));
    reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, on.request.https)));
    co_return reply;
}

Reply turn_away(Journey on, const Endpoints& endpoints, std::string_view id_token, Failure why)
{
    Reply reply{302, absolute_uri(on.provider.tamper_uri, on.request)};
    const bool returns = !on.provider.post_logout_uri.empty();  // else the provider would keep the browser
    if (returns && provider_can(on.provider, endpoints, id_token)) reply = to_provider(on, endpoints, id_token, Purpose::intruder);
    reply.why = std::move(why);
    return reply;
}

Task<bool> revoke(Journey on, std::string record)
{
    const SessionView session(record);
    const std::int64_t expires = session.times().access_expires;
    std::shared_ptr<const Endpoints> endpoints = co_await on.ports.documents.endpoints(on.provider);
    if (endpoints->revocation.empty()) co_return false;
    std::string refresh_token(session.internal(entry_name::refresh_token));
    std::string access_token(session.internal(entry_name::access_token));
    if (!refresh_token.empty()) {
        co_await revoke_token(on, *endpoints, std::move(refresh_token), "refresh_token");
    }
    if (!access_token.empty() && (expires == 0 || expires > on.request.now)) {
        co_await revoke_token(on, *endpoints, std::move(access_token), "access_token");
    }
    co_return true;
}

Task<Reply> logged_out(Journey on)
{
    std::optional<Attempt> attempt = attempt_of_query(on.request, on.ports.cookie_keys);
    std::optional<Failure> spent = co_await use(on, of_logout, attempt);
    if (spent) fail(Reason::logout_state, spent->detail);
    const bool intruder = attempt->purpose == Purpose::intruder;
    Reply reply = intruder ? Reply{302, absolute_uri(on.provider.tamper_uri, on.request)} : after_logout(on.provider, on.request);
    reply.set_cookies.push_back(delete_attempt(*attempt, on.provider, on.request));
    co_return reply;
}

}  // namespace oidc
