// oidc_provider name { ... }
#pragma once

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void add_provider(ngx_conf_t* cf, const Words& words, MainConf& main);

}  // namespace oidc::ngx
