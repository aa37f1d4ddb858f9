// What is known once the configuration was read: the endpoints that each server answers, the zones, the phases.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t default_store_size = 8 * 1024 * 1024, documents_size = 4 * 1024 * 1024, states_size = 1024 * 1024;

// ---- The endpoints that a server answers

struct EndpointRow {
    Endpoint endpoint;
    std::string_view directive;
    std::string Provider::*uri;
    bool shareable;                                        // by providers: something in the request tells them apart
};

// In the order of Endpoint.
constexpr EndpointRow endpoint_rows[] = {
    {Endpoint::callback, "redirect_uri", &Provider::redirect_uri, true},
    {Endpoint::login, "login_uri", &Provider::login_uri, false},
    {Endpoint::logout, "logout_uri", &Provider::logout_uri, true},
    {Endpoint::logged_out, "post_logout_uri", &Provider::post_logout_uri, true},
    {Endpoint::jwks, "client_jwks_uri", &Provider::client_jwks_uri, false},
    {Endpoint::sector, "sector_identifier_uri", &Provider::sector_identifier_uri, true},
    {Endpoint::initiate, "initiate_login_uri", &Provider::initiate_login_uri, true},
    {Endpoint::backchannel, "backchannel_logout_uri", &Provider::backchannel_logout_uri, false},
    {Endpoint::frontchannel, "frontchannel_logout_uri", &Provider::frontchannel_logout_uri, false},
};

// Throws Mistake for two on one path, unless something in the request tells the providers apart.
void add_route(std::vector<Route>& routes, const ProviderConf& conf, const EndpointRow& row, const std::string& path)
{
    auto at = std::ranges::lower_bound(routes, path, {}, &Route::path);
    if (at == routes.end() || at->path != path) at = routes.insert(at, {path, row.endpoint, {}});
    at->providers.push_back(&conf);
    const Provider& first = at->providers.front()->provider;
    const EndpointRow& other = endpoint_rows[static_cast<std::size_t>(at->endpoint)];
    bool same_keys = row.endpoint == Endpoint::jwks && first.own_jwks == conf.provider.own_jwks;
    if (other.endpoint == row.endpoint && (row.shareable || same_keys || &first == &conf.provider)) return;
    throw Mistake(concat({row.directive, " of ", titled(conf.provider), " and ", other.directive, " of ", titled(first),
                          " are both ", quoted(path), "; give each a path of its own"}), conf.place);
}

void add_routes(std::vector<Route>& routes, const ProviderConf& conf)
{
    for (const EndpointRow& row : endpoint_rows) {
        std::string path = path_of(conf.provider.*row.uri);
        // Without a logout state the provider's return is an ordinary page of the site.
        if (path.empty() || (row.endpoint == Endpoint::logged_out && !conf.provider.logout_state)) continue;
        add_route(routes, conf, row, path);
        std::string why = concat({": the module answers this path, as the ", row.directive, "; choose another"});
        for (auto [directive, page] : {std::pair("error_uri", &Provider::error_uri), {"logged_out_uri", &Provider::logged_out_uri},
                                       {"post_logout_uri", &Provider::post_logout_uri}}) {
            bool login = row.endpoint == Endpoint::login && page != &Provider::error_uri;  // whoever logged out may log in again
            if (path != conf.provider.*page || row.uri == page || login) continue;
            throw Mistake(said_in(conf.provider, directive) + why, conf.place_of(directive));
        }
    }
}

// ---- When all was read

// A catch-all like "_" names no host.
bool is_host(const ngx_http_server_name_t& name)
{
    return std::ranges::any_of(view(name.name), [](unsigned char c) { return std::isalnum(c) != 0; });
}

// Where the redirect URI has the server's own names, and none of them is in the cookie's domain. A pattern may be.
void require_domain(const SrvConf& server, const ProviderConf& conf)
{
    const std::string& domain = conf.provider.cookie.domain;
    std::string inner = (domain.starts_with('.') ? "" : ".") + domain;
    auto outside = [&](const ngx_http_server_name_t& host) {
        std::string name = "." + string(host.name);
        std::string_view end = std::string_view(name).substr(name.size() - std::min(name.size(), inner.size()));
        return std::isalnum(host.name.data[0]) != 0 && !equal_no_case(end, inner);
    };
    bool ours = server.host_needed && !server.hosts.empty() && conf.provider.redirect_uri.starts_with('/');
    if (domain.empty() || !ours || !std::ranges::all_of(server.hosts, outside)) return;
    throw Mistake(concat({said_in(conf.provider, "cookie_domain"), ": browsers refuse it from ", quoted(string(server.hosts[0].name)),
                          "; write a domain that a server_name ends in"}), conf.place_of("cookie_domain"));
}

bool is_local(std::string_view address)
{
    std::optional<Url> url = parse_url("http://" + std::string(address));
    return address.starts_with("unix:") || (url && is_loopback(url->host));
}

bool any_listener(const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server, auto fits)
{
    for (const auto& port : items<ngx_http_conf_port_t>(*core.ports)) {
        for (const auto& at : items<ngx_http_conf_addr_t>(port.addrs))
            if (contains(items<ngx_http_core_srv_conf_t*>(at.servers), &server) && fits(at.opt)) return true;
    }
    return false;
}

bool is_open(const ngx_http_listen_opt_t& listen) { return !is_local(view(listen.addr_text)); }
bool is_open_without_tls(const ngx_http_listen_opt_t& listen) { return is_open(listen) && listen.ssl == 0; }

void complete_server(ngx_conf_t* cf, const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server)
{
    auto& conf = *static_cast<SrvConf*>(server.ctx->srv_conf[ngx_http_oidc_module.ctx_index]);
    std::ranges::copy_if(items<ngx_http_server_name_t>(server.server_names), std::back_inserter(conf.hosts), is_host);
    std::stable_partition(conf.hosts.begin(), conf.hosts.end(),
                          [](const auto& host) { return std::isalnum(host.name.data[0]) != 0; });
    if (conf.used.empty()) return;
    for (const ProviderConf* provider : conf.used) {
        add_routes(conf.routes, *provider);
        require_domain(conf, *provider);
    }
    auto* file = const_cast<u_char*>(server.file_name);
    Place place{{ngx_strlen(file), file}, server.line};
    if (conf.host_needed && conf.hosts.empty() && any_listener(core, server, is_open)) {
        throw Mistake("this server uses auth_oidc and has no server_name, so that the redirect URI has no host; "
                      "add server_name, oidc_base_url, or an absolute redirect_uri", place);
    }
    if (conf.host_needed && any_listener(core, server, is_open_without_tls)) {
        report(cf, NGX_LOG_WARN, place, "this server uses auth_oidc on a listener without ssl, browsers would be sent back to "
                                        "http://...; write an absolute https redirect_uri "
                                        "(see conf-examples/behind-tls-terminator.conf)");
    }
#if (NGX_HTTP_SSL)
    auto& ssl = *static_cast<ngx_http_ssl_srv_conf_t*>(server.ctx->srv_conf[ngx_http_ssl_module.ctx_index]);
    bool old = (ssl.protocols & (NGX_SSL_SSLv2 | NGX_SSL_SSLv3 | NGX_SSL_TLSv1 | NGX_SSL_TLSv1_1)) != 0;
    if (!old || !any_listener(core, server, [](const ngx_http_listen_opt_t& listen) { return listen.ssl != 0; })) return;
    report(cf, NGX_LOG_WARN, place, "this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and ProConnect "
                                    "forbid; write \"ssl_protocols TLSv1.2 TLSv1.3\"");
#endif
}

Zone* session_zone(ngx_conf_t* cf, MainConf& main, const ProviderConf& conf)
{
    const std::string& name = conf.session_store;
    if (name.empty()) {
        main.zones.push_back(std::make_unique<Zone>(cf, "oidc_default_store_" + conf.provider.name, default_store_size));
        return main.zones.back().get();
    }
    auto at = std::ranges::find(main.zones, name, &Zone::name);
    if (at != main.zones.end()) return at->get();
    std::string near = did_you_mean(name, names_of(main.zones, &Zone::name));
    if (!near.starts_with("; did")) near = "; add \"oidc_session_zone zone=" + name + ":8m\"";
    throw Mistake(said_in(conf.provider, "session_store") + ": no oidc_session_zone is named " + quoted(name) + near,
                  conf.written.at("session_store"));
}

void require_own_cookie(const ProviderConf& conf, const ProviderConf& other)
{
    const CookieRules &one = conf.provider.cookie, &two = other.provider.cookie;
    bool same = conf.cookie_names[0] == other.cookie_names[0] || conf.cookie_names[1] == other.cookie_names[1];
    if (&conf == &other || !one.name_given || !same || one.domain != two.domain || one.path != two.path) return;
    throw Mistake(concat({"cookie_name of ", titled(conf.provider), " and of ", titled(other.provider), " are both ",
                          quoted(one.name), "; give each a name of its own"}), conf.place_of("cookie_name"));
}

}  // namespace

void complete(ngx_conf_t* cf)
{
    auto& main = *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto& core = *static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    ngx_str_t cookies = ngx_string("http_cookie");
    main.cookie_variable = ngx_http_get_variable_index(cf, &cookies);
    if (main.cookie_variable == NGX_ERROR) throw std::bad_alloc{};
    if (!main.providers.empty()) {
        main.documents = std::make_unique<Zone>(cf, Zone::of_documents, documents_size);
        main.states = std::make_unique<Zone>(cf, "oidc_states", states_size);
    }
    for (auto& conf : main.providers) {
        Provider& provider = conf->provider;
        CookieRules& cookie = provider.cookie;
        if (!cookie.name_given) cookie.name = "NGX_OIDC_SESSION" + (main.providers.size() > 1 ? "_" + provider.name : "");
        conf->sessions = session_zone(cf, main, *conf);
        conf->counters = declare_metrics(cf, provider.name);
        for (bool https : {false, true})
            main.session_cookies.push_back(conf->cookie_names[https] = session_cookie_name(provider, https));
        provider.binding = binding_of(provider);
        std::vector<Route> alone;
        add_routes(alone, *conf);
    }
    std::ranges::sort(main.session_cookies);
    for (const auto& conf : main.providers)
        for (const auto& other : main.providers) require_own_cookie(*conf, *other);
    for (const auto* server : items<ngx_http_core_srv_conf_t*>(core.servers)) complete_server(cf, core, *server);
    // nginx runs a phase's handlers from the last registered to the first: index 0 decides after every other access module.
    ngx_array_t& handlers = core.phases[NGX_HTTP_ACCESS_PHASE].handlers;
    if (ngx_array_push_n(&handlers, 2) == nullptr) throw std::bad_alloc{};
    auto all = items<ngx_http_handler_pt>(handlers);
    std::shift_right(all.begin(), all.end() - 1, 1);
    all.front() = guarded<access_last, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    all.back() = guarded<access_first, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    void* before = ngx_array_push(&core.phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (before == nullptr) throw std::bad_alloc{};
    *static_cast<ngx_http_handler_pt*>(before) = guarded<preaccess, NGX_HTTP_INTERNAL_SERVER_ERROR>;
}

}  // namespace oidc::ngx
