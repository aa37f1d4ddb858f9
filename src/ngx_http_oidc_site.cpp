// How this site looks from the browser: its URL, its headers, what kind of request this is.
#include "ngx_http_oidc_request.hpp"

#include <algorithm>
#include <array>

#include "oidc/login.hpp"

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

bool is_ours(const void* conf, std::string_view name)
{
    std::string_view bare = name.starts_with(host_prefix) ? name.substr(host_prefix.size()) : name;
    if (bare.starts_with(attempt_cookie_prefix) || bare.starts_with(rounds_cookie_prefix)) return true;
    return std::ranges::any_of(static_cast<const MainConf*>(conf)->providers,
                               [&](const auto& p) { return name == p->cookie_names[0] || name == p->cookie_names[1]; });
}

// Takes an element out of the list of request headers, whose others nginx points to: its part is split around it. (nginx 1.22's
// proxy sends every element, so that emptying or marking one is not enough; its loops expect no empty part but the first.)
void remove_header(ngx_http_request_t* r, ngx_table_elt_t* gone)
{
    ngx_list_t& list = r->headers_in.headers;
    ngx_list_part_t *previous = nullptr, *part = &list.part;
    const auto first = [&] { return static_cast<ngx_table_elt_t*>(part->elts); };
    for (; part != nullptr && (gone < first() || gone >= first() + part->nelts); part = part->next) previous = part;
    if (part == nullptr) return;

    auto before = static_cast<ngx_uint_t>(gone - first());
    ngx_uint_t behind = part->nelts - before - 1;
    part->nelts = before;
    if (behind > 0) {
        auto* rest = static_cast<ngx_list_part_t*>(ngx_palloc(r->pool, sizeof(ngx_list_part_t)));
        if (rest == nullptr) throw std::bad_alloc{};
        *rest = {gone + 1, behind, part->next};
        part->next = rest;
        if (list.last == part) list.last = rest;
    }
    if (before == 0 && previous != nullptr) {
        previous->next = part->next;
        if (list.last == part) list.last = previous;
    }
    list.nalloc = std::max<ngx_uint_t>(list.last->nelts, 1);  // full: the next header opens a part of its own
}

bool host_fits(ngx_http_request_t* r, const ngx_http_server_name_t& server)
{
    ngx_str_t asked = r->headers_in.server;
#if (NGX_PCRE)
    if (server.regex != nullptr) return ngx_http_regex_exec(r, server.regex, &asked) == NGX_OK;
#endif
    std::string_view name = view(server.name), host = view(asked);
    if (name.starts_with("*.")) return host.ends_with(name.substr(1));
    if (name.starts_with('.')) return host == name.substr(1) || host.ends_with(name);
    return name == host;
}

// The request's host when it is one of the server's names, else the first name, else (no names) the host as it came.
std::string_view trusted_host(ngx_http_request_t* r)
{
    const auto& hosts = static_cast<SrvConf*>(ngx_http_get_module_srv_conf(r, ngx_http_oidc_module))->hosts;
    std::string_view host = view(r->headers_in.server);
    if (hosts.empty()) return host.empty() ? "localhost" : host;
    bool fits = std::ranges::any_of(hosts, [&](const ngx_http_server_name_t& name) { return host_fits(r, name); });
    std::string_view first = view(hosts.front().name);
    return fits ? host : first.substr(std::min(first.find_first_not_of("*."), first.size()));
}

std::string port_suffix(ngx_http_request_t* r, bool https)
{
    if (ngx_connection_local_sockaddr(r->connection, nullptr, 0) != NGX_OK) return {};
    in_port_t port = ngx_inet_get_port(r->connection->local_sockaddr);
    return port == 0 || port == (https ? 443 : 80) ? std::string() : ":" + std::to_string(port);
}

bool over_tls(ngx_http_request_t* r) noexcept
{
#if (NGX_HTTP_SSL)
    if (r->connection->ssl != nullptr) return true;
#endif
    return false;
}

std::string_view configured_base_url(ngx_http_request_t* r)
{
    ngx_http_complex_value_t* value = location(r).base_url.value;
    return value != nullptr ? evaluate(r, value) : std::string_view();
}

bool contains(std::string_view text, std::string_view part) noexcept { return text.find(part) != std::string_view::npos; }

// A request header by its lower-case name; empty when absent. The first one counts.
std::string_view header(ngx_http_request_t* r, std::string_view name)
{
    for (const ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
        for (const ngx_table_elt_t& line : std::span(static_cast<ngx_table_elt_t*>(part->elts), part->nelts)) {
            if (view({line.key.len, line.lowcase_key}) == name) return view(line.value);
        }
    }
    return {};
}

// All Cookie lines in one; a copy in r->pool only when the browser sent several.
std::string_view cookie_header(ngx_http_request_t* r)
{
    std::string_view first;
    std::size_t lines = 0;
    each_cookie_line(r, [&](ngx_table_elt_t* line) {
        if (lines++ == 0) first = view(line->value);
    });
    if (lines < 2) return first;
    std::string all;
    each_cookie_line(r, [&](ngx_table_elt_t* line) { all.append(all.empty() ? "" : "; ").append(view(line->value)); });
    return view(copy(r->pool, all));
}

}  // namespace

std::string_view cookies_of(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    return ctx != nullptr && !ctx->cookies.empty() ? ctx->cookies : cookie_header(r->main);
}

void strip_our_cookies(ngx_http_request_t* r)
{
    RequestCtx* ctx = request_ctx(r, false);
    std::string_view cookies = cookie_header(r);
    if (cookies.empty() || (ctx != nullptr && !ctx->cookies.empty())) return;
    auto* kept = static_cast<char*>(ngx_pnalloc(r->pool, cookies.size()));
    if (kept == nullptr) throw std::bad_alloc{};
    std::optional<std::string_view> left = strip_cookies(cookies, kept, is_ours, &main_conf(r));
    if (!left) return;
    request_ctx(r, true)->cookies = cookies;

    ngx_uint_t stay = left->empty() ? 0 : 1, seen = 0;
    each_cookie_line(r, [&](ngx_table_elt_t* line) {
        if (seen++ < stay) line->value = borrow(*left);
        else remove_header(r, line);
    });
#if (nginx_version >= 1023000)
    (stay > 0 ? r->headers_in.cookie->next : r->headers_in.cookie) = nullptr;
#else
    r->headers_in.cookies.nelts = stay;
#endif
}

bool is_https(ngx_http_request_t* r, const ProviderConf& conf)
{
    if (!conf.provider.redirect_uri.starts_with('/')) return conf.provider.redirect_uri.starts_with("https:");
    std::string_view configured = configured_base_url(r);
    return configured.empty() ? over_tls(r) : configured.starts_with("https:");
}

std::string base_url(ngx_http_request_t* r, const ProviderConf& conf)
{
    const std::string& redirect_uri = conf.provider.redirect_uri;
    if (!redirect_uri.starts_with('/')) {
        std::size_t host_at = redirect_uri.find("://") + 3;
        std::string site = redirect_uri.substr(0, redirect_uri.find('/', host_at));
        std::string_view host = trusted_host(r);
        std::string_view authority = std::string_view(site).substr(host_at);
        bool same_host = authority.starts_with(host) && (authority.size() == host.size() || authority[host.size()] == ':');
        return same_host ? site : site.substr(0, host_at) + std::string(host);
    }
    if (std::string_view configured = configured_base_url(r); !configured.empty()) return std::string(configured);
    bool https = over_tls(r);
    return (https ? "https://" : "http://") + std::string(trusted_host(r)) + port_suffix(r, https);
}

bool is_navigation(ngx_http_request_t* r)
{
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return false;
    if (r->headers_in.upgrade != nullptr || contains(header(r, "sec-purpose"), "prefetch")) return false;
    std::string_view mode = header(r, "sec-fetch-mode");
    if (!mode.empty()) {
        constexpr std::array<std::string_view, 5> frames{"iframe", "frame", "embed", "object", "fencedframe"};
        std::string_view destination = header(r, "sec-fetch-dest");
        return mode == "navigate" && std::ranges::find(frames, destination) == frames.end();
    }
    if (!header(r, "x-requested-with").empty() || contains(header(r, "purpose"), "prefetch")) return false;
    std::string_view accept = header(r, "accept");
    return accept.empty() || contains(accept, "text/html") || contains(accept, "*/*");
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
