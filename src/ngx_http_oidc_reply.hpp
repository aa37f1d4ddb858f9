// From the protocol's answers to nginx's.
#pragma once

#include "ngx_http_oidc_conf.hpp"
#include "oidc/failure.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

// Each returns what the access handler returns. Nothing of ours is ever cached.
ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply);
ngx_int_t apply_failure(ngx_http_request_t* r, const ProviderConf& conf, const Failure& failure);
ngx_int_t apply_unauthorized(ngx_http_request_t* r);                  // 401 with WWW-Authenticate
ngx_int_t apply_forbidden(ngx_http_request_t* r);
ngx_int_t apply_jwks(ngx_http_request_t* r, const ProviderConf& conf);

// Ends the request with a status whatever `satisfy` says.
ngx_int_t apply_status(ngx_http_request_t* r, ngx_int_t status);

}  // namespace oidc::ngx
