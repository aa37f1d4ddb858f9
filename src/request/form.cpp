#include "request/form.hpp"

#include <algorithm>
#include <string_view>

#include "oidc/base/text.hpp"
#include "request/headers.hpp"

namespace oidc::ngx {
namespace {

bool is_form(ngx_http_request_t* r)
{
    std::string_view type = header(r, "content-type");
    return equal_no_case(trim(take(type, ';')), "application/x-www-form-urlencoded");
}

void go_on(ngx_http_request_t* r)
{
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}

}  // namespace

ngx_int_t read_body(ngx_http_request_t* r, std::size_t longest)
{
    if (r->request_body != nullptr || r->headers_in.content_length_n > static_cast<off_t>(longest)) return NGX_OK;
    ngx_int_t rc = ngx_http_read_client_request_body(r, go_on);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
    ngx_http_finalize_request(r, NGX_DONE);  // the reading has a reference of its own
    return NGX_DONE;
}

std::optional<std::string> form_of(ngx_http_request_t* r, std::size_t longest)
{
    if (r->request_body == nullptr || !is_form(r)) return std::nullopt;
    std::string form;
    for (const ngx_chain_t* link = r->request_body->bufs; link != nullptr; link = link->next) {
        auto at = form.size(), size = static_cast<std::size_t>(ngx_buf_size(link->buf));
        if (at + size > longest) return std::nullopt;
        form.resize(at + size);
        auto* to = reinterpret_cast<u_char*>(form.data() + at);
        if (ngx_buf_in_memory(link->buf)) std::copy_n(link->buf->pos, size, to);
        else if (size > 0 && ngx_read_file(link->buf->file, to, size, link->buf->file_pos) < 0) return std::nullopt;
    }
    return form;
}

ngx_int_t read_form(ngx_http_request_t* r)
{
    constexpr std::size_t longest = 16 * 1024;
    if (!is_form(r)) return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    if (ngx_int_t rc = read_body(r, longest); rc != NGX_OK) return rc;
    std::optional<std::string> form = form_of(r, longest);
    if (!form) return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    r->args = copy(r->pool, *form);
    r->request_body->bufs = nullptr;  // the code in it is for us alone: no error page's upstream gets it, and no log
    r->headers_in.content_length = nullptr;
    r->headers_in.content_length_n = 0;
    return NGX_OK;
}

}  // namespace oidc::ngx
