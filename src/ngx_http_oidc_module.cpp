// Tables only: the module, its phases and its life.
#include "ngx_http_oidc_conf.hpp"
#include "ngx_http_oidc_request.hpp"
#include "ngx_http_oidc_worker.hpp"
#include "oidc/cookie.hpp"
#include "oidc/session.hpp"

namespace oidc::ngx {

ngx_str_t copy(ngx_pool_t* pool, std::string_view s)
{
    auto* data = static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1));
    if (data == nullptr) throw std::bad_alloc{};
    *ngx_cpymem(data, s.data(), s.size()) = '\0';
    return {s.size(), data};
}

namespace {

// nginx runs a phase's handlers from the last registered to the first: index 0 decides after every other access module.
bool register_access_handlers(ngx_conf_t* cf)
{
    auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    ngx_array_t& handlers = core->phases[NGX_HTTP_ACCESS_PHASE].handlers;
    if (ngx_array_push_n(&handlers, 2) == nullptr) return false;
    auto* all = static_cast<ngx_http_handler_pt*>(handlers.elts);
    for (ngx_uint_t i = handlers.nelts - 2; i > 0; --i) all[i] = all[i - 1];
    all[0] = guarded<access_last, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    all[handlers.nelts - 1] = guarded<access_first, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    return true;
}

void complete_providers(ngx_conf_t* cf)
{
    auto* main = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module));
    for (auto& conf : main->providers) {
        conf->provider.binding = binding_of(conf->provider);
        conf->cookie_names[0] = session_cookie_name(conf->provider, false);
        conf->cookie_names[1] = session_cookie_name(conf->provider, true);
    }
}

void keep_host_names(ngx_conf_t* cf)
{
    auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto** servers = static_cast<ngx_http_core_srv_conf_t**>(core->servers.elts);
    for (ngx_uint_t i = 0; i < core->servers.nelts; ++i) {
        auto* ours = static_cast<SrvConf*>(servers[i]->ctx->srv_conf[ngx_http_oidc_module.ctx_index]);
        auto* names = static_cast<ngx_http_server_name_t*>(servers[i]->server_names.elts);
        for (ngx_uint_t n = 0; n < servers[i]->server_names.nelts; ++n) {
#if (NGX_PCRE)
            ours->hosts.push_back({string(names[n].name), names[n].regex});
#else
            ours->hosts.push_back({string(names[n].name), nullptr});
#endif
        }
    }
}

ngx_int_t postconfiguration(ngx_conf_t* cf) noexcept
{
    try {
        complete_providers(cf);
        keep_host_names(cf);
        return build_routes(cf) && register_access_handlers(cf) ? NGX_OK : NGX_ERROR;
    } catch (const std::exception& e) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "oidc: %s", e.what());
        return NGX_ERROR;
    }
}

// Without oidc_cookie_key all workers share the random key of the zone, which survives reloads.
ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept
{
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module));
    if (main == nullptr || main->providers.empty()) return NGX_OK;
    try {
        if (main->cookie_keys.empty()) main->cookie_keys.push_back(main->states->cookie_key());
        init_process(*main, cycle->log);
        return NGX_OK;
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "oidc: the worker cannot start: %s", e.what());
        return NGX_ERROR;
    }
}

ngx_http_module_t module_ctx = {
    preconfiguration, postconfiguration, create_main_conf, init_main_conf, create_srv_conf, nullptr, create_loc_conf, merge_loc_conf,
};

}  // namespace
}  // namespace oidc::ngx

ngx_module_t ngx_http_oidc_module = {
    NGX_MODULE_V1,
    &oidc::ngx::module_ctx,
    oidc::ngx::commands,
    NGX_HTTP_MODULE,
    nullptr,
    nullptr,
    oidc::ngx::start_worker,
    nullptr,
    nullptr,
    oidc::ngx::exit_process,
    nullptr,
    NGX_MODULE_V1_PADDING,
};
