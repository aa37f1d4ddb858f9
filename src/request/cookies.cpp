#include "request/cookies.hpp"

#include <algorithm>
#include <cstddef>

#include "conf/configuration.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/journey/pending_request.hpp"
#include "request/request_context.hpp"

namespace oidc::ngx {
namespace {

// The Cookie lines: an array of elements before nginx 1.23, a list after.
template <class Visit>
void each_cookie_line(ngx_http_request_t* r, Visit visit)
{
#if (nginx_version >= 1023000)
    for (ngx_table_elt_t* line = r->headers_in.cookie; line != nullptr; line = line->next) visit(line);
#else
    for (ngx_table_elt_t* line : items<ngx_table_elt_t*>(r->headers_in.cookies)) visit(line);
#endif
}

bool is_own_cookie(const void* conf, std::string_view name)
{
    std::string_view bare = name.starts_with(host_prefix) ? name.substr(host_prefix.size()) : name;
    if (bare.starts_with(pending_cookie_prefix) || bare.starts_with(recent_logins_cookie_prefix)) return true;
    return std::ranges::binary_search(static_cast<const MainConf*>(conf)->session_cookies, name);
}

// An element cannot leave the list of headers, whose others nginx points to, and proxies send whatever stands in it: it
// becomes an empty header about the connection, which they never pass on.
void empty_header_line(ngx_table_elt_t& line)
{
    line.key = borrow("keep-alive");
    line.lowcase_key = line.key.data;
    line.hash = ngx_hash_key(line.key.data, line.key.len);
    line.value = borrow("");
}

}  // namespace

std::string_view cookies_of(ngx_http_request_t* r)
{
    RequestContext* ctx = request_context(r, false);
    if (ctx != nullptr && !ctx->cookies.empty()) return ctx->cookies;
    std::string_view first;
    std::string all;
    each_cookie_line(r->main, [&](ngx_table_elt_t* line) {
        if (first.empty()) first = view(line->value);
        else all.append(all.empty() ? first : "").append("; ").append(view(line->value));
    });
    return all.empty() ? first : view(copy(r->pool, all));
}

CookieCache& cookie_cache(ngx_http_request_t* r, std::string_view cookies)
{
    constexpr std::size_t longest = 2048;
    ngx_pool_t* pool = cookies.size() > longest ? r->main->pool : r->connection->pool;
    auto* last = find_in_pool<CookieCache>(pool);
    if (last != nullptr && last->header == cookies) return *last;
    if (last == nullptr) last = make_in_pool<CookieCache>(pool);

    std::string kept(cookies.size(), '\0');
    std::optional<std::string_view> left = strip_cookies(cookies, kept.data(), is_own_cookie, &main_conf(r));
    *last = {std::string(cookies), std::string(left.value_or(cookies))};
    return *last;
}

void strip_our_cookies(ngx_http_request_t* r)
{
    std::string_view cookies = cookies_of(r);
    if (cookies.empty()) return;
    const CookieCache& cache = cookie_cache(r, cookies);
    if (cache.left.size() == cookies.size()) return;

    ngx_str_t left = copy(r->pool, cache.left);
    request_context(r, true)->cookies = cookies;
    ngx_uint_t stay = left.len > 0 ? 1 : 0, seen = 0;
    each_cookie_line(r, [&](ngx_table_elt_t* line) {
        if (seen++ < stay) line->value = left;
        else empty_header_line(*line);
    });

#if (nginx_version >= 1023000)
    (stay > 0 ? r->headers_in.cookie->next : r->headers_in.cookie) = nullptr;
#else
    r->headers_in.cookies.nelts = stay;
#endif
    ngx_http_variable_value_t& seen_before = r->variables[main_conf(r).cookie_variable];
    seen_before.valid = seen_before.not_found = 0;
}

}  // namespace oidc::ngx
