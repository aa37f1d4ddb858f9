#include "request/session_lookup.hpp"

#include <cstddef>
#include <optional>
#include <string>

#include "conf/configuration.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/digest.hpp"
#include "request/cookies.hpp"
#include "request/site.hpp"

namespace oidc::ngx {

Auth auth_of(ngx_http_request_t* r)
{
    const LocConf& conf = location(r);
    if (conf.provider != nullptr) return {true, conf.provider, {}};
    if (conf.auth.value == nullptr) return {};
    std::string_view name = evaluate(r, conf.auth.value);
    bool demands = conf.chooser.len > 0 || (conf.acr != nullptr && !conf.acr->words.empty()) ||
                   (conf.scope != nullptr && !conf.scope->words.empty());
    return {name != "off" || demands, find_provider(main_conf(r), name),
            name};  // a browser's choice turns no demand off
}

SessionView look_up_session(ngx_http_request_t* r, RequestContext& ctx, const ProviderConf& conf)
{
    constexpr std::size_t longest = 64;  // ours has 43 characters: a longer one is not hashed
    ctx.provider = &conf;
    ctx.session = SessionView();

    std::string_view cookies = cookies_of(r);
    if (cookies.empty()) return ctx.session;

    CookieCache& cache = cookie_cache(r, cookies);

    const std::string& name = conf.cookie_names[is_https(r->main, conf) ? 1 : 0];
    if (cache.name != &name) {
        std::string_view id = find_cookie(cache.header, name);
        cache.key = id.empty() || id.size() > longest ? std::nullopt : std::optional(sha256(id));
        cache.name = &name;
    }
    if (!cache.key) return ctx.session;

    ctx.key = *cache.key;
    SessionView found(conf.sessions->get(ctx.key, ngx_time(), r->main->pool));
    if (found && found.binding() == conf.provider.binding) ctx.session = found;
    return ctx.session;
}

const Words& levels_of_location(ngx_http_request_t* r, const Provider& provider) noexcept
{
    static const Words none;
    const StepUp* acr = location(r).acr;
    if (acr != nullptr && !acr->words.empty()) return acr->words;
    return provider.profile->acr_orders.size() == 1 ? none : provider.acr_default;
}

}  // namespace oidc::ngx
