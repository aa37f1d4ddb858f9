// The flow of a login or a logout, one coroutine each, and what becomes of it.
#pragma once

#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "ngx_http_oidc.hpp"
#include "request/request_context.hpp"

namespace oidc::ngx {

// Each returns what the access handler returns.

// page: a login that leads back here.
ngx_int_t begin_flow(ngx_http_request_t* r, const ProviderConf& conf, Endpoint endpoint);
// What the coroutine in ctx.flow, which has begun, says. NGX_DECLINED: the request goes on as it was.
ngx_int_t continue_flow(ngx_http_request_t* r, RequestContext& ctx);

}  // namespace oidc::ngx
