// A form that the browser, or a provider, posts to an endpoint.
#include "ngx_http_oidc_runtime.hpp"

namespace oidc::ngx {
namespace {

constexpr std::size_t longest = 16 * 1024;

void go_on(ngx_http_request_t* r)
{
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}

}  // namespace

ngx_int_t read_form(ngx_http_request_t* r)
{
    const ngx_table_elt_t* type = r->headers_in.content_type;
    std::string_view kind = type != nullptr ? view(type->value) : std::string_view();
    if (!equal_no_case(trim(take(kind, ';')), "application/x-www-form-urlencoded")) return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    if (r->headers_in.content_length_n > static_cast<off_t>(longest)) return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    if (r->request_body == nullptr) {
        r->request_body_in_file_only = 0;
        ngx_int_t rc = ngx_http_read_client_request_body(r, go_on);
        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
        ngx_http_finalize_request(r, NGX_DONE);  // the reading has a reference of its own
        return NGX_DONE;
    }
    std::string form;
    for (const ngx_chain_t* link = r->request_body->bufs; link != nullptr; link = link->next) {
        if (link->buf->in_file != 0) return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        form.append(link->buf->pos, link->buf->last);
    }
    if (form.size() > longest) return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    r->args = copy(r->pool, form);
    return NGX_OK;
}

}  // namespace oidc::ngx
