#include "ngx_http_oidc_request.hpp"

#include <algorithm>

#include "ngx_http_oidc_flow.hpp"
#include "ngx_http_oidc_reply.hpp"
#include "ngx_http_oidc_site.hpp"
#include "oidc/cookie.hpp"
#include "oidc/crypto.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t max_session_cookie = 64;  // ours has 43 characters: a longer one is not hashed

template <class Conf>
Conf& main_conf(ngx_http_request_t* r) noexcept
{
    return *static_cast<Conf*>(ngx_http_get_module_main_conf(r, ngx_http_oidc_module));
}

LocConf& location(ngx_http_request_t* r) noexcept
{
    return *static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_oidc_module));
}

bool satisfy_any(ngx_http_request_t* r) noexcept
{
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->satisfy == NGX_HTTP_SATISFY_ANY;
}

const Route* route_of(ngx_http_request_t* r) noexcept
{
    auto* server = static_cast<SrvConf*>(ngx_http_get_module_srv_conf(r, ngx_http_oidc_module));
    std::string_view path = view(r->uri);
    auto at = std::lower_bound(server->routes.begin(), server->routes.end(), path,
                               [](const Route& route, std::string_view p) { return route.path < p; });
    return at != server->routes.end() && at->path == path ? &*at : nullptr;
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
        std::optional<Attempt> attempt = attempt_of_callback(request, main_conf<MainConf>(r).cookie_keys);
        if (!attempt) continue;
        for (const ProviderConf* named : route.providers) {
            if (named->provider.name == attempt->provider) return *named;
        }
    }
    return *route.providers.front();
}

Existing existing_session(ngx_http_request_t* r, const ProviderConf& conf)
{
    SessionView session = session_of(r, conf);
    if (!session) return {};
    return {true, std::string(session.internal(entry_name::return_path)), std::string(session.internal(entry_name::state_hash))};
}

// Notices the client going away while we wait, as ngx_http_limit_req_module does.
ngx_int_t suspend(ngx_http_request_t* r, Flow& flow)
{
    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    r->read_event_handler = ngx_http_test_reading;
    flow.wait();
    return NGX_AGAIN;
}

ngx_int_t refuse(ngx_http_request_t* r, const ProviderConf& conf, const Failure& failure)
{
    log_failure(r, conf, failure);
    return apply_failure(r, conf, failure);
}

ngx_int_t continue_flow(ngx_http_request_t* r, RequestCtx& ctx)
{
    Flow& flow = *ctx.flow;
    if (!flow.done()) return suspend(r, flow);
    r->read_event_handler = ngx_http_block_reading;
    ctx.flow = nullptr;
    if (flow.reply() == nullptr) return refuse(r, flow.conf(), *flow.failure());
    ctx.event = event_name(flow.journey());
    return apply_reply(r, *flow.reply());
}

ngx_int_t run(ngx_http_request_t* r, const ProviderConf& conf, Journey journey)
{
    RequestCtx* ctx = request_ctx(r, true);
    ctx->flow = make_in_pool<Flow>(r->pool, r, main_conf<MainConf>(r), conf);
    Existing existing = journey == Journey::start_login ? Existing() : existing_session(r, conf);
    ctx->flow->start(journey, std::move(existing));
    return continue_flow(r, *ctx);
}

ngx_int_t answer_endpoint(ngx_http_request_t* r, const Route& route)
{
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return apply_status(r, NGX_HTTP_NOT_ALLOWED);
    const ProviderConf& conf = provider_of(r, route);
    switch (route.endpoint) {
    case Endpoint::callback: return run(r, conf, Journey::callback);
    case Endpoint::login: return run(r, conf, Journey::login_link);
    case Endpoint::logout: return run(r, conf, Journey::logout);
    case Endpoint::logged_out: return run(r, conf, Journey::logged_out);
    case Endpoint::jwks: return apply_jwks(r, conf);
    }
    return NGX_DECLINED;
}

// The usual way to the provider has nothing to wait for: no coroutine is made.
ngx_int_t send_to_login(ngx_http_request_t* r, const ProviderConf& conf)
{
    const Endpoints* endpoints = worker().documents->peek(conf.provider);
    if (endpoints == nullptr) return run(r, conf, Journey::start_login);
    Request request = make_request(r, conf);
    Destination here{return_path(request.target), 0};
    const Secret& key = main_conf<MainConf>(r).cookie_keys.front();
    try {
        Reply reply = begin_login(conf.provider, *endpoints, request, std::move(here), key, worker_random);
        request_ctx(r, true)->event = event_name(Journey::start_login);
        return apply_reply(r, reply);
    } catch (const Failure& failure) {
        return refuse(r, conf, failure);
    }
}

// A page that shows a failed login must not begin another: error_uri is shown, any other protected page is not.
ngx_int_t after_failure(ngx_http_request_t* r, const RequestCtx& ctx, const ProviderConf* conf)
{
    bool ours = conf != nullptr && view(r->uri) == conf->provider.error_uri;
    return ours ? NGX_OK : ctx.error_status;
}

ngx_int_t unauthenticated(ngx_http_request_t* r, const ProviderConf* conf)
{
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && ctx->error_status != 0) return after_failure(r, *ctx, conf);
    auto mode = static_cast<Unauth>(location(r).unauth);
    if (mode == Unauth::pass) return NGX_OK;
    if (mode == Unauth::status_403) return apply_forbidden(r);
    bool redirects = mode == Unauth::redirect || (mode == Unauth::automatic && is_navigation(r));
    if (redirects && conf != nullptr) return send_to_login(r, *conf);
    return apply_unauthorized(r);
}

bool accepted(ngx_http_request_t* r, const Require& require)
{
    auto* values = static_cast<ngx_http_complex_value_t*>(require.values->elts);
    for (ngx_uint_t i = 0; i < require.values->nelts; ++i) {
        ngx_str_t value{};
        if (ngx_http_complex_value(r, &values[i], &value) != NGX_OK) throw std::bad_alloc{};
        if (value.len == 0 || view(value) == "0") return false;
    }
    return true;
}

ngx_int_t check_require(ngx_http_request_t* r)
{
    ngx_array_t* all = location(r).require;
    if (all == nullptr) return NGX_OK;
    auto* each = static_cast<Require*>(all->elts);
    for (ngx_uint_t i = 0; i < all->nelts; ++i) {
        if (!accepted(r, each[i])) return static_cast<ngx_int_t>(each[i].status);
    }
    return NGX_OK;
}

ngx_int_t decide(ngx_http_request_t* r)
{
    AuthResult auth = auth_of(r);
    switch (auth.kind) {
    case Auth::off: return location(r).require == nullptr ? NGX_DECLINED : check_require(r);
    case Auth::empty: return unauthenticated(r, nullptr);
    case Auth::unknown:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "oidc: the variable of auth_oidc names no oidc_provider");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    case Auth::provider: break;
    }
    return session_of(r, *auth.conf) ? check_require(r) : unauthenticated(r, auth.conf);
}

// Marks the context in the pool's list of cleanups; there is nothing to clean.
void context_mark(void*) noexcept {}

}  // namespace

RequestCtx* request_ctx(ngx_http_request_t* request, bool create)
{
    ngx_http_request_t* r = request->main;
    auto* ctx = static_cast<RequestCtx*>(ngx_http_get_module_ctx(r, ngx_http_oidc_module));
    if (ctx != nullptr) return ctx;
    // an internal redirect wiped r->ctx: the pool still holds it
    ngx_pool_cleanup_t* at = r->pool->cleanup;
    while (at != nullptr && at->handler != context_mark) at = at->next;
    if (at == nullptr) {
        if (!create) return nullptr;
        at = ngx_pool_cleanup_add(r->pool, sizeof(RequestCtx));
        if (at == nullptr) throw std::bad_alloc{};
        ::new (at->data) RequestCtx;
        at->handler = context_mark;
    }
    ctx = static_cast<RequestCtx*>(at->data);
    ngx_http_set_ctx(r, ctx, ngx_http_oidc_module);
    return ctx;
}

std::string_view cookies_of(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    return ctx != nullptr && ctx->cookies_kept ? ctx->cookies : cookie_header(r->main);
}

AuthResult auth_of(ngx_http_request_t* r)
{
    LocConf& conf = location(r);
    if (conf.provider != nullptr) return {Auth::provider, conf.provider};
    if (conf.auth == nullptr) return {};
    ngx_str_t name{};
    if (ngx_http_complex_value(r, conf.auth, &name) != NGX_OK) throw std::bad_alloc{};
    if (name.len == 0) return {Auth::empty, nullptr};
    if (view(name) == "off") return {};
    const ProviderConf* named = find_provider(main_conf<MainConf>(r), view(name));
    return {named != nullptr ? Auth::provider : Auth::unknown, named};
}

SessionView session_of(ngx_http_request_t* r, const ProviderConf& conf)
{
    RequestCtx* ctx = request_ctx(r, true);
    if (ctx->looked && ctx->provider == &conf) return ctx->session;
    ctx->looked = true;
    ctx->provider = &conf;
    ctx->session = SessionView();
    std::string_view id = find_cookie(cookies_of(r), conf.cookie_names[is_https(r->main, conf) ? 1 : 0]);
    if (id.empty() || id.size() > max_session_cookie) return ctx->session;
    SessionKey key = sha256(id);
    SessionView found(conf.sessions->get(key, ngx_time(), r->main->pool));
    if (found && found.binding() == conf.provider.binding) ctx->session = found;
    return ctx->session;
}

// Where `satisfy any` may end the phase before our last handler, the endpoints are answered here; cookies are stripped for all.
ngx_int_t access_first(ngx_http_request_t* r)
{
    if (r != r->main) return NGX_DECLINED;
    MainConf& main = main_conf<MainConf>(r);
    if (main.providers.empty()) return NGX_DECLINED;
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && ctx->flow != nullptr && satisfy_any(r)) return continue_flow(r, *ctx);
    if (location(r).strip_cookies && (ctx == nullptr || !ctx->cookies_kept)) {
        std::string_view cookies = cookie_header(r);
        if (strip_our_cookies(r, main)) {
            ctx = request_ctx(r, true);
            ctx->cookies = cookies;
            ctx->cookies_kept = true;
        }
    }
    const Route* route = satisfy_any(r) ? route_of(r) : nullptr;
    return route != nullptr ? answer_endpoint(r, *route) : NGX_DECLINED;
}

ngx_int_t access_last(ngx_http_request_t* r)
{
    if (r != r->main) return NGX_DECLINED;
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && ctx->flow != nullptr) return continue_flow(r, *ctx);
    const Route* route = satisfy_any(r) ? nullptr : route_of(r);
    return route != nullptr ? answer_endpoint(r, *route) : decide(r);
}

}  // namespace oidc::ngx
