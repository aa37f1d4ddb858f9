// The endpoints that each server answers, and what must be known of a server that uses a provider.
#include <algorithm>
#include <array>

#include "ngx_http_oidc_conf_parse.hpp"

namespace oidc::ngx {
namespace {

struct EndpointRow {
    Endpoint endpoint;
    std::string_view directive;
    std::string Provider::*uri;
    bool shareable;                                        // by providers: something in the request tells them apart
};

// In the order of Endpoint.
constexpr std::array<EndpointRow, 5> endpoint_rows{{
    {Endpoint::callback, "redirect_uri", &Provider::redirect_uri, true},
    {Endpoint::login, "login_uri", &Provider::login_uri, false},
    {Endpoint::logout, "logout_uri", &Provider::logout_uri, true},
    {Endpoint::logged_out, "post_logout_uri", &Provider::post_logout_uri, true},
    {Endpoint::jwks, "client_jwks_uri", &Provider::client_jwks_uri, false},
}};

// Without a logout state the provider's return is an ordinary page of the site.
bool is_answered(const EndpointRow& row, const Provider& provider)
{
    return !(provider.*row.uri).empty() && (row.endpoint != Endpoint::logged_out || provider.logout_state);
}

std::string described(const EndpointRow& row, const Provider& provider)
{
    return std::string(row.directive) + " of oidc_provider " + quoted(provider.name);
}

void require_shareable(const Route& route, const EndpointRow& row, const ProviderConf& conf)
{
    const ProviderConf& first = *route.providers.front();
    const EndpointRow& other = endpoint_rows[static_cast<std::size_t>(route.endpoint)];
    bool same_keys = row.endpoint == Endpoint::jwks && first.provider.own_jwks == conf.provider.own_jwks;
    if (other.endpoint == row.endpoint && (row.shareable || same_keys)) return;
    throw Mistake(conf.place, described(row, conf.provider) + " and " + described(other, first.provider) + " are both " +
                                  quoted(route.path) + "; give each a path of its own");
}

}  // namespace

void add_routes(std::vector<Route>& routes, const ProviderConf& conf)
{
    for (const EndpointRow& row : endpoint_rows) {
        if (!is_answered(row, conf.provider)) continue;
        std::string path = path_of(conf.provider.*row.uri);
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

template <class Conf>
Conf& conf_of(const ngx_http_core_srv_conf_t& server, const ngx_module_t& module)
{
    return *static_cast<Conf*>(server.ctx->srv_conf[module.ctx_index]);
}

// A catch-all like "_" names no host.
bool has_name(const ngx_http_core_srv_conf_t& server)
{
    std::span names(static_cast<ngx_http_server_name_t*>(server.server_names.elts), server.server_names.nelts);
    return std::ranges::any_of(names, [](const ngx_http_server_name_t& each) {
        std::string_view name = view(each.name);
        return std::ranges::any_of(name, [](unsigned char c) { return std::isalnum(c) != 0; });
    });
}

bool is_loopback(const sockaddr& address)
{
    if (address.sa_family == AF_UNIX) return true;
    if (address.sa_family == AF_INET) return (ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24) == 127;
#if (NGX_HAVE_INET6)
    if (address.sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
#endif
    return false;
}

bool listens_here(const ngx_http_conf_addr_t& listener, const ngx_http_core_srv_conf_t& server)
{
    std::span servers(static_cast<ngx_http_core_srv_conf_t**>(listener.servers.elts), listener.servers.nelts);
    return std::ranges::find(servers, &server) != servers.end();
}

bool is_local(const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server)
{
    std::span ports(static_cast<ngx_http_conf_port_t*>(core.ports->elts), core.ports->nelts);
    return std::ranges::all_of(ports, [&](const ngx_http_conf_port_t& port) {
        std::span listeners(static_cast<ngx_http_conf_addr_t*>(port.addrs.elts), port.addrs.nelts);
        return std::ranges::all_of(listeners, [&](const ngx_http_conf_addr_t& listener) {
            return !listens_here(listener, server) || is_loopback(*listener.opt.sockaddr);
        });
    });
}

Place place_of(const ngx_http_core_srv_conf_t& server)
{
    auto* file = const_cast<u_char*>(server.file_name);
    return {{ngx_strlen(file), file}, server.line};
}

void require_host(const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server)
{
    if (has_name(server) || is_local(core, server)) return;
    throw Mistake(place_of(server), "this server uses auth_oidc and has no server_name, so that the redirect URI has no host; "
                                    "add server_name, oidc_base_url, or an absolute redirect_uri");
}

void warn_of_old_tls(ngx_conf_t* cf, const ngx_http_core_srv_conf_t& server)
{
#if (NGX_HTTP_SSL)
    auto& ssl = conf_of<ngx_http_ssl_srv_conf_t>(server, ngx_http_ssl_module);
    constexpr ngx_uint_t old = NGX_SSL_SSLv2 | NGX_SSL_SSLv3 | NGX_SSL_TLSv1 | NGX_SSL_TLSv1_1;
    if (ssl.ssl.ctx == nullptr || (ssl.protocols & old) == 0) return;
    report(cf, NGX_LOG_WARN, place_of(server), "this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and "
                                               "ProConnect forbid; write \"ssl_protocols TLSv1.2 TLSv1.3\"");
#endif
}

void complete_server(ngx_conf_t* cf, const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server)
{
    auto& conf = conf_of<SrvConf>(server, ngx_http_oidc_module);
    if (conf.used.empty()) return;
    for (const ProviderConf* provider : conf.used) add_routes(conf.routes, *provider);
    if (conf.host_needed) require_host(core, server);
    warn_of_old_tls(cf, server);
}

}  // namespace

bool build_routes(ngx_conf_t* cf)
{
    auto& core = *static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    std::span servers(static_cast<ngx_http_core_srv_conf_t**>(core.servers.elts), core.servers.nelts);
    auto complete = [&] {
        for (const ngx_http_core_srv_conf_t* server : servers) complete_server(cf, core, *server);
    };
    return guarded(cf, "", complete) == NGX_CONF_OK;
}

}  // namespace oidc::ngx
