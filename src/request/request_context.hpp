// What the module keeps of one request, and the configuration that holds where it is.
#pragma once

#include <string_view>

#include "conf/configuration.hpp"
#include "conf/provider_conf.hpp"
#include "ngx_http_oidc.hpp"
#include "oidc/base/digest.hpp"
#include "oidc/ports/session_record.hpp"

namespace oidc::ngx {

struct Flow;

// Lives in the pool of the main request; found again after an internal redirect.
struct RequestContext {
    const ProviderConf* provider = nullptr;  // whose session was looked for
    const ProviderConf* guard = nullptr;     // of the place that the request is in, or came from
    SessionView session;
    Digest key{};              // under which it is stored
    std::string_view cookies;  // the Cookie header before our cookies were stripped from it; empty: they were not
    std::string_view error, error_description, error_id, event;
    std::string_view asked;      // the page that a journey which failed in this request was to lead to
    ngx_int_t error_status = 0;  // of that journey; 0: none failed
    Flow* flow = nullptr;        // while a coroutine runs, and until its outcome is applied
    bool refreshed = false;      // it waited for new tokens: not twice
};

RequestContext* find_request_context(ngx_http_request_t* main, bool create);
// nullptr only when `create` is false and there is none.
inline RequestContext* request_context(ngx_http_request_t* r, bool create)
{
    auto* ctx = static_cast<RequestContext*>(ngx_http_get_module_ctx(r->main, ngx_http_oidc_module));
    return ctx != nullptr ? ctx : find_request_context(r->main, create);
}

template <class Conf>
Conf& conf_of(void** confs) noexcept
{
    return *static_cast<Conf*>(confs[ngx_http_oidc_module.ctx_index]);
}
inline MainConf& main_conf(ngx_http_request_t* r) noexcept { return conf_of<MainConf>(r->main_conf); }
inline SrvConf& server(ngx_http_request_t* r) noexcept { return conf_of<SrvConf>(r->srv_conf); }
inline LocConf& location(ngx_http_request_t* r) noexcept { return conf_of<LocConf>(r->loc_conf); }

// The text lies in r->pool, or where a variable keeps it; empty for nullptr.
std::string_view evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value);

}  // namespace oidc::ngx
