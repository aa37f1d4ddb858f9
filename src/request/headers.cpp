#include "request/headers.hpp"

#include <new>
#include <span>

namespace oidc::ngx {

std::string_view header(ngx_http_request_t* r, std::string_view name)
{
    for (const ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
        for (const ngx_table_elt_t& line : std::span(static_cast<ngx_table_elt_t*>(part->elts), part->nelts))
            if (view({line.key.len, line.lowcase_key}) == name) return view(line.value);
    }
    return {};
}

ngx_table_elt_t* add_header(ngx_http_request_t* r, std::string_view name, std::string_view value)
{
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (line == nullptr) throw std::bad_alloc{};
    *line = {};
    line->key = borrow(name);
    line->value = copy(r->pool, value);
    line->hash = 1;
    return line;
}

}  // namespace oidc::ngx
