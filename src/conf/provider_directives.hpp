// The directives of an oidc_provider block, each alone.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy,
                     void* provider_conf) noexcept;  // nginx's handler inside oidc_provider

}  // namespace oidc::ngx
