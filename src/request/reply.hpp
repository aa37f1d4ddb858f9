// What the browser gets from the module itself: redirects, pages, refusals; and the line of the log for each of these.
#pragma once

#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/ports/request.hpp"

namespace oidc::ngx {

// Whole answers, which take the request out of the phases. Each returns what the access handler returns.
// A content handler's.
ngx_int_t respond(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body);
ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body);
ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status, const std::string& page);
ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply);
bool speaks_french(ngx_http_request_t* r);
// One line without a token or a claim value, at the level of who is to blame, and without the request line that nginx's
// own handler would add.
void log_failure(ngx_http_request_t* r, const Failure& failure, std::string_view provider);
// `asked`: where a new login is to lead.
ngx_int_t refuse(ngx_http_request_t* r, const Failure& failure, std::string_view provider,
                 std::string_view error_uri = {}, std::string_view asked = {});

}  // namespace oidc::ngx
