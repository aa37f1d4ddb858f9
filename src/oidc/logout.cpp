#include "logout.hpp"

#include "cookie.hpp"
#include "failure.hpp"
#include "login.hpp"
#include "login_state.hpp"
#include "session.hpp"

namespace oidc {
namespace {

// Where the browser ends without the provider: status 0 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    Reply reply;
    reply.location = provider.logged_out_uri;
    if (reply.location.empty() && !provider.logout_state) reply.location = provider.post_logout_uri;
    if (!reply.location.empty()) reply.location = absolute_uri(reply.location, request);
    if (reply.location.empty()) reply.status = 200;
    return reply;
}

Reply to_provider(const Provider& provider, const Endpoints& endpoints, const Ports& ports, const Request& request,
                  std::string_view id_token)
{
    bool hint = provider.logout_token_hint && !id_token.empty();
    std::string back = absolute_uri(provider.post_logout_uri, request);
    Derived derived;
    std::vector<Arg> params;
    if (hint) params.push_back({"id_token_hint", id_token});
    if (!hint) params.push_back({"client_id", provider.client_id});
    if (!provider.post_logout_uri.empty()) params.push_back({"post_logout_redirect_uri", back});
    Reply reply;
    if (provider.logout_state && !provider.post_logout_uri.empty()) {
        Attempt attempt;
        attempt.purpose = Purpose::logout;
        attempt.created = request.now;
        ports.random(attempt.seed);
        attempt.provider = provider.name;
        derived = derive(attempt);
        params.push_back({"state", derived.state});
        std::string sealed = seal_attempt(attempt, derived, request, ports.cookie_keys.front(), ports.random, provider.state_timeout);
        reply.set_cookies = drop_oldest(request, provider.state_limit, sealed);
        reply.set_cookies.push_back(std::move(sealed));
    }
    reply.location = append_args(endpoints.end_session, params);
    return reply;
}

// The endpoints when they can be had: a provider that is down must not keep anyone logged in.
Task<Endpoints> endpoints_or_none(const Provider& provider, Documents& documents)
{
    try {
        co_return co_await documents.endpoints(provider);
    } catch (const Failure&) {
    }
    co_return Endpoints();
}

}  // namespace

Task<Reply> logout(const Provider& provider, Ports& ports, const Request& request)
{
    std::string name = session_cookie_name(provider, request.https);
    SessionKey key = sha256(find_cookie(request.cookies, name));
    std::optional<std::string> record = co_await ports.sessions.take(key);
    SessionView session(record ? std::string_view(*record) : std::string_view());
    std::string_view id_token = session.binding() == provider.binding ? session.internal(entry_name::id_token) : std::string_view();

    Endpoints endpoints = co_await endpoints_or_none(provider, ports.documents);
    bool hint_missing = provider.profile != nullptr && provider.profile->logout_needs_hint && id_token.empty();
    bool provider_can = !endpoints.end_session.empty() && !hint_missing;
    Reply reply = provider_can ? to_provider(provider, endpoints, ports, request, id_token) : after_logout(provider, request);
    reply.set_cookies.push_back(forget_rounds(provider, request));
    co_return std::move(reply).with(delete_cookie(name, session_cookie_attributes(provider, request.https)));
}

Task<Reply> logged_out(const Provider& provider, Ports& ports, const Request& request)
{
    std::optional<Attempt> attempt = attempt_of_callback(request, ports.cookie_keys);
    if (!attempt || attempt->purpose != Purpose::logout) fail(Reason::logout_state, "this browser holds no logout of that state");
    if (attempt->provider != provider.name) fail(Reason::logout_state, "the state is another provider's");
    if (attempt->created + provider.state_timeout <= request.now) fail(Reason::logout_state, "the state has expired");
    bool first_use = co_await ports.sessions.use_once(use_key(*attempt), attempt->created + provider.state_timeout);
    if (!first_use) fail(Reason::logout_state, "the state was used before");
    co_return after_logout(provider, request).with(delete_attempt(derive(*attempt).state, request));
}

}  // namespace oidc
