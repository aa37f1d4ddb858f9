// The $oidc_* variables. Read from the session where it lies; nothing is cached from one request to another.
#pragma once

#include "conf/configuration.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

ngx_int_t declare_variables(ngx_conf_t* cf);  // preconfiguration

// Declares a variable of oidc_claim_set; `set` lives as long as the configuration.
ngx_int_t add_claim_set_variable(ngx_conf_t* cf, ngx_str_t name, const ClaimSet* set);

}  // namespace oidc::ngx
