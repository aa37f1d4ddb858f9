#include "conf/completion.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/files.hpp"
#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "conf/server_check.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/base/text.hpp"
#include "oidc/provider/http_policy.hpp"
#include "oidc/provider/provider.hpp"
#include "oidc/provider/session_cookie.hpp"
#include "store/metrics.hpp"
#include "store/zone.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t default_store_size = 8 * 1024 * 1024, documents_size = 4 * 1024 * 1024, states_size = 1024 * 1024;

Zone* session_zone(ngx_conf_t* cf, MainConf& main, const ProviderConf& conf)
{
    const std::string& name = conf.session_store;
    if (name.empty()) {
        main.zones.push_back(
            std::make_unique<Zone>(cf, "oidc_default_store_" + conf.provider.name, default_store_size));
        return main.zones.back().get();
    }
    auto at = std::ranges::find(main.zones, name, &Zone::name);
    if (at != main.zones.end()) return at->get();
    std::string near = did_you_mean(name, names_of(main.zones, &Zone::name));
    if (!near.starts_with("; did")) near = "; add \"oidc_session_zone zone=" + name + ":8m\"";
    throw ConfigError(directive_of(conf.provider, "session_store") + ": no oidc_session_zone is named " + quoted(name) +
                          near,
                      conf.written.at("session_store"));
}

void require_own_cookie(const ProviderConf& conf, const ProviderConf& other)
{
    const CookieRules &one = conf.provider.cookie, &two = other.provider.cookie;
    bool same = conf.cookie_names[0] == other.cookie_names[0] || conf.cookie_names[1] == other.cookie_names[1];
    if (&conf == &other || !one.name_given || !same || one.domain != two.domain || one.path != two.path) return;
    throw ConfigError(
        concat({"cookie_name of ", provider_title(conf.provider), " and of ", provider_title(other.provider),
                " are both ", quoted(one.name), "; give each a name of its own"}),
        conf.place_of("cookie_name"));
}

Digest trust_of(const HttpPolicy& http)
{
    return sha256(
        {file_identity(http.ca_file), "\n", file_identity(http.crl_file), "\n", http.proxy, "\n", http.certificate});
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
        if (!cookie.name_given)
            cookie.name = "NGX_OIDC_SESSION" + (main.providers.size() > 1 ? "_" + provider.name : "");

        conf->sessions = session_zone(cf, main, *conf);
        conf->counters = declare_metrics(cf, provider.name);
        for (bool https : {false, true})
            main.session_cookies.push_back(conf->cookie_names[https] = session_cookie_name(provider, https));

        provider.binding = session_binding(provider);
        provider.http.trust = trust_of(provider.http);
        std::vector<Route> alone;
        add_routes(alone, *conf);
    }

    std::ranges::sort(main.session_cookies);
    for (const auto& conf : main.providers)
        for (const auto& other : main.providers) require_own_cookie(*conf, *other);

    for (const auto* server : items<ngx_http_core_srv_conf_t*>(core.servers)) complete_server(cf, core, *server);
}

}  // namespace oidc::ngx
