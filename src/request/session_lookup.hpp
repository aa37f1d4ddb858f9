// Which provider is asked for here, and the session that the browser has with it.
#pragma once

#include <string_view>

#include "conf/config_error.hpp"
#include "conf/provider_conf.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/provider.hpp"
#include "request/request_context.hpp"

namespace oidc::ngx {

// What auth_oidc says here. On without a provider: the value of its variable is empty, or names no oidc_provider.
struct Auth {
    bool on = false;
    const ProviderConf* conf = nullptr;
    std::string_view value;
};
Auth auth_of(ngx_http_request_t* r);
SessionView look_up_session(ngx_http_request_t* r, RequestContext& ctx, const ProviderConf& conf);
// The live session of that provider, looked up at first use; an empty view without one.
inline SessionView find_session(ngx_http_request_t* r, const ProviderConf& conf)
{
    RequestContext* ctx = request_context(r, true);
    return ctx->provider == &conf ? ctx->session : look_up_session(r, *ctx, conf);
}
// The levels of which a session needs one here: of auth_oidc_acr, else of acr_values where a location could have
// demanded another that does not compare. nginx -t saw to it where there is one order alone.
const Words& levels_of_location(ngx_http_request_t* r, const Provider& provider) noexcept;

}  // namespace oidc::ngx
