// The access phase: who may pass, and what the module answers instead.
#include "ngx_http_oidc_request.hpp"

#include <algorithm>

#include "oidc/cookie.hpp"
#include "oidc/login.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_session_cookie = 64;  // ours has 43 characters: a longer one is not hashed

bool satisfy_any(ngx_http_request_t* r) noexcept
{
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->satisfy == NGX_HTTP_SATISFY_ANY;
}

// The providers of a route by what the sealed cookie names, else the first.
const ProviderConf& provider_of(ngx_http_request_t* r, const Route& route)
{
    if (route.providers.size() == 1) return *route.providers.front();
    Request request;
    request.cookies = cookies_of(r);
    request.query = view(r->args);
    for (const ProviderConf* conf : route.providers) {
        request.base_url = base_url(r, *conf);
        request.https = request.base_url.starts_with("https:");
        const std::string name = provider_of_callback(request, main_conf(r).cookie_keys);
        for (const ProviderConf* named : route.providers) {
            if (named->provider.name == name) return *named;
        }
    }
    return *route.providers.front();
}

// What a coroutine that has begun says, or the endpoint of this path; NGX_DECLINED: neither.
ngx_int_t answer(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && ctx->flow != nullptr) return continue_flow(r, *ctx);
    auto* server = static_cast<SrvConf*>(ngx_http_get_module_srv_conf(r, ngx_http_oidc_module));
    auto route = std::ranges::lower_bound(server->routes, view(r->uri), {}, &Route::path);
    if (route == server->routes.end() || route->path != view(r->uri)) return NGX_DECLINED;
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return NGX_HTTP_NOT_ALLOWED;
    const ProviderConf& conf = provider_of(r, *route);
    return route->endpoint == Endpoint::jwks ? send_jwks(r, conf) : begin_flow(r, conf, route->endpoint);
}

ngx_int_t unauthenticated(ngx_http_request_t* r, const ProviderConf* conf)
{
    // A page that shows a failed login must not begin another: error_uri is shown, any other protected page is not.
    if (RequestCtx* ctx = request_ctx(r, false); ctx != nullptr && ctx->error_status != 0) {
        return conf != nullptr && view(r->uri) == conf->provider.error_uri ? NGX_OK : ctx->error_status;
    }
    auto mode = static_cast<Unauth>(location(r).unauth);
    if (mode == Unauth::pass) return NGX_OK;
    bool redirects = mode == Unauth::redirect || (mode == Unauth::automatic && is_navigation(r));
    if (redirects && conf != nullptr) return send_to_login(r, *conf);
    add_header(r, "Cache-Control", "no-store");
    if (mode == Unauth::status_403) return NGX_HTTP_FORBIDDEN;
    r->headers_out.www_authenticate = add_header(r, "WWW-Authenticate", "Bearer realm=\"login required\"");
    return NGX_HTTP_UNAUTHORIZED;
}

ngx_int_t check_require(ngx_http_request_t* r)
{
    if (location(r).require == nullptr) return NGX_OK;
    for (const Require& require : *location(r).require) {
        for (ngx_http_complex_value_t* value : require.values) {
            std::string_view text = evaluate(r, value);
            if (text.empty() || text == "0") return static_cast<ngx_int_t>(require.status);
        }
    }
    return NGX_OK;
}

ngx_int_t decide(ngx_http_request_t* r)
{
    Auth auth = auth_of(r);
    if (auth.unknown) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "oidc: the variable of auth_oidc names no oidc_provider");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!auth.on) return location(r).require == nullptr ? NGX_DECLINED : check_require(r);
    return auth.conf != nullptr && session_of(r, *auth.conf) ? check_require(r) : unauthenticated(r, auth.conf);
}

}  // namespace

RequestCtx* request_ctx(ngx_http_request_t* request, bool create)
{
    ngx_http_request_t* r = request->main;
    auto* ctx = static_cast<RequestCtx*>(ngx_http_get_module_ctx(r, ngx_http_oidc_module));
    if (ctx != nullptr) return ctx;
    if (r->internal) ctx = find_in_pool<RequestCtx>(r->pool);  // an internal redirect wipes r->ctx
    if (ctx == nullptr && create) ctx = make_in_pool<RequestCtx>(r->pool);
    ngx_http_set_ctx(r, ctx, ngx_http_oidc_module);
    return ctx;
}

std::string_view evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value)
{
    ngx_str_t text{};
    if (ngx_http_complex_value(r, value, &text) != NGX_OK) throw std::bad_alloc{};
    return view(text);
}

Auth auth_of(ngx_http_request_t* r)
{
    const LocConf& conf = location(r);
    if (conf.provider != nullptr) return {true, false, conf.provider};
    if (conf.auth.value == nullptr) return {};
    std::string_view name = evaluate(r, conf.auth.value);
    if (name.empty()) return {true, false, nullptr};
    if (name == "off") return {};
    const ProviderConf* named = find_provider(main_conf(r), name);
    return {true, named == nullptr, named};
}

SessionView session_of(ngx_http_request_t* r, const ProviderConf& conf)
{
    RequestCtx* ctx = request_ctx(r, true);
    if (ctx->provider == &conf) return ctx->session;
    ctx->provider = &conf;
    ctx->session = SessionView();
    std::string_view id = find_cookie(cookies_of(r), conf.cookie_names[is_https(r->main, conf) ? 1 : 0]);
    if (id.empty() || id.size() > max_session_cookie) return ctx->session;
    ctx->key = sha256(id);
    SessionView found(conf.sessions->get(ctx->key, ngx_time(), r->main->pool));
    if (found && found.binding() == conf.provider.binding) ctx->session = found;
    return ctx->session;
}

// Where `satisfy any` may end the phase before our last handler, the endpoints are answered here; cookies are stripped for all.
ngx_int_t access_first(ngx_http_request_t* r)
{
    if (r != r->main || main_conf(r).providers.empty()) return NGX_DECLINED;
    if (location(r).strip_cookies) strip_our_cookies(r);
    return satisfy_any(r) ? answer(r) : NGX_DECLINED;
}

ngx_int_t access_last(ngx_http_request_t* r)
{
    if (r != r->main) return NGX_DECLINED;
    ngx_int_t rc = satisfy_any(r) ? NGX_DECLINED : answer(r);
    return rc == NGX_DECLINED ? decide(r) : rc;
}

}  // namespace oidc::ngx
