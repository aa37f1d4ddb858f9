// libcurl's multi interface driven by nginx's event loop: one multi per worker, connections kept between logins.
#pragma once

#include <memory>

#include "ngx_http_oidc.hpp"
#include "oidc/ports/http.hpp"

namespace oidc::ngx {

std::unique_ptr<HttpClient> make_http_client(ngx_log_t* log);  // throws std::bad_alloc

}  // namespace oidc::ngx
