// oidc_claim_set
#pragma once

#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void declare_claim_set(ngx_conf_t* cf, const Words& words,
                       MainConf& main);  // $variable [source=..] [encoding=..] name ...

}  // namespace oidc::ngx
