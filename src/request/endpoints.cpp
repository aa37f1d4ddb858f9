#include "request/endpoints.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/background.hpp"
#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/json.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/journey/pages.hpp"
#include "oidc/journey/pending_request.hpp"
#include "oidc/provider/session_cookie.hpp"
#include "request/flow.hpp"
#include "request/form.hpp"
#include "request/headers.hpp"
#include "request/navigation.hpp"
#include "request/oidc_request.hpp"
#include "request/reply.hpp"
#include "request/request_context.hpp"
#include "request/session_lookup.hpp"
#include "request/site.hpp"

namespace oidc::ngx {
namespace {

// A script cannot log anyone out of the provider: the browser itself has to go there.
ngx_int_t refuse_script(ngx_http_request_t* r, const ProviderConf& conf)
{
    log_failure(r, Failure(Reason::logout_refused, "a script or a prefetch asked for it"), conf.provider.name);
    request_context(r, true)->event = name_of(Reason::logout_refused);
    add_header(r, "Cache-Control", "no-store");
    return send(r, NGX_HTTP_FORBIDDEN, "text/plain; charset=utf-8",
                concat({"Navigate to ", base_url(r, conf), conf.provider.logout_uri, "\n"}));
}

// OpenID Connect Registration 1.0 section 5: the redirect URIs of those who share the sector, under every name of this
// server.
std::string redirect_uris(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    Words uris;
    auto add = [&](const std::string& uri) {
        if (!contains(uris, json_quoted(uri))) uris.push_back(json_quoted(uri));
    };

    for (const ProviderConf* conf : providers) {
        const std::string& path = conf->provider.redirect_uri;
        std::string site = base_url(r, *conf);
        add(path.starts_with('/') ? site + path : path);
        std::size_t host = site.find("://") + 3, port = std::min(site.find(':', host), site.size());
        for (const ngx_http_server_name_t& name : server(r).hosts)
            if (path.starts_with('/') && is_exact_name(name) && location(r).base_url.value == nullptr)
                add(concat({site.substr(0, host), view(name.name), site.substr(port), path}));
    }
    return "[" + join(uris, ",") + "]";
}

// By the state that the browser brings: its sealed cookie names the provider. nullptr: it names none of these.
const ProviderConf* provider_of_state(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    for (const ProviderConf* conf : providers) {
        std::optional<PendingRequest> pending =
            pending_request_of(make_request(r, *conf, Endpoint::logged_out), main_conf(r).cookie_keys);
        const ProviderConf* named = pending ? find_provider(main_conf(r), pending->provider) : nullptr;
        if (contains(providers, named)) return named;
    }
    return nullptr;
}

bool may_post(const Route& route)
{
    auto posts = [](const ProviderConf* each) { return each->provider.form_post; };
    bool callback = route.endpoint == Endpoint::callback && std::ranges::any_of(route.providers, posts);
    constexpr Endpoint others[] = {Endpoint::logout, Endpoint::initiate, Endpoint::backchannel};
    return callback || contains(others, route.endpoint);
}

// By the issuer that another site names.
const ProviderConf* provider_of_issuer(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    std::vector<Param> params = parse_query(view(r->args)).value_or(std::vector<Param>());
    auto is_named = [&](const ProviderConf* conf) { return conf->provider.issuer == last_value(params, "iss"); };
    auto named = std::ranges::find_if(providers, is_named);
    return named != providers.end() ? *named : nullptr;
}

// By the session that the browser has; nullptr: none. Of several the first goes on to its provider, the others end
// here.
const ProviderConf* provider_of_session(ngx_http_request_t* r, const std::vector<const ProviderConf*>& providers)
{
    const ProviderConf* first = nullptr;
    for (const ProviderConf* conf : providers) {
        if (!find_session(r, *conf)) continue;
        if (first == nullptr) first = conf;
        if (first == conf) continue;
        bool https = is_https(r, *conf);
        std::optional<std::string> ended = conf->sessions->take(request_context(r, true)->key, ngx_time());
        if (ended && conf->provider.revoke_on_logout) begin_revocation(*conf, main_conf(r), std::move(*ended));
        add_header(r, "Set-Cookie",
                   delete_cookie(conf->cookie_names[https], session_cookie_attributes(conf->provider, https)));
    }
    return first;
}

}  // namespace

ngx_int_t handle_endpoint(ngx_http_request_t* r)
{
    RequestContext* ctx = request_context(r, false);
    if (ctx != nullptr && ctx->flow != nullptr) return continue_flow(r, *ctx);
    const Route* route = find_route(server(r).routes, view(r->uri));
    if (route == nullptr) return NGX_DECLINED;

    bool seen = r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD, posted = r->method == NGX_HTTP_POST;
    bool told = route->endpoint == Endpoint::backchannel;
    if ((!seen || told) && !(posted && may_post(*route))) return NGX_HTTP_NOT_ALLOWED;

    bool form = posted && route->endpoint != Endpoint::logout;
    if (ngx_int_t rc = !form ? NGX_OK : told ? read_body(r, max_form) : read_form(r); rc != NGX_OK) return rc;

    if (route->endpoint == Endpoint::logout) {
        auto method = [](const ProviderConf* each) { return each->provider.logout_method; };
        const ProviderConf& asked = **std::ranges::min_element(route->providers, {}, method);
        LogoutAnswer leave = judge_logout(r, asked);
        if (leave == LogoutAnswer::ask)
            return send_page(r, NGX_HTTP_OK, confirm_logout_page(speaks_french(r), asked.provider.logout_uri));
        if (leave == LogoutAnswer::refuse) return refuse_script(r, asked);
    }

    const ProviderConf* conf = nullptr;
    Endpoint at = route->endpoint;
    auto choose = at == Endpoint::logout     ? provider_of_session
                  : at == Endpoint::initiate ? provider_of_issuer
                                             : provider_of_state;
    if (route->providers.size() > 1) conf = choose(r, route->providers);
    if (conf == nullptr) conf = route->providers.front();

    if (route->endpoint == Endpoint::callback && posted != conf->provider.form_post)
        return refuse(r, Failure(Reason::callback_malformed, "response_mode says that it comes otherwise"),
                      conf->provider.name, conf->provider.error_uri);

    if (route->endpoint == Endpoint::sector)
        return send(r, NGX_HTTP_OK, "application/json", redirect_uris(r, route->providers));

    if (route->endpoint != Endpoint::jwks) return begin_flow(r, *conf, route->endpoint);
    add_header(r, "Cache-Control", "public, max-age=" + std::to_string(conf->provider.client_jwks_max_age));
    return send(r, NGX_HTTP_OK, "application/jwk-set+json", conf->provider.own_jwks);
}

}  // namespace oidc::ngx
