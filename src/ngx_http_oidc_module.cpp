// Tables only: the module, its phases and its life.
#include "ngx_http_oidc_conf_parse.hpp"
#include "ngx_http_oidc_request.hpp"
#include "ngx_http_oidc_variables.hpp"
#include "ngx_http_oidc_worker.hpp"

namespace oidc::ngx {

ngx_str_t copy(ngx_pool_t* pool, std::string_view s)
{
    auto* data = static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1));
    if (data == nullptr) throw std::bad_alloc{};
    *ngx_cpymem(data, s.data(), s.size()) = '\0';
    return {s.size(), data};
}

namespace {

// The only place where an exception meets a request handler's C frame.
template <ngx_int_t (*Handler)(ngx_http_request_t*)>
ngx_int_t caught(ngx_http_request_t* r) noexcept
{
    try {
        return Handler(r);
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0, "oidc: internal: %s", e.what());
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

// nginx runs a phase's handlers from the last registered to the first: index 0 decides after every other access module.
void register_access_handlers(ngx_conf_t* cf)
{
    auto* core = static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    ngx_array_t& handlers = core->phases[NGX_HTTP_ACCESS_PHASE].handlers;
    if (ngx_array_push_n(&handlers, 2) == nullptr) throw std::bad_alloc{};
    auto all = items<ngx_http_handler_pt>(handlers);
    std::shift_right(all.begin(), all.end() - 1, 1);
    all.front() = caught<access_last>;
    all.back() = caught<access_first>;
}

ngx_int_t postconfiguration(ngx_conf_t* cf)
{
    auto complete = [&] {
        complete_configuration(cf);
        register_access_handlers(cf);
    };
    return guarded(cf, "", complete) == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
}

// Without oidc_cookie_key all workers share the random key of the zone, which survives reloads.
ngx_int_t start_worker(ngx_cycle_t* cycle) noexcept
{
    auto* main = static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module));
    if (main == nullptr || main->providers.empty()) return NGX_OK;
    try {
        if (main->cookie_keys.empty()) main->cookie_keys.push_back(main->private_zone->cookie_key());
        return init_process(cycle);
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "oidc: the worker cannot start: %s", e.what());
        return NGX_ERROR;
    }
}

ngx_http_module_t module_ctx = {
    preconfiguration, postconfiguration, create_main_conf, nullptr, create_srv_conf, nullptr, create_loc_conf, merge_loc_conf,
};

}  // namespace
}  // namespace oidc::ngx

ngx_module_t ngx_http_oidc_module = {
    NGX_MODULE_V1, &oidc::ngx::module_ctx, oidc::ngx::commands, NGX_HTTP_MODULE,
    nullptr, nullptr, oidc::ngx::start_worker, nullptr, nullptr, oidc::ngx::exit_process, nullptr,
    NGX_MODULE_V1_PADDING,
};
