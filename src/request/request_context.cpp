#include "request/request_context.hpp"

#include <new>

namespace oidc::ngx {

RequestContext* find_request_context(ngx_http_request_t* main, bool create)
{
    auto* ctx =
        main->internal ? find_in_pool<RequestContext>(main->pool) : nullptr;  // an internal redirect wipes main->ctx
    if (ctx == nullptr && create) ctx = make_in_pool<RequestContext>(main->pool);
    ngx_http_set_ctx(main, ctx, ngx_http_oidc_module);
    return ctx;
}

std::string_view evaluate(ngx_http_request_t* r, ngx_http_complex_value_t* value)
{
    ngx_str_t text{};
    if (value != nullptr && ngx_http_complex_value(r, value, &text) != NGX_OK) throw std::bad_alloc{};
    return view(text);
}

}  // namespace oidc::ngx
