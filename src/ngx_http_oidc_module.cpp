// The module: the tables that nginx reads, and the handlers that it calls.
#include <algorithm>
#include <new>

#include "client/worker.hpp"
#include "conf/completion.hpp"
#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/http_directives.hpp"
#include "conf/location_directives.hpp"
#include "conf/location_merge.hpp"
#include "conf/provider_block.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/base/cookie.hpp"
#include "request/access.hpp"
#include "request/claim_set.hpp"
#include "request/status.hpp"
#include "request/variables.hpp"

namespace oidc::ngx {
namespace {

void install_handlers(ngx_conf_t* cf)
{
    auto& core = *static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    // nginx runs a phase's handlers from the last registered to the first: index 0 decides after every other access
    // module.
    ngx_array_t& handlers = core.phases[NGX_HTTP_ACCESS_PHASE].handlers;
    if (ngx_array_push_n(&handlers, 2) == nullptr) throw std::bad_alloc{};
    auto all = items<ngx_http_handler_pt>(handlers);
    std::shift_right(all.begin(), all.end() - 1, 1);
    all.front() = guarded<access_last, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    all.back() = guarded<access_first, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    void* before = ngx_array_push(&core.phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (before == nullptr) throw std::bad_alloc{};
    *static_cast<ngx_http_handler_pt*>(before) = guarded<hide_query, NGX_HTTP_INTERNAL_SERVER_ERROR>;
}

ngx_int_t postconfiguration(ngx_conf_t* cf)
{
    char* result = guarded(cf, "", [&] {
        complete(cf);
        install_handlers(cf);
    });
    return result == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
}

template <class Conf>
void* create(ngx_conf_t* cf) noexcept
{
    Conf* conf = nullptr;
    guarded(cf, "", [&] { conf = make_in_pool<Conf>(cf->pool); });
    return conf;
}

constexpr ngx_uint_t anywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
constexpr ngx_uint_t to_main = NGX_HTTP_MAIN_CONF_OFFSET, to_location = NGX_HTTP_LOC_CONF_OFFSET;

ngx_command_t commands[] = {
    {ngx_string("oidc_provider"), NGX_HTTP_MAIN_CONF | NGX_CONF_BLOCK | NGX_CONF_TAKE1, entry<MainConf, add_provider>,
     to_main, 0, nullptr},
    {ngx_string("oidc_session_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, entry<MainConf, declare_zone>, to_main, 0,
     nullptr},
    {ngx_string("oidc_cookie_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, entry<MainConf, add_cookie_key>, to_main, 0,
     nullptr},
    {ngx_string("oidc_claim_set"), NGX_HTTP_MAIN_CONF | NGX_CONF_2MORE, entry<MainConf, declare_claim_set>, to_main, 0,
     nullptr},
    {ngx_string("oidc_base_url"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::base_url, parse_base_url>, to_location,
     0, nullptr},
    {ngx_string("auth_oidc"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::auth, parse_auth>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_args"), anywhere | NGX_CONF_TAKE1, set_once<&LocConf::args, parse_args>, to_location, 0,
     nullptr},
    {ngx_string("auth_oidc_acr"), anywhere | NGX_CONF_1MORE, entry<LocConf, set_acr>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_scope"), anywhere | NGX_CONF_1MORE, entry<LocConf, set_scope>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_chooser"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_chooser>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_unauth"), anywhere | NGX_CONF_TAKE1, entry<LocConf, set_unauth>, to_location, 0, nullptr},
    {ngx_string("auth_oidc_strip_cookies"), anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot, to_location,
     offsetof(LocConf, strip_cookies), nullptr},
    {ngx_string("auth_require"), anywhere | NGX_HTTP_LMT_CONF | NGX_CONF_1MORE, entry<LocConf, add_require>,
     to_location, 0, nullptr},
    {ngx_string("oidc_status"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, entry<LocConf, set_status>,
     to_location, 0, nullptr},
    ngx_null_command,
};

ngx_http_module_t module_ctx = {
    declare_variables, postconfiguration, create<MainConf>, nullptr,
    create<SrvConf>,   nullptr,           create<LocConf>,  merge_location,
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
    oidc::ngx::init_process,
    nullptr,
    nullptr,
    oidc::ngx::exit_process,
    nullptr,
    NGX_MODULE_V1_PADDING,
};
