// The $oidc_* variables. Read from the session where it lies; nothing is cached from one request to another.
#pragma once

#include "ngx_http_oidc_conf.hpp"

namespace oidc::ngx {

ngx_int_t preconfiguration(ngx_conf_t* cf);  // declares them

// Declares a variable of oidc_claim_set; `set` lives as long as the configuration.
ngx_int_t add_claim_set_variable(ngx_conf_t* cf, ngx_str_t name, const ClaimSet* set);

}  // namespace oidc::ngx
