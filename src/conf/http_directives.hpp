// The directives of http alone.
#pragma once

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void declare_zone(ngx_conf_t* cf, const Words& words, MainConf& main);    // oidc_session_zone zone=name:size
void add_cookie_key(ngx_conf_t* cf, const Words& words, MainConf& main);  // oidc_cookie_key

}  // namespace oidc::ngx
