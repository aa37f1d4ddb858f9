// What one request keeps, and the access phase: start, suspend, resume, apply the Reply.
#pragma once

#include <optional>
#include <string_view>

#include "ngx_http_oidc_conf.hpp"
#include "oidc/session.hpp"

namespace oidc::ngx {

class Flow;

// Lives in the pool of the main request; found again after an internal redirect.
struct RequestCtx {
    const ProviderConf* provider = nullptr;  // whose session was looked for
    SessionView session;
    bool looked = false;
    bool cookies_kept = false;
    std::string_view cookies;                // the Cookie header before our cookies were stripped from it
    std::string_view error, error_description, error_id, event;
    ngx_int_t error_status = 0;              // of a login that failed in this request; 0: none did
    Flow* flow = nullptr;                    // while a coroutine runs, and until its outcome is applied
};

// nullptr only when `create` is false and there is none.
RequestCtx* request_ctx(ngx_http_request_t* r, bool create);

// The provider that auth_oidc names here. unknown: the variable's value is no provider.
enum class Auth : std::uint8_t { off, provider, empty, unknown };
struct AuthResult {
    Auth kind = Auth::off;
    const ProviderConf* conf = nullptr;
};
AuthResult auth_of(ngx_http_request_t* r);

// The live session of that provider, looked up at first use; an empty view without one.
SessionView session_of(ngx_http_request_t* r, const ProviderConf& conf);

std::string_view cookies_of(ngx_http_request_t* r);

// Access handlers. `first` runs before every other module's, `last` after them (DESIGN: phases).
ngx_int_t access_first(ngx_http_request_t* r);
ngx_int_t access_last(ngx_http_request_t* r);

}  // namespace oidc::ngx
