// Header fields of requests and responses.
#pragma once

#include <string_view>

#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// A request header by its lower-case name; empty when absent. The first one counts.
std::string_view header(ngx_http_request_t* r, std::string_view name);

// Of the response: `name` is a literal, the value is copied. Throws std::bad_alloc.
ngx_table_elt_t* add_header(ngx_http_request_t* r, std::string_view name, std::string_view value);

}  // namespace oidc::ngx
