// A server once all was read: its names, the paths that it answers, and what would fail there.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// Throws ConfigError.
void complete_server(ngx_conf_t* cf, const ngx_http_core_main_conf_t& core, const ngx_http_core_srv_conf_t& server);

}  // namespace oidc::ngx
