// One request: its session, its cookies, how its site looks from the browser, and who may pass.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

// The Cookie lines: an array of elements before nginx 1.23, a list after.
template <class Visit>
void each_cookie_line(ngx_http_request_t* r, Visit visit)
{
#if (nginx_version >= 1023000)
    for (ngx_table_elt_t* line = r->headers_in.cookie; line != nullptr; line = line->next) visit(line);
#else
    for (ngx_table_elt_t* line : items<ngx_table_elt_t*>(r->headers_in.cookies)) visit(line);
#endif
}

bool is_ours(const void* conf, std::string_view name)
{
    std::string_view bare = name.starts_with(host_prefix) ? name.substr(host_prefix.size()) : name;
    if (bare.starts_with(attempt_cookie_prefix) || bare.starts_with(rounds_cookie_prefix)) return true;
    return std::ranges::binary_search(static_cast<const MainConf*>(conf)->session_cookies, name);
}

// An element cannot leave the list of headers, whose others nginx points to, and proxies send whatever stands in it: it becomes
// an empty header about the connection, which they never pass on.
void retire(ngx_table_elt_t& line)
{
    line.key = borrow("keep-alive");
    line.lowcase_key = line.key.data;
    line.hash = ngx_hash_key(line.key.data, line.key.len);
    line.value = borrow("");
}

// What a connection's last Cookie header came to: a browser repeats it byte for byte.
struct Sifted {
    std::string header, left;            // left: without our cookies
    const std::string* name = nullptr;   // of the session cookie that was looked for
    std::optional<Digest> key = {};      // of the session that it names
};

// A long header is not kept beyond its request.
Sifted& sift(ngx_http_request_t* r, std::string_view cookies)
{
    constexpr std::size_t longest = 2048;
    ngx_pool_t* pool = cookies.size() > longest ? r->main->pool : r->connection->pool;
    auto* last = find_in_pool<Sifted>(pool);
    if (last != nullptr && last->header == cookies) return *last;
    if (last == nullptr) last = make_in_pool<Sifted>(pool);
    std::string kept(cookies.size(), '\0');
    std::optional<std::string_view> left = strip_cookies(cookies, kept.data(), is_ours, &main_conf(r));
    *last = {std::string(cookies), std::string(left.value_or(cookies))};
    return *last;
}

// Removes this module's cookies from what an upstream and $http_cookie see.
void strip_our_cookies(ngx_http_request_t* r)
{
    std::string_view cookies = cookies_of(r);
    if (cookies.empty()) return;
    const Sifted& sifted = sift(r, cookies);
    if (sifted.left.size() == cookies.size()) return;
    ngx_str_t left = copy(r->pool, sifted.left);
    request_ctx(r, true)->cookies = cookies;
    ngx_uint_t stay = left.len > 0 ? 1 : 0, seen = 0;
    each_cookie_line(r, [&](ngx_table_elt_t* line) {
        if (seen++ < stay) line->value = left;
        else retire(*line);
    });
#if (nginx_version >= 1023000)
    (stay > 0 ? r->headers_in.cookie->next : r->headers_in.cookie) = nullptr;
#else
    r->headers_in.cookies.nelts = stay;
#endif
    ngx_http_variable_value_t& seen_before = r->variables[main_conf(r).cookie_variable];
    seen_before.valid = seen_before.not_found = 0;
}

// ---- The site

// As nginx matches them: "*" stands for one label or more, at either end.
bool host_fits(ngx_http_request_t* r, const ngx_http_server_name_t& server)
{
#if (NGX_PCRE)
    if (server.regex != nullptr) return ngx_http_regex_exec(r, server.regex, &r->headers_in.server) == NGX_OK;
#endif
    std::string_view name = view(server.name), host = view(r->headers_in.server);
    if (name.starts_with('.')) return host == name.substr(1) || host.ends_with(name);
    std::size_t star = name.find('*');
    if (star == name.npos) return name == host;
    return host.starts_with(name.substr(0, star)) && host.ends_with(name.substr(star + 1));
}

bool asks_by_name(ngx_http_request_t* r)
{
    auto fits = [&](const ngx_http_server_name_t& name) { return host_fits(r, name); };
    return r->headers_in.server.len > 0 && std::ranges::any_of(server(r).hosts, fits);
}

// The request's host when it is one of the server's names, else the first name. Without any (letters or digits: "_" is none) the
// server listens on loopback alone, the configuration saw to it: the host as it came. With patterns alone: one that is not ours.
std::string_view trusted_host(ngx_http_request_t* r)
{
    std::string_view host = view(r->headers_in.server);
    if (asks_by_name(r)) return host;
    auto name = std::ranges::find_if(server(r).hosts, is_plain);
    if (name != server(r).hosts.end()) return view(name->name);
    return host.empty() || !server(r).hosts.empty() ? "localhost" : host;
}

#if (NGX_HTTP_SSL)
bool over_tls(ngx_http_request_t* r) noexcept { return r->connection->ssl != nullptr; }
#else
bool over_tls(ngx_http_request_t*) noexcept { return false; }
#endif

// ---- Who may pass

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

// Why the session is not enough here, as a challenge (RFC 9470, RFC 6750 section 3); empty: it is.
std::string lack(ngx_http_request_t* r, const Provider& provider, SessionView session)
{
    const Demand* scope = location(r).scope;
    const Words& levels = levels_here(r, provider);
    if (!levels.empty() && !acr_at_least(provider.acr_orders, levels, session.claim("acr").value_or(Entry()).value))
        return concat({"Bearer error=\"insufficient_user_authentication\", acr_values=\"", join(levels, " "), "\""});
    if (scope == nullptr || scope->words.empty()) return {};
    std::int64_t expires = session.times().access_expires;
    Words granted = expires == 0 || expires > ngx_time() ? words(session.internal(entry_name::scope)) : Words();
    if (std::ranges::all_of(scope->words, [&](const std::string& each) { return contains(granted, each); })) return {};
    return concat({"Bearer error=\"insufficient_scope\", scope=\"", join(scope->words, " "), "\""});
}

ngx_int_t show_chooser(ngx_http_request_t* r)
{
    ngx_str_t uri = location(r).chooser, args{};
    add_header(r, "Cache-Control", "no-store");
    ngx_http_internal_redirect(r, &uri, &args);
    ngx_http_finalize_request(r, NGX_DONE);
    return NGX_DONE;
}

ngx_int_t unauthenticated(ngx_http_request_t* r, const ProviderConf* conf, std::string_view challenge)
{
    // A page that shows a failed login must not begin another: error_uri is shown, any other protected page is not.
    if (RequestCtx* ctx = request_ctx(r, false); ctx != nullptr && ctx->error_status != 0)
        return conf != nullptr && view(r->uri) == conf->provider.error_uri ? NGX_OK : ctx->error_status;
    auto mode = static_cast<Unauth>(location(r).unauth);
    if (mode == Unauth::pass || view(r->uri) == view(location(r).chooser)) return check_require(r);
    bool redirects = mode == Unauth::redirect || (mode == Unauth::automatic && is_navigation(r));
    if (redirects && conf != nullptr) return begin_flow(r, *conf, Endpoint::page);
    if (redirects && location(r).chooser.len > 0) return show_chooser(r);
    add_header(r, "Cache-Control", "no-store");
    if (mode == Unauth::status_403) return NGX_HTTP_FORBIDDEN;
    r->headers_out.www_authenticate = add_header(r, "WWW-Authenticate", challenge);
    return NGX_HTTP_UNAUTHORIZED;
}

// Has new tokens fetched in time. True: the old ones are over, the request waits.
bool must_wait(ngx_http_request_t* r, const ProviderConf& conf, SessionView session)
{
    RequestCtx* ctx = request_ctx(r, true);
    if (ctx->refreshed || !refresh_due(conf.provider, session, ngx_time())) return false;
    begin_refresh(conf, main_conf(r), ctx->key);
    ctx->refreshed = true;
    return session.times().access_expires <= ngx_time();
}

ngx_int_t decide(ngx_http_request_t* r)
{
    Auth auth = auth_of(r);
    if (!auth.on) return location(r).require == nullptr ? NGX_DECLINED : check_require(r);
    if (auth.conf == nullptr && !auth.value.empty())
        return refuse(r, Failure(Reason::provider_unknown, "auth_oidc: no such oidc_provider"), auth.value.substr(0, 64));
    SessionView session = auth.conf != nullptr ? session_of(r, *auth.conf) : SessionView();
    if (session && must_wait(r, *auth.conf, session)) {
        ngx_int_t rc = begin_flow(r, *auth.conf, Endpoint::refresh);
        return rc == NGX_DECLINED ? decide(r) : rc;
    }
    if (!session) return unauthenticated(r, auth.conf, "Bearer realm=\"login required\"");
    std::string challenge = lack(r, auth.conf->provider, session);
    return challenge.empty() ? check_require(r) : unauthenticated(r, auth.conf, challenge);
}

}  // namespace

// A callback's query holds a live code, another site's login a person's name, a front-channel logout a claim, and nginx writes the
// request line to its logs: limit_req, for one, later in this phase.
ngx_int_t preaccess(ngx_http_request_t* r)
{
    const Route* route = r->args.len > 0 && r == r->main ? find_route(r, view(r->uri)) : nullptr;
    constexpr Endpoint telling[] = {Endpoint::callback, Endpoint::initiate, Endpoint::frontchannel};
    if (route == nullptr || !contains(telling, route->endpoint)) return NGX_DECLINED;
    std::string_view line = view(r->request_line);
    std::size_t query = line.find('?'), version = std::min(line.rfind(" HTTP/"), line.size());
    if (query < version) r->request_line = copy(r->pool, concat({line.substr(0, query), line.substr(version)}));
    return NGX_DECLINED;
}

bool is_plain(const ngx_http_server_name_t& name) noexcept
{
#if (NGX_PCRE)
    if (name.regex != nullptr) return false;
#endif
    return !contains(view(name.name), '*') && !view(name.name).starts_with('.');
}

RequestCtx* find_request_ctx(ngx_http_request_t* main, bool create)
{
    auto* ctx = main->internal ? find_in_pool<RequestCtx>(main->pool) : nullptr;  // an internal redirect wipes main->ctx
    if (ctx == nullptr && create) ctx = make_in_pool<RequestCtx>(main->pool);
    ngx_http_set_ctx(main, ctx, ngx_http_oidc_module);
    return ctx;
}

std::string_view evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value)
{
    ngx_str_t text{};
    if (value != nullptr && ngx_http_complex_value(r, value, &text) != NGX_OK) throw std::bad_alloc{};
    return view(text);
}

Auth auth_of(ngx_http_request_t* r)
{
    const LocConf& conf = location(r);
    if (conf.provider != nullptr) return {true, conf.provider, {}};
    if (conf.auth.value == nullptr) return {};
    std::string_view name = evaluate(r, conf.auth.value);
    bool demands = conf.chooser.len > 0 || (conf.acr != nullptr && !conf.acr->words.empty()) ||
                   (conf.scope != nullptr && !conf.scope->words.empty());
    return {name != "off" || demands, find_provider(main_conf(r), name), name};  // a browser's choice turns no demand off
}

SessionView find_session(ngx_http_request_t* r, RequestCtx& ctx, const ProviderConf& conf)
{
    constexpr std::size_t longest = 64;  // ours has 43 characters: a longer one is not hashed
    ctx.provider = &conf;
    ctx.session = SessionView();
    std::string_view cookies = cookies_of(r);
    if (cookies.empty()) return ctx.session;
    Sifted& sifted = sift(r, cookies);
    const std::string& name = conf.cookie_names[is_https(r->main, conf) ? 1 : 0];
    if (sifted.name != &name) {
        std::string_view id = find_cookie(sifted.header, name);
        sifted.key = id.empty() || id.size() > longest ? std::nullopt : std::optional(sha256(id));
        sifted.name = &name;
    }
    if (!sifted.key) return ctx.session;
    ctx.key = *sifted.key;
    SessionView found(conf.sessions->get(ctx.key, ngx_time(), r->main->pool));
    if (found && found.binding() == conf.provider.binding) ctx.session = found;
    return ctx.session;
}

const Words& levels_here(ngx_http_request_t* r, const Provider& provider) noexcept
{
    static const Words none;
    const Demand* acr = location(r).acr;
    if (acr != nullptr && !acr->words.empty()) return acr->words;
    return provider.profile->acr_orders.size() == 1 ? none : provider.acr_default;
}

const Route* find_route(ngx_http_request_t* r, std::string_view path)
{
    auto& routes = server(r).routes;
    auto route = std::ranges::lower_bound(routes, path, {}, &Route::path);
    return route != routes.end() && route->path == path ? &*route : nullptr;
}

// Where `satisfy any` may end the phase before our last handler, the endpoints are answered here; cookies are stripped for all.
ngx_int_t access_first(ngx_http_request_t* r)
{
    if (r != r->main || main_conf(r).providers.empty()) return NGX_DECLINED;
    // Before the cookies go: its variable may be a map of them, which keeps what it saw first, ours too.
    if (location(r).auth.place.line > 0) request_ctx(r, true)->guard = auth_of(r).conf;
    if (location(r).strip_cookies) strip_our_cookies(r);
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->satisfy == NGX_HTTP_SATISFY_ANY ? answer(r) : NGX_DECLINED;
}

ngx_int_t access_last(ngx_http_request_t* r)
{
    if (r != r->main) return NGX_DECLINED;
    ngx_int_t rc = answer(r);
    return rc == NGX_DECLINED ? decide(r) : rc;
}

std::string_view cookies_of(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    if (ctx != nullptr && !ctx->cookies.empty()) return ctx->cookies;
    std::string_view first;
    std::string all;
    each_cookie_line(r->main, [&](ngx_table_elt_t* line) {
        if (first.empty()) first = view(line->value);
        else all.append(all.empty() ? first : "").append("; ").append(view(line->value));
    });
    return all.empty() ? first : view(copy(r->pool, all));
}

bool is_https(ngx_http_request_t* r, const ProviderConf& conf)
{
    if (!conf.provider.redirect_uri.starts_with('/')) return conf.provider.redirect_uri.starts_with("https:");
    std::string_view configured = evaluate(r, location(r).base_url.value);
    return configured.empty() ? over_tls(r) : configured.starts_with("https:");
}

// An absolute redirect URI fixes the site; only who asks for another name of this server is first sent there.
std::string base_url(ngx_http_request_t* r, const ProviderConf& conf)
{
    std::string_view uri = conf.provider.redirect_uri, host = view(r->headers_in.server);
    if (std::optional<Url> fixed = uri.starts_with('/') ? std::nullopt : parse_url(uri)) {
        bool other = host != fixed->host && asks_by_name(r);
        return other ? concat({fixed->scheme, "://", host}) : std::string(uri.substr(0, uri.find('/', uri.find("://") + 3)));
    }
    if (std::string_view configured = evaluate(r, location(r).base_url.value); !configured.empty()) return std::string(configured);
    bool https = over_tls(r);
    in_port_t port = ngx_inet_get_port(r->connection->local_sockaddr);
    std::string suffix = port == 0 || port == (https ? 443 : 80) ? "" : ":" + std::to_string(port);
    return concat({https ? "https://" : "http://", trusted_host(r), suffix});
}

ngx_table_elt_t* add_header(ngx_http_request_t* r, std::string_view name, std::string_view value)
{
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (line == nullptr) throw std::bad_alloc{};
    *line = {};
    line->key = borrow(name);
    line->value = copy(r->pool, value);
    line->hash = 1;
    return line;
}

}  // namespace oidc::ngx
