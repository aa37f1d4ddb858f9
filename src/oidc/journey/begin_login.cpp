#include "oidc/journey/begin_login.hpp"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "oidc/base/failure.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/protocol/authentication_request.hpp"
#include "oidc/protocol/callback.hpp"
#include "oidc/protocol/par.hpp"
#include "oidc/provider/endpoints.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc {
namespace {

// Of a login by itself: then a page says why. Twice as many while a session goes on.
constexpr unsigned max_restarts = 3;

// The site of an absolute redirect URI when it is another host than the one asked: cookies are bound to a host.
std::string site_of_redirect_uri(const Provider& provider, const Request& request)
{
    const std::string& uri = provider.redirect_uri;
    const bool same = uri.starts_with(request.base_url) && uri[request.base_url.size()] == '/';
    if (same || uri.starts_with('/')) return {};
    const std::optional<Url> target = parse_url(uri), here = parse_url(request.base_url);
    const bool other = target && (!here || here->host != target->host);
    return other ? uri.substr(0, uri.find('/', uri.find("://") + 3)) : std::string();
}

// An absolute URL of this very site is its path.
std::string path_of_this_site(std::string_view target, std::string_view base_url)
{
    const bool absolute = target.starts_with(base_url) && target.substr(base_url.size()).starts_with('/');
    return std::string(target.substr(absolute ? base_url.size() : 0));
}

Reply begin_login(Context context, const Endpoints& endpoints, LoginTarget target)
{
    const Provider& provider = context.provider;
    const Request& request = context.request;
    if (std::string site = site_of_redirect_uri(provider, request); !site.empty())
        return {302, site + target.return_path};

    const Purpose purpose = target.step_up ? Purpose::step_up : Purpose::login;
    PendingRequest pending =
        new_pending_request(purpose, provider, request, uses_pkce(provider, endpoints) ? 3 : 2, context.ports.random);
    pending.restarts = std::max(target.restarts, recent_logins(provider, request));
    if (pending.restarts >= (target.step_up ? 2 * max_restarts : max_restarts))
        fail(Reason::login_loop, "the browser keeps no session: check cookie_domain, cookie_path and https");

    pending.return_path = std::move(target.return_path);
    pending.acr = request.acr;
    pending.scope = request.scope;

    AuthenticationRequest asked{pending.state(), pending.nonce(), pending.verifier(), pending.acr, pending.scope};

    Reply reply{302, authorization_url(provider, endpoints, request, asked)};
    keep_pending_request(reply, pending, provider, request, context.ports.cookie_keys.front(), context.ports.random);
    return reply;
}

}  // namespace

std::optional<Reply> login_without_wait(Context context, LoginTarget target)
{
    const Endpoints* endpoints = context.ports.documents.cached_endpoints(context.provider);
    if (endpoints == nullptr || uses_par(context.provider, *endpoints)) return std::nullopt;
    return begin_login(context, *endpoints, std::move(target));
}

Task<Reply> start_login(Context context, LoginTarget target)
{
    std::shared_ptr<const Endpoints> endpoints = co_await context.ports.documents.endpoints(context.provider);
    Reply reply = begin_login(context, *endpoints, std::move(target));
    const bool to_provider = !reply.set_cookies.empty();
    if (!to_provider || !uses_par(context.provider, *endpoints)) co_return reply;
    std::string query = '?' + reply.location.substr(endpoints->authorization.size() + 1);
    std::string uri = co_await push_request(context, *endpoints, std::move(query));
    reply.location =
        append_args(endpoints->authorization, {{"client_id", context.provider.client_id}, {"request_uri", uri}});
    co_return reply;
}

Task<Reply> login_from_link(Context context, SessionView existing)
{
    std::optional<std::vector<Param>> params = parse_query(context.request.query);
    if (!params) fail(Reason::return_refused, "the query is malformed");
    LoginTarget target;
    for (const Param& param : *params)
        if (param.name == "return") target.return_path = param.value;
    if (!is_local_path(target.return_path))
        fail(Reason::return_refused, "the return parameter is no path of this site");

    if (existing) co_return Reply{302, context.request.base_url + target.return_path};
    co_return co_await start_login(context, std::move(target));
}

Task<Reply> initiated_login(Context context)
{
    std::optional<std::vector<Param>> params = parse_query(context.request.query);
    if (!params) fail(Reason::argument_refused, "the query is malformed");
    if (single_value(*params, "iss") != context.provider.issuer)
        fail(Reason::argument_refused, "iss is no issuer that logs in here");

    std::string page(last_value(*params, "target_link_uri")), hint(last_value(*params, "login_hint"));
    LoginTarget target;
    if (!page.empty()) target.return_path = path_of_this_site(page, context.request.base_url);
    if (!is_local_path(target.return_path)) fail(Reason::return_refused, "target_link_uri is no page of this site");

    Request asked = context.request;
    if (!hint.empty() && why_refused(*context.provider.profile, "login_hint", &hint).empty()) {
        std::erase_if(asked.args, [](const Param& arg) { return arg.name == "login_hint"; });
        asked.args.push_back({"login_hint", std::move(hint)});
    }
    Context hinted{context.provider, context.ports, asked};
    co_return co_await start_login(hinted, std::move(target));
}

}  // namespace oidc
