// The configuration once all was read: zones, cookies, metrics and routes.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

void complete(ngx_conf_t* cf);  // throws ConfigError

}  // namespace oidc::ngx
