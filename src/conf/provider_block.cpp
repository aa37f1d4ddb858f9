#include "conf/provider_block.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "conf/provider_checks.hpp"
#include "conf/provider_conf.hpp"
#include "conf/provider_directives.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

// The name goes into cookie, zone and variable names.
void require_name(ngx_conf_t* cf, const MainConf& main, const Provider& provider)
{
    const std::string& name = provider.name;
    constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    bool plain = !name.empty() && name.size() <= 64 && name.find_first_not_of(known) == name.npos;
    std::string why;
    if (!plain) why = ": a name has letters, digits, \"_\", \"-\" and \".\", at most 64";
    else if (name == "off") why = ": \"auth_oidc off\" has another meaning; choose another name";
    else if (find_provider(main, name) != nullptr) why = " is declared twice; rename one";
    if (!why.empty()) throw ConfigError(provider_title(provider) + why, here(cf));
}

}  // namespace

void add_provider(ngx_conf_t* cf, const Words& words, MainConf& main)
{
    auto conf = std::make_unique<ProviderConf>();
    conf->provider.name = words[1];
    conf->provider.profile = find_profile("generic");
    conf->place = here(cf);
    require_name(cf, main, conf->provider);
    ngx_conf_t saved = *cf;
    cf->handler = read_directive;
    cf->handler_conf = conf.get();
    char* result = ngx_conf_parse(cf, nullptr);
    *cf = saved;
    if (result != NGX_CONF_OK) throw ConfigError();
    check_provider(cf, *conf);
    main.providers.push_back(std::move(conf));
}

}  // namespace oidc::ngx
