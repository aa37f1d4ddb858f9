#include "oidc/journey/logout.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oidc/base/cookie.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/ports/sessions.hpp"
#include "oidc/provider/provider.hpp"
#include "oidc/provider/session_cookie.hpp"

namespace oidc {
namespace {

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const bool same =
        provider.logged_out_uri.empty() && !provider.logout_state;  // as the page that the provider leads back to
    const std::string& page = same ? provider.post_logout_uri : provider.logged_out_uri;
    return page.empty() ? Reply{200} : Reply{302, absolute_uri(page, request)};
}

bool provider_can(const Provider& provider, const Endpoints& endpoints, std::string_view id_token)
{
    const bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    return !endpoints.end_session.empty() && !hint_missing;
}

Reply to_provider(Context context, const Endpoints& endpoints, std::string_view id_token, Purpose purpose)
{
    Reply reply;
    const PendingRequest pending =
        new_pending_request(purpose, context.provider, context.request, 1, context.ports.random);

    const std::string back = absolute_uri(context.provider.post_logout_uri, context.request);
    const bool hint = (context.provider.logout_token_hint || purpose == Purpose::tampered_login) && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", context.provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});

    if (!back.empty() && context.provider.logout_state) {
        params.push_back({"state", pending.state()});
        keep_pending_request(reply, pending, context.provider, context.request, context.ports.cookie_keys.front(),
                             context.ports.random);
    }

    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

}  // namespace

Task<Reply> logout(Context context)
{
    const Provider& provider = context.provider;
    std::string name = session_cookie_name(provider, context.request.https);
    SessionKey key = sha256(find_cookie(context.request.cookies, name));
    std::optional<std::string> record = co_await context.ports.sessions.take(key);
    SessionView session(record ? std::string_view(*record) : std::string_view());
    std::string_view id_token =
        session.binding() == provider.binding ? session.internal(entry_name::id_token) : std::string_view();

    std::shared_ptr<const Endpoints> endpoints;
    try {
        endpoints = co_await context.ports.documents.endpoints(provider);
    } catch (const Failure&) {  // a provider that is down must not keep anyone logged in
    }

    const bool leaves = endpoints && provider_can(provider, *endpoints, id_token);
    Reply reply =
        leaves ? to_provider(context, *endpoints, id_token, Purpose::logout) : after_logout(provider, context.request);

    if (session && session.binding() == provider.binding && provider.revoke_on_logout) reply.ended = *record;
    reply.set_cookies.push_back(keep_recent_logins(provider, context.request, 0));
    reply.set_cookies.push_back(delete_cookie(name, session_cookie_attributes(provider, context.request.https)));
    co_return reply;
}

Reply reject_tampered_login(Context context, const Endpoints& endpoints, std::string_view id_token, Failure why)
{
    Reply reply{302, absolute_uri(context.provider.tamper_uri, context.request)};
    const bool returns = !context.provider.post_logout_uri.empty();  // else the provider would keep the browser
    if (returns && provider_can(context.provider, endpoints, id_token))
        reply = to_provider(context, endpoints, id_token, Purpose::tampered_login);
    reply.why = std::move(why);
    return reply;
}

Task<Reply> finish_logout(Context context)
{
    std::optional<PendingRequest> pending = pending_request_of(context.request, context.ports.cookie_keys);
    std::optional<Failure> spent = co_await use_pending_request(context, logout_purposes, pending);
    if (spent) fail(Reason::logout_state, spent->detail);
    const bool tampered = pending->purpose == Purpose::tampered_login;
    Reply reply = tampered ? Reply{302, absolute_uri(context.provider.tamper_uri, context.request)}
                           : after_logout(context.provider, context.request);
    reply.set_cookies.push_back(delete_pending_request(*pending, context.provider, context.request));
    co_return reply;
}

}  // namespace oidc
