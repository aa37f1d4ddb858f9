// How this site looks from the browser: its URL, its headers, what kind of request this is.
#pragma once

#include <string>
#include <string_view>

#include "ngx_http_oidc_conf.hpp"
#include "oidc/ports.hpp"

namespace oidc::ngx {

// All Cookie lines in one; a copy in r->pool only when the browser sent several.
std::string_view cookie_header(ngx_http_request_t* r);

// Removes this module's cookies from what an upstream and $http_cookie see. False: there was none.
bool strip_our_cookies(ngx_http_request_t* r, const MainConf& conf);

// Whether the browser came by https, as far as the configuration knows: cheap, on the path of every request.
bool is_https(ngx_http_request_t* r, const ProviderConf& conf);

// "scheme://host[:port]" (oidc_base_url, an absolute redirect_uri, else the server's own names).
std::string base_url(ngx_http_request_t* r, const ProviderConf& conf);

// A request that a person made by going to a page: only those are sent to a provider.
bool is_navigation(ngx_http_request_t* r);

// A request header by its lower-case name; empty when absent. The first one counts.
std::string_view header(ngx_http_request_t* r, std::string_view lower_case_name);

// Adds a response header: `name` is a literal, the value is copied. Throws std::bad_alloc.
void add_header(ngx_http_request_t* r, std::string_view name, std::string_view value);

}  // namespace oidc::ngx
