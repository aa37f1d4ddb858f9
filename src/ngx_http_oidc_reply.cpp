#include "ngx_http_oidc_reply.hpp"

#include "ngx_http_oidc_request.hpp"
#include "ngx_http_oidc_site.hpp"

namespace oidc::ngx {
namespace {

constexpr std::string_view logged_out_page =
    "<!DOCTYPE html>\n<html lang=\"fr\">\n<head><meta charset=\"utf-8\"><title>D\xc3\xa9""connexion</title></head>\n"
    "<body><h1>Vous \xc3\xaates d\xc3\xa9""connect\xc3\xa9</h1>\n<p lang=\"en\">You are logged out.</p></body>\n</html>\n";

// Sends a whole response and takes the request out of the phases.
ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body)
{
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) return rc;
    ngx_str_t content_type = borrow(type);
    ngx_http_complex_value_t text{};
    text.value = borrow(body);
    ngx_http_finalize_request(r, ngx_http_send_response(r, status, &content_type, &text));
    return NGX_DONE;
}

void set_location(ngx_http_request_t* r, std::string_view url)
{
    ngx_http_clear_location(r);
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (line == nullptr) throw std::bad_alloc{};
    *line = {};
    ngx_str_set(&line->key, "Location");
    line->value = copy(r->pool, url);
    line->hash = 1;
    r->headers_out.location = line;
    if (r->headers_out.www_authenticate != nullptr) r->headers_out.www_authenticate->hash = 0;  // of another module, under satisfy any
}

std::string html_escaped(std::string_view text)
{
    std::string safe(text.size() * 6, '\0');
    auto* end = reinterpret_cast<char*>(ngx_escape_html(reinterpret_cast<u_char*>(safe.data()),
                                                        reinterpret_cast<u_char*>(const_cast<char*>(text.data())), text.size()));
    safe.resize(reinterpret_cast<std::uintptr_t>(end) - reinterpret_cast<std::uintptr_t>(safe.data()));
    return safe;
}

void keep_error(ngx_http_request_t* r, const Failure& failure)
{
    RequestCtx* ctx = request_ctx(r, true);
    ctx->error = ctx->event = name_of(failure.reason);
    ctx->error_status = status_of(failure.reason);
    ctx->error_description = view(copy(r->pool, html_escaped(failure.description)));
    ctx->error_id = view(copy(r->pool, html_escaped(failure.support_id)));
}

}  // namespace

ngx_int_t apply_status(ngx_http_request_t* r, ngx_int_t status)
{
    ngx_http_finalize_request(r, status);
    return NGX_DONE;
}

ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply)
{
    for (const std::string& cookie : reply.set_cookies) add_header(r, "Set-Cookie", cookie);
    add_header(r, "Cache-Control", "no-store");
    if (reply.location.empty()) return send(r, static_cast<ngx_uint_t>(reply.status), "text/html; charset=utf-8", logged_out_page);
    set_location(r, reply.location);
    return NGX_HTTP_MOVED_TEMPORARILY;
}

ngx_int_t apply_failure(ngx_http_request_t* r, const ProviderConf& conf, const Failure& failure)
{
    keep_error(r, failure);
    add_header(r, "Cache-Control", "no-store");
    if (conf.provider.error_uri.empty()) return apply_status(r, status_of(failure.reason));
    r->err_status = static_cast<ngx_uint_t>(status_of(failure.reason));
    ngx_str_t uri = borrow(conf.provider.error_uri);
    ngx_str_t args{};
    ngx_http_internal_redirect(r, &uri, &args);
    ngx_http_finalize_request(r, NGX_DONE);
    return NGX_DONE;
}

ngx_int_t apply_unauthorized(ngx_http_request_t* r)
{
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (line == nullptr) throw std::bad_alloc{};
    *line = {};
    ngx_str_set(&line->key, "WWW-Authenticate");
    ngx_str_set(&line->value, "Bearer realm=\"login required\"");
    line->hash = 1;
    r->headers_out.www_authenticate = line;
    add_header(r, "Cache-Control", "no-store");
    return NGX_HTTP_UNAUTHORIZED;
}

ngx_int_t apply_forbidden(ngx_http_request_t* r)
{
    add_header(r, "Cache-Control", "no-store");
    return NGX_HTTP_FORBIDDEN;
}

ngx_int_t apply_jwks(ngx_http_request_t* r, const ProviderConf& conf)
{
    add_header(r, "Cache-Control", "public, max-age=" + std::to_string(conf.provider.client_jwks_max_age));
    return send(r, NGX_HTTP_OK, "application/jwk-set+json", conf.provider.own_jwks);
}

}  // namespace oidc::ngx
