#include "conf/location_merge.hpp"

#include <string>
#include <string_view>

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/parse.hpp"
#include "conf/provider_conf.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/profiles.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {
namespace {

// Why a location cannot demand the level; empty: it can.
std::string why_no_level(const Provider& provider, const std::string& level)
{
    const Profile& profile = *provider.profile;
    std::string known, least = join(provider.acr_default, " ");
    for (const AcrOrder& order : profile.acr_orders) known += " " + join(order, " ");
    if (!knows_acr(profile, level)) return concat({profile.title, " has no level ", quoted(level), ", it has", known});
    bool below = profile.acr_orders.size() == 1 && !acr_at_least(provider.acr_orders, provider.acr_default, level);
    return below ? concat({quoted(level), " is below ", quoted(least), ", which every login has (acr_values)"}) : "";
}

// The arguments of a location must suit the provider that they are sent to.
void use_provider(SrvConf& server, const LocConf& location, const ProviderConf& conf)
{
    const Provider& provider = conf.provider;
    std::string_view args = location.args.value == nullptr ? std::string_view{} : view(location.args.value->value);
    for (const Param& arg : parse_arguments(args)) {
        std::string why = why_refused(*provider.profile, arg.name, &arg.value);
        bool twice = contains(conf.args, arg.name, &AuthArg::name);
        if (twice) why = provider_title(provider) + " sends " + quoted(arg.name) + " too; keep one of them";
        if (!why.empty()) throw ConfigError("auth_oidc_args: " + why, location.args.place);
    }

    for (const std::string& level : location.acr != nullptr ? location.acr->words : Words())
        if (std::string why = why_no_level(provider, level); !why.empty())
            throw ConfigError("auth_oidc_acr: " + why, location.acr->place);

    if (!contains(server.used, &conf)) server.used.push_back(&conf);
    server.host_needed =
        server.host_needed || (location.base_url.value == nullptr && provider.redirect_uri.starts_with('/'));
}

void resolve_auth(const MainConf& main, SrvConf& server, LocConf& location)
{
    if (location.auth.value == nullptr) return;
    for (const StepUp* demand : {location.acr, location.scope})
        if (demand != nullptr && !demand->words.empty() && static_cast<Unauth>(location.unauth) == Unauth::pass)
            throw ConfigError("auth_oidc_acr and auth_oidc_scope say nothing where \"auth_oidc_unauth pass\" lets "
                              "everyone in; write \"off\"",
                              demand->place);

    if (location.auth.value->lengths != nullptr) {
        for (const auto& conf : main.providers) use_provider(server, location, *conf);
        return;
    }

    std::string_view name = view(location.auth.value->value);
    location.provider = find_provider(main, name);
    if (location.provider != nullptr) return use_provider(server, location, *location.provider);
    Words names = names_of(main.providers, [](const auto& conf) -> std::string_view { return conf->provider.name; });
    throw ConfigError("auth_oidc: no oidc_provider " + quoted(name) + " is declared" + did_you_mean(name, names),
                      location.auth.place);
}

}  // namespace

char* merge_location(ngx_conf_t* cf, void* parent, void* child)
{
    auto& outer = *static_cast<LocConf*>(parent);
    auto& inner = *static_cast<LocConf*>(child);
    for (Setting LocConf::*each : {&LocConf::auth, &LocConf::args, &LocConf::base_url})
        if ((inner.*each).place.line == 0) inner.*each = outer.*each;

    if (inner.require == nullptr) inner.require = outer.require;
    if (inner.acr == nullptr) inner.acr = outer.acr;
    if (inner.scope == nullptr) inner.scope = outer.scope;
    if (inner.chooser.len == 0) inner.chooser = outer.chooser;
    ngx_conf_merge_uint_value(inner.unauth, outer.unauth, static_cast<ngx_uint_t>(Unauth::automatic));
    ngx_conf_merge_value(inner.strip_cookies, outer.strip_cookies, 1);

    auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    auto* server = static_cast<SrvConf*>(ngx_http_conf_get_module_srv_conf(cf, ngx_http_oidc_module));

    return guarded(cf, "", [&] {
        // Of a server or of http they are defaults for its locations.
        for (StepUp* LocConf::*each : {&LocConf::acr, &LocConf::scope})
            if (core->name.len > 0 && inner.*each != outer.*each && !(inner.*each)->words.empty() &&
                inner.auth.value == nullptr)
                throw ConfigError("auth_oidc_acr and auth_oidc_scope say nothing where nobody has to log in; add "
                                  "\"auth_oidc <provider>\"",
                                  (inner.*each)->place);
        resolve_auth(*main, *server, inner);
    });
}

}  // namespace oidc::ngx
