#include "request/reply.hpp"

#include <span>

#include "client/failure_log.hpp"
#include "oidc/base/text.hpp"
#include "oidc/journey/pages.hpp"
#include "request/headers.hpp"
#include "request/request_context.hpp"

namespace oidc::ngx {
namespace {

// Whether the site shows a page of its own for the status.
bool has_error_page(ngx_http_request_t* r, ngx_int_t status)
{
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->error_pages != nullptr &&
           contains(items<ngx_http_err_page_t>(*core->error_pages), status, &ngx_http_err_page_t::status);
}

}  // namespace

ngx_int_t respond(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body)
{
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) return rc;
    ngx_str_t content_type = borrow(type);
    ngx_http_complex_value_t text{};
    text.value = copy(r->pool, body);
    return ngx_http_send_response(r, status, &content_type, &text);
}

// Sends a whole response and takes the request out of the phases.
ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type, std::string_view body)
{
    ngx_http_finalize_request(r, respond(r, status, type, body));
    return NGX_DONE;
}

bool speaks_french(ngx_http_request_t* r) { return prefers_french(header(r, "accept-language")); }

ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status, const std::string& page)
{
    add_header(r, "Content-Security-Policy", page_policy);
    add_header(r, "Referrer-Policy", "strict-origin");  // the page of a callback has a code in its address
    add_header(r, "Cache-Control", "no-store");
    return send(r, status, "text/html; charset=utf-8", page);
}

ngx_int_t apply_reply(ngx_http_request_t* r, const Reply& reply)
{
    for (const std::string& cookie : reply.set_cookies) add_header(r, "Set-Cookie", cookie);
    if (reply.location.empty())
        return send_page(r, static_cast<ngx_uint_t>(reply.status), logged_out_page(speaks_french(r)));
    add_header(r, "Cache-Control", "no-store");
    ngx_http_clear_location(r);
    r->headers_out.location = add_header(r, "Location", reply.location);
    // of other modules, under satisfy any
    for (const ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr; part = part->next)
        for (ngx_table_elt_t& line : std::span(static_cast<ngx_table_elt_t*>(part->elts), part->nelts))
            if (view(line.key) == "WWW-Authenticate") line.hash = 0;
    return NGX_HTTP_MOVED_TEMPORARILY;
}

void log_failure(ngx_http_request_t* r, const Failure& failure, std::string_view provider)
{
    ngx_log_t log = *r->connection->log;
    log.handler = nullptr;
    std::string path = printable(view(r->uri));
    log_failure(&log, failure, provider, concat({", client: ", view(r->connection->addr_text), ", path: ", path}));
}

// The page of error_uri, else of error_page, else our own, whatever `satisfy` says.
ngx_int_t refuse(ngx_http_request_t* r, const Failure& failure, std::string_view provider, std::string_view error_uri,
                 std::string_view asked)
{
    log_failure(r, failure, provider);
    RequestContext* ctx = request_context(r, true);
    ctx->error = ctx->event = name_of(failure.reason);
    ctx->error_description = view(copy(r->pool, html_escaped(failure.description)));
    ctx->error_id = view(copy(r->pool, html_escaped(failure.support_id)));
    ctx->error_status = status_of(failure.reason);
    ctx->asked = view(copy(r->pool, asked));

    if (error_uri.empty() && !has_error_page(r, ctx->error_status)) {
        std::string page = failure_page(speaks_french(r), failure.reason, failure.support_id, asked);
        return send_page(r, static_cast<ngx_uint_t>(ctx->error_status), page);
    }

    add_header(r, "Cache-Control", "no-store");
    if (!error_uri.empty()) {
        r->err_status = static_cast<ngx_uint_t>(ctx->error_status);
        if (r->method == NGX_HTTP_POST) {  // of a callback: the page is one to get
            r->method = NGX_HTTP_GET;
            r->method_name = ngx_http_core_get_method;
        }
        ngx_str_t uri = borrow(error_uri), args{};
        ngx_http_internal_redirect(r, &uri, &args);
    }

    ngx_http_finalize_request(r, error_uri.empty() ? ctx->error_status : NGX_DONE);
    return NGX_DONE;
}

}  // namespace oidc::ngx
