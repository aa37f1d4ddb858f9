// What is known once everything was read: zones, names, and the endpoints that each server answers.
#include "ngx_http_oidc_conf_parse.hpp"
#include "oidc/cookie.hpp"
#include "oidc/session.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t default_store_size = 8 * 1024 * 1024, private_zone_size = 4 * 1024 * 1024;

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
};

void require_shareable(const Route& route, const EndpointRow& row, const ProviderConf& conf)
{
    const Provider& first = route.providers.front()->provider;
    const EndpointRow& other = endpoint_rows[static_cast<std::size_t>(route.endpoint)];
    bool same_keys = row.endpoint == Endpoint::jwks && first.own_jwks == conf.provider.own_jwks;
    if (other.endpoint == row.endpoint && (row.shareable || same_keys)) return;
    throw Mistake(std::string(row.directive) + " of " + titled(conf.provider) + " and " + std::string(other.directive) + " of " +
                      titled(first) + " are both " + quoted(route.path) + "; give each a path of its own", conf.place);
}

}  // namespace

void add_routes(std::vector<Route>& routes, const ProviderConf& conf)
{
    for (const EndpointRow& row : endpoint_rows) {
        std::string path = path_of(conf.provider.*row.uri);
        // Without a logout state the provider's return is an ordinary page of the site.
        if (path.empty() || (row.endpoint == Endpoint::logged_out && !conf.provider.logout_state)) continue;
        auto at = std::ranges::lower_bound(routes, path, {}, &Route::path);
        if (at == routes.end() || at->path != path) {
            routes.insert(at, {std::move(path), row.endpoint, {&conf}});
        } else {
            require_shareable(*at, row, conf);
            at->providers.push_back(&conf);
        }
    }
}

namespace {

// A catch-all like "_" names no host.
bool is_host(const ngx_http_server_name_t& name)
{
    return std::ranges::any_of(view(name.name), [](unsigned char c) { return std::isalnum(c) != 0; });
}

bool is_local(std::string_view address)
{
    std::optional<Url> url = parse_url("http://" + std::string(address));
    return address.starts_with("unix:") || (url && is_loopback(url->host));
}

bool listens_locally(const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t* server)
{
    for (const auto& port : items<ngx_http_conf_port_t>(*core.ports)) {
        for (const auto& at : items<ngx_http_conf_addr_t>(port.addrs)) {
            bool here = contains(items<ngx_http_core_srv_conf_t*>(at.servers), server);
            if (here && !is_local(view(at.opt.addr_text))) return false;
        }
    }
    return true;
}

Place place_of(const ngx_http_core_srv_conf_t& server)
{
    auto* file = const_cast<u_char*>(server.file_name);
    return {{ngx_strlen(file), file}, server.line};
}

void warn_of_old_tls(ngx_conf_t* cf, const ngx_http_core_srv_conf_t& server)
{
#if (NGX_HTTP_SSL)
    auto& conf = *static_cast<ngx_http_ssl_srv_conf_t*>(server.ctx->srv_conf[ngx_http_ssl_module.ctx_index]);
    constexpr ngx_uint_t old = NGX_SSL_SSLv2 | NGX_SSL_SSLv3 | NGX_SSL_TLSv1 | NGX_SSL_TLSv1_1;
    if (conf.ssl.ctx == nullptr || (conf.protocols & old) == 0) return;
    report(cf, NGX_LOG_WARN, place_of(server), "this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and "
                                               "ProConnect forbid; write \"ssl_protocols TLSv1.2 TLSv1.3\"");
#endif
}

void complete_server(ngx_conf_t* cf, const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server)
{
    auto& conf = *static_cast<SrvConf*>(server.ctx->srv_conf[ngx_http_oidc_module.ctx_index]);
    auto names = items<ngx_http_server_name_t>(server.server_names);
    conf.hosts.assign(names.begin(), names.end());
    if (conf.used.empty()) return;
    for (const ProviderConf* provider : conf.used) add_routes(conf.routes, *provider);
    if (conf.host_needed && std::ranges::none_of(names, is_host) && !listens_locally(core, &server)) {
        throw Mistake("this server uses auth_oidc and has no server_name, so that the redirect URI has no host; "
                      "add server_name, oidc_base_url, or an absolute redirect_uri", place_of(server));
    }
    warn_of_old_tls(cf, server);
}

SessionZone* session_zone(ngx_conf_t* cf, MainConf& main, const ProviderConf& conf)
{
    const std::string& name = conf.session_store;
    if (name.empty()) {
        main.zones.push_back(std::make_unique<SessionZone>(cf, "oidc_default_store_" + conf.provider.name, default_store_size));
        return main.zones.back().get();
    }
    auto at = std::ranges::find(main.zones, name, &SessionZone::name);
    if (at != main.zones.end()) return at->get();
    std::string near = did_you_mean(name, names_of(main.zones, &SessionZone::name));
    throw Mistake(said_in(conf.provider, "session_store") + ": no oidc_session_zone is named " + quoted(name) + near,
                  conf.written.at("session_store"));
}

}  // namespace

void complete_configuration(ngx_conf_t* cf)
{
    auto& main = *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto& core = *static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    if (!main.providers.empty()) main.private_zone = std::make_unique<PrivateZone>(cf, private_zone_size);
    for (auto& conf : main.providers) {
        Provider& provider = conf->provider;
        CookieRules& cookie = provider.cookie;
        if (!cookie.name_given) cookie.name = "NGX_OIDC_SESSION" + (main.providers.size() > 1 ? "_" + provider.name : "");
        conf->sessions = session_zone(cf, main, *conf);
        conf->cookie_names[0] = session_cookie_name(provider, false);
        conf->cookie_names[1] = session_cookie_name(provider, true);
        provider.binding = binding_of(provider);
    }
    for (const ngx_http_core_srv_conf_t* server : items<ngx_http_core_srv_conf_t*>(core.servers)) complete_server(cf, core, *server);
}

}  // namespace oidc::ngx
