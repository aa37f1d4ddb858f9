// How this site looks from the browser: scheme, host and port.
#pragma once

#include <string>

#include "conf/provider_conf.hpp"
#include "ngx_http_oidc.hpp"

namespace oidc::ngx {

// Whether the browser came by https, as far as the configuration knows: cheap, on the path of every request.
bool is_https(ngx_http_request_t* r, const ProviderConf& conf);
// "scheme://host[:port]" (an absolute redirect_uri, oidc_base_url, else the server's own names).
std::string base_url(ngx_http_request_t* r, const ProviderConf& conf);

bool is_exact_name(const ngx_http_server_name_t& name) noexcept;  // no pattern

}  // namespace oidc::ngx
