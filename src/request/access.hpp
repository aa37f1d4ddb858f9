// The access phase: who may pass, who is sent to a provider.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// Access handlers. `first` runs before the modules that were there when this one was loaded, `last` after all:
// docs/architecture.md.
ngx_int_t hide_query(ngx_http_request_t* r);
ngx_int_t access_first(ngx_http_request_t* r);
ngx_int_t access_last(ngx_http_request_t* r);

}  // namespace oidc::ngx
