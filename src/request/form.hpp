// A form that the browser, or a provider, posts to an endpoint.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// NGX_OK: the body was read, or is known to be longer than `longest`, and was not. NGX_DONE: it is still arriving, the
// phase's handler will be called again. Else what nginx refuses.
ngx_int_t read_body(ngx_http_request_t* r, std::size_t longest);
// The body that was read; nullopt when it is no form, or longer than `longest`.
std::optional<std::string> form_of(ngx_http_request_t* r, std::size_t longest);
// read_body, and NGX_OK: the form stands where the query stood, in r->args.
ngx_int_t read_form(ngx_http_request_t* r);

}  // namespace oidc::ngx
