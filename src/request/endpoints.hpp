// The paths that the module answers itself: which provider is meant there, and what is refused before a flow begins.
#pragma once

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// What a coroutine that has begun says, or the endpoint of this path; NGX_DECLINED: neither.
ngx_int_t handle_endpoint(ngx_http_request_t* r);

}  // namespace oidc::ngx
