// The directives of http, server and location: auth_oidc and what goes with it.
#pragma once

#include <string_view>

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// auth_oidc, auth_oidc_args, oidc_base_url
ngx_http_complex_value_t* parse_auth(ngx_conf_t* cf, std::string_view text);
ngx_http_complex_value_t* parse_args(ngx_conf_t* cf, std::string_view text);
ngx_http_complex_value_t* parse_base_url(ngx_conf_t* cf, std::string_view text);

template <Setting LocConf::*Member, ngx_http_complex_value_t* (*Parse)(ngx_conf_t*, std::string_view)>
char* set_once(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept
{
    Setting& setting = static_cast<LocConf*>(conf)->*Member;
    if (setting.place.line > 0) return const_cast<char*>("is duplicate");
    return guarded(cf, string(command->name), [&] {
        setting = {Parse(cf, view(items<ngx_str_t>(*cf->args)[1])), here(cf)};
    });
}

void set_unauth(ngx_conf_t* cf, const Words& words, LocConf& location);   // auth_oidc_unauth
void set_acr(ngx_conf_t* cf, const Words& words, LocConf& location);      // auth_oidc_acr
void set_scope(ngx_conf_t* cf, const Words& words, LocConf& location);    // auth_oidc_scope
void set_chooser(ngx_conf_t* cf, const Words& words, LocConf& location);  // auth_oidc_chooser
void add_require(ngx_conf_t* cf, const Words& words, LocConf& location);  // auth_require

bool is_variable(std::string_view text);  // $name

}  // namespace oidc::ngx
