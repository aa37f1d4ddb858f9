#include "login.hpp"
#include "session.hpp"

namespace oidc {
namespace {

// Where the browser ends without the provider: status 200 asks for the built-in page.
Reply after_logout(const Provider& provider, const Request& request)
{
    const std::string& page = provider.logged_out_uri.empty() && !provider.logout_state ? provider.post_logout_uri : provider.logged_out_uri;
    if (page.empty()) return {200, {}, {}};
    return {302, absolute_uri(page, request), {}};
}

Reply to_provider(const Provider& provider, const Endpoints& endpoints, const Ports& ports, const Request& request,
                  std::string_view id_token)
{
    Reply reply;
    const Attempt attempt = new_attempt(Purpose::logout, provider, request, ports.random);
    const std::string back = absolute_uri(provider.post_logout_uri, request);
    const bool hint = provider.logout_token_hint && !id_token.empty();
    std::vector<Arg> params{hint ? Arg{"id_token_hint", id_token} : Arg{"client_id", provider.client_id}};
    if (!back.empty()) params.push_back({"post_logout_redirect_uri", back});
    if (!back.empty() && provider.logout_state) {
        params.push_back({"state", attempt.state()});
        keep_attempt(reply, attempt, provider, request, ports.cookie_keys.front(), ports.random);
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
    reply.set_cookies.push_back(keep_rounds(provider, request, 0));
    co_return std::move(reply).with(delete_cookie(name, session_cookie_attributes(provider, request.https)));
}

Task<Reply> logged_out(const Provider& provider, Ports& ports, const Request& request)
{
    std::optional<Attempt> attempt = attempt_of_callback(request, ports.cookie_keys);
    if (!attempt || attempt->purpose != Purpose::logout) fail(Reason::logout_state, "this browser holds no logout of that state");
    if (attempt->provider != provider.name) fail(Reason::logout_state, "the state is another provider's");
    if (end_of(*attempt, provider) <= request.now) fail(Reason::logout_state, "the state has expired");
    bool first_use = co_await ports.sessions.use_once(use_key(*attempt), end_of(*attempt, provider));
    if (!first_use) fail(Reason::logout_state, "the state was used before");
    co_return after_logout(provider, request).with(delete_attempt(*attempt, request));
}

}  // namespace oidc
