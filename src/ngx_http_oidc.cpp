#include "ngx_http_oidc.hpp"

#include <algorithm>

namespace oidc::ngx {

ngx_str_t copy(ngx_pool_t* pool, std::string_view s)
{
    auto* data = static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1));
    if (data == nullptr) throw std::bad_alloc{};
    data[s.copy(reinterpret_cast<char*>(data), s.size())] = '\0';
    return {s.size(), data};
}

std::string printable(std::string_view text)
{
    std::string safe(text.substr(0, 512));
    std::ranges::replace_if(
        safe, [](char c) { return c < ' ' || c > '~'; }, '?');
    return safe;
}

}  // namespace oidc::ngx
