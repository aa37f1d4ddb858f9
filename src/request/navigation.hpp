// How a request came about, as far as its headers tell: a person who goes to a page, a script, another site.
#pragma once

#include <cstdint>

#include "conf/provider_conf.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// A request that a person made by going to a page: only those are sent to a provider.
bool is_navigation(ngx_http_request_t* r);
enum class LogoutAnswer : std::uint8_t { now, ask, refuse };                 // ask: with a form that posts
LogoutAnswer judge_logout(ngx_http_request_t* r, const ProviderConf& conf);  // logout_method

}  // namespace oidc::ngx
