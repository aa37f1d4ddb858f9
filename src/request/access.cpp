#include "request/access.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "client/background.hpp"
#include "conf/config_error.hpp"
#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "conf/route.hpp"
#include "oidc/base/failure.hpp"
#include "oidc/base/text.hpp"
#include "oidc/journey/session_times.hpp"
#include "oidc/ports/session_record.hpp"
#include "oidc/provider/acr.hpp"
#include "oidc/provider/provider.hpp"
#include "request/cookies.hpp"
#include "request/endpoints.hpp"
#include "request/flow.hpp"
#include "request/headers.hpp"
#include "request/navigation.hpp"
#include "request/reply.hpp"
#include "request/request_context.hpp"
#include "request/session_lookup.hpp"

namespace oidc::ngx {
namespace {

ngx_int_t check_require(ngx_http_request_t* r)
{
    if (location(r).require == nullptr) return NGX_OK;
    for (const AuthRequire& require : *location(r).require) {
        for (ngx_http_complex_value_t* value : require.values) {
            std::string_view text = evaluate(r, value);
            if (text.empty() || text == "0") return static_cast<ngx_int_t>(require.status);
        }
    }
    return NGX_OK;
}

// Why the session is not enough here, as a challenge (RFC 9470, RFC 6750 section 3); empty: it is.
std::string missing_rights(ngx_http_request_t* r, const Provider& provider, SessionView session)
{
    const StepUp* scope = location(r).scope;
    const Words& levels = levels_of_location(r, provider);
    if (!levels.empty() && !acr_at_least(provider.acr_orders, levels, session.claim("acr").value_or(Entry()).value))
        return concat({"Bearer error=\"insufficient_user_authentication\", acr_values=\"", join(levels, " "), "\""});
    if (scope == nullptr || scope->words.empty()) return {};
    std::int64_t expires = session.times().access_expires;
    Words granted = expires == 0 || expires > ngx_time() ? words(session.internal(entry_name::scope)) : Words();
    if (std::ranges::all_of(scope->words, [&](const std::string& each) { return contains(granted, each); })) return {};
    return concat({"Bearer error=\"insufficient_scope\", scope=\"", join(scope->words, " "), "\""});
}

ngx_int_t show_chooser(ngx_http_request_t* r)
{
    ngx_str_t uri = location(r).chooser, args{};
    add_header(r, "Cache-Control", "no-store");
    ngx_http_internal_redirect(r, &uri, &args);
    ngx_http_finalize_request(r, NGX_DONE);
    return NGX_DONE;
}

ngx_int_t unauthenticated(ngx_http_request_t* r, const ProviderConf* conf, std::string_view challenge)
{
    // A page that shows a failed login must not begin another: error_uri is shown, any other protected page is not.
    if (RequestContext* ctx = request_context(r, false); ctx != nullptr && ctx->error_status != 0)
        return conf != nullptr && view(r->uri) == conf->provider.error_uri ? NGX_OK : ctx->error_status;
    auto mode = static_cast<Unauth>(location(r).unauth);
    if (mode == Unauth::pass || view(r->uri) == view(location(r).chooser)) return check_require(r);
    bool redirects = mode == Unauth::redirect || (mode == Unauth::automatic && is_navigation(r));
    if (redirects && conf != nullptr) return begin_flow(r, *conf, Endpoint::page);
    if (redirects && location(r).chooser.len > 0) return show_chooser(r);
    add_header(r, "Cache-Control", "no-store");
    if (mode == Unauth::status_403) return NGX_HTTP_FORBIDDEN;
    r->headers_out.www_authenticate = add_header(r, "WWW-Authenticate", challenge);
    return NGX_HTTP_UNAUTHORIZED;
}

// Has new tokens fetched in time. True: the old ones are over, the request waits.
bool must_wait_for_tokens(ngx_http_request_t* r, const ProviderConf& conf, SessionView session)
{
    RequestContext* ctx = request_context(r, true);
    if (ctx->refreshed || !refresh_due(conf.provider, session, ngx_time())) return false;
    begin_refresh(conf, main_conf(r), ctx->key);
    ctx->refreshed = true;
    return session.times().access_expires <= ngx_time();
}

ngx_int_t decide_access(ngx_http_request_t* r)
{
    Auth auth = auth_of(r);
    if (!auth.on) return location(r).require == nullptr ? NGX_DECLINED : check_require(r);
    if (auth.conf == nullptr && !auth.value.empty())
        return refuse(r, Failure(Reason::provider_unknown, "auth_oidc: no such oidc_provider"),
                      auth.value.substr(0, 64));
    SessionView session = auth.conf != nullptr ? find_session(r, *auth.conf) : SessionView();
    if (session && must_wait_for_tokens(r, *auth.conf, session)) {
        ngx_int_t rc = begin_flow(r, *auth.conf, Endpoint::refresh);
        return rc == NGX_DECLINED ? decide_access(r) : rc;
    }
    if (!session) return unauthenticated(r, auth.conf, "Bearer realm=\"login required\"");
    std::string challenge = missing_rights(r, auth.conf->provider, session);
    return challenge.empty() ? check_require(r) : unauthenticated(r, auth.conf, challenge);
}

}  // namespace

// A callback's query holds a live code, another site's login a person's name, a front-channel logout a claim, and nginx
// writes the request line to its logs: limit_req, for one, later in this phase.
ngx_int_t hide_query(ngx_http_request_t* r)
{
    const Route* route = r->args.len > 0 && r == r->main ? find_route(server(r).routes, view(r->uri)) : nullptr;
    constexpr Endpoint telling[] = {Endpoint::callback, Endpoint::initiate, Endpoint::frontchannel};
    if (route == nullptr || !contains(telling, route->endpoint)) return NGX_DECLINED;
    std::string_view line = view(r->request_line);
    std::size_t query = line.find('?'), version = std::min(line.rfind(" HTTP/"), line.size());
    if (query < version) r->request_line = copy(r->pool, concat({line.substr(0, query), line.substr(version)}));
    return NGX_DECLINED;
}

// Where `satisfy any` may end the phase before our last handler, the endpoints are answered here; cookies are stripped
// for all.
ngx_int_t access_first(ngx_http_request_t* r)
{
    if (r != r->main || main_conf(r).providers.empty()) return NGX_DECLINED;
    // Before the cookies go: its variable may be a map of them, which keeps what it saw first, ours too.
    if (location(r).auth.place.line > 0) request_context(r, true)->guard = auth_of(r).conf;
    if (location(r).strip_cookies) strip_our_cookies(r);
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->satisfy == NGX_HTTP_SATISFY_ANY ? handle_endpoint(r) : NGX_DECLINED;
}

ngx_int_t access_last(ngx_http_request_t* r)
{
    if (r != r->main) return NGX_DECLINED;
    ngx_int_t rc = handle_endpoint(r);
    return rc == NGX_DECLINED ? decide_access(r) : rc;
}

}  // namespace oidc::ngx
