#include "conf/configuration.hpp"

#include <algorithm>

namespace oidc::ngx {

const ProviderConf* find_provider(const MainConf& conf, std::string_view name) noexcept
{
    auto at = std::ranges::find_if(conf.providers, [&](const auto& each) { return each->provider.name == name; });
    return at == conf.providers.end() ? nullptr : at->get();
}

Metrics& metrics_of(std::string_view provider) noexcept
{
    static Metrics unread;
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_oidc_module));
    const ProviderConf* conf = main != nullptr ? find_provider(*main, provider) : nullptr;
    return conf != nullptr ? conf->metrics() : unread;
}

}  // namespace oidc::ngx
