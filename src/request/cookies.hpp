// The Cookie header: what the browser sent, and what others see of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ngx_http_oidc.hpp"
#include "oidc/base/digest.hpp"

namespace oidc::ngx {

// The Cookie header as the browser sent it, several lines as one.
std::string_view cookies_of(ngx_http_request_t* r);

// What a connection's last Cookie header came to: a browser repeats it byte for byte.
struct CookieCache {
    std::string header, left;           // left: without our cookies
    const std::string* name = nullptr;  // of the session cookie that was looked for
    std::optional<Digest> key = {};     // of the session that it names
};

// Of this connection, while the header stays the same. A long header is not kept beyond its request.
CookieCache& cookie_cache(ngx_http_request_t* r, std::string_view cookies);

// Removes this module's cookies from what an upstream and $http_cookie see.
void strip_our_cookies(ngx_http_request_t* r);

}  // namespace oidc::ngx
