#include "conf/server_check.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

namespace oidc::ngx {
namespace {

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
    throw ConfigError(concat({directive_of(conf.provider, "cookie_domain"), ": browsers refuse it from ",
                              quoted(string(server.hosts[0].name)), "; write a domain that a server_name ends in"}),
                      conf.place_of("cookie_domain"));
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

}  // namespace

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
        throw ConfigError("this server uses auth_oidc and has no server_name, so that the redirect URI has no host; "
                          "add server_name, oidc_base_url, or an absolute redirect_uri",
                          place);
    }

    if (conf.host_needed && any_listener(core, server, is_open_without_tls)) {
        report(cf, NGX_LOG_WARN, place,
               "this server uses auth_oidc on a listener without ssl, browsers would be sent back to "
               "http://...; write an absolute https redirect_uri "
               "(see conf-examples/behind-tls-terminator.conf)");
    }
#if (NGX_HTTP_SSL)
    auto& ssl = *static_cast<ngx_http_ssl_srv_conf_t*>(server.ctx->srv_conf[ngx_http_ssl_module.ctx_index]);
    bool old = (ssl.protocols & (NGX_SSL_SSLv2 | NGX_SSL_SSLv3 | NGX_SSL_TLSv1 | NGX_SSL_TLSv1_1)) != 0;
    if (!old || !any_listener(core, server, [](const ngx_http_listen_opt_t& listen) { return listen.ssl != 0; }))
        return;
    report(cf, NGX_LOG_WARN, place,
           "this server uses auth_oidc and accepts TLS below 1.2, which FranceConnect and ProConnect "
           "forbid; write \"ssl_protocols TLSv1.2 TLSv1.3\"");
#endif
}

}  // namespace oidc::ngx
