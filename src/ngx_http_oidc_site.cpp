#include "ngx_http_oidc_site.hpp"

#include <algorithm>
#include <array>

#include "oidc/cookie.hpp"
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
    auto** lines = static_cast<ngx_table_elt_t**>(r->headers_in.cookies.elts);
    for (ngx_uint_t i = 0; i < r->headers_in.cookies.nelts; ++i) visit(lines[i]);
#endif
}

// Forgets the last line where nginx and $http_cookie look for it, unless it is the first and `all` is false.
ngx_table_elt_t* forget_last_cookie_line(ngx_http_request_t* r, bool all)
{
#if (nginx_version >= 1023000)
    ngx_table_elt_t** at = &r->headers_in.cookie;
    while (*at != nullptr && (*at)->next != nullptr) at = &(*at)->next;
    if (*at == nullptr || (at == &r->headers_in.cookie && !all)) return nullptr;
    return std::exchange(*at, nullptr);
#else
    ngx_array_t& lines = r->headers_in.cookies;
    if (lines.nelts == 0 || (lines.nelts == 1 && !all)) return nullptr;
    return static_cast<ngx_table_elt_t**>(lines.elts)[--lines.nelts];
#endif
}

bool is_ours(const void* conf, std::string_view name)
{
    constexpr std::string_view host = "__Host-";
    std::string_view plain = name.starts_with(host) ? name.substr(host.size()) : name;
    if (plain.starts_with("NGX_OIDC_LOGIN_") || name.starts_with(rounds_cookie_prefix)) return true;
    const auto& providers = static_cast<const MainConf*>(conf)->providers;
    return std::any_of(providers.begin(), providers.end(),
                       [&](const auto& p) { return name == p->cookie_names[0] || name == p->cookie_names[1]; });
}

#if (nginx_version < 1023000)
void repoint(ngx_array_t& lines, ngx_table_elt_t* from, ngx_table_elt_t* to)
{
    auto** all = static_cast<ngx_table_elt_t**>(lines.elts);
    std::replace(all, all + lines.nelts, from, to);
}
#endif

// All pointers of headers_in to `from` are made to point to `to`: nginx keeps one (or a chain) per known header, by offset.
void repoint(ngx_http_request_t* r, ngx_table_elt_t* from, ngx_table_elt_t* to)
{
    for (ngx_http_header_t* known = ngx_http_headers_in; known->name.len != 0; ++known) {
        if (known->offset == 0) continue;
        auto** at = reinterpret_cast<ngx_table_elt_t**>(reinterpret_cast<char*>(&r->headers_in) + known->offset);
#if (nginx_version >= 1023000)
        while (*at != nullptr && *at != from) at = &(*at)->next;
#endif
        if (*at == from) *at = to;
    }
#if (nginx_version < 1023000)
    repoint(r->headers_in.cookies, from, to);
#if (NGX_HTTP_X_FORWARDED_FOR)
    repoint(r->headers_in.x_forwarded_for, from, to);
#endif
#endif
}

// Takes an element out of the list of request headers: the last one moves into its place. nginx 1.22's proxy sends every
// element of the list, so that emptying or marking one is not enough.
void remove_header(ngx_http_request_t* r, ngx_table_elt_t* gone)
{
    ngx_list_part_t* last = &r->headers_in.headers.part;
    while (last->next != nullptr && last->next->nelts != 0) last = last->next;
    auto* elements = static_cast<ngx_table_elt_t*>(last->elts);
    ngx_table_elt_t* moved = &elements[last->nelts - 1];
    if (moved != gone) {
        *gone = *moved;
        repoint(r, moved, gone);
    }
    --last->nelts;
}

std::string_view host_without_port(std::string_view host) noexcept
{
    std::size_t colon = host.rfind(':');
    return colon == std::string_view::npos || host.ends_with(']') ? host : host.substr(0, colon);
}

bool name_fits(std::string_view name, std::string_view host) noexcept
{
    if (name.starts_with("*.")) return host.ends_with(name.substr(1));
    if (name.starts_with('.')) return host == name.substr(1) || host.ends_with(name);
    return name == host;
}

bool host_fits(ngx_http_request_t* r, const HostName& name)
{
    ngx_str_t asked = r->headers_in.server;
#if (NGX_PCRE)
    if (name.regex != nullptr) return ngx_http_regex_exec(r, name.regex, &asked) == NGX_OK;
#endif
    return name_fits(name.name, view(asked));
}

// The request's host when it is one of the server's names, else the first name, else (no names) the host as it came.
std::string_view trusted_host(ngx_http_request_t* r)
{
    auto* server = static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_core_module));
    std::string_view host = view(r->headers_in.server);
    std::string_view first = view(server->server_name);
    if (first.empty()) return host.empty() ? "localhost" : host;
    auto* ours = static_cast<SrvConf*>(ngx_http_get_module_srv_conf(r, ngx_http_oidc_module));
    bool fits = std::any_of(ours->hosts.begin(), ours->hosts.end(), [&](const HostName& name) { return host_fits(r, name); });
    return fits ? host : first;
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
    return r->connection->ssl != nullptr;
#else
    return false;
#endif
}

std::string_view configured_base_url(ngx_http_request_t* r)
{
    auto* conf = static_cast<LocConf*>(ngx_http_get_module_loc_conf(r, ngx_http_oidc_module));
    ngx_str_t value{};
    if (conf->base_url == nullptr || ngx_http_complex_value(r, conf->base_url, &value) != NGX_OK) return {};
    return view(value);
}

bool contains(std::string_view text, std::string_view part) noexcept { return text.find(part) != std::string_view::npos; }

}  // namespace

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

bool strip_our_cookies(ngx_http_request_t* r, const MainConf& conf)
{
    std::string_view cookies = cookie_header(r);
    if (cookies.empty()) return false;
    auto* kept = static_cast<char*>(ngx_pnalloc(r->pool, cookies.size()));
    if (kept == nullptr) throw std::bad_alloc{};
    std::optional<std::size_t> size = strip_cookies(cookies, kept, is_ours, &conf);
    if (!size) return false;

    while (ngx_table_elt_t* line = forget_last_cookie_line(r, *size == 0)) remove_header(r, line);
    each_cookie_line(r, [&](ngx_table_elt_t* line) { line->value = borrow({kept, *size}); });
    return true;
}

std::string_view header(ngx_http_request_t* r, std::string_view name)
{
    for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
        auto* elements = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (std::string_view(reinterpret_cast<char*>(elements[i].lowcase_key), elements[i].key.len) == name) {
                return view(elements[i].value);
            }
        }
    }
    return {};
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
        std::string site = redirect_uri.substr(0, redirect_uri.find('/', redirect_uri.find("://") + 3));
        std::string_view site_host = host_without_port(std::string_view(site).substr(site.find("://") + 3));
        std::string_view host = trusted_host(r);
        return host == site_host ? site : site.substr(0, site.find("://") + 3) + std::string(host);
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
        return mode == "navigate" && std::find(frames.begin(), frames.end(), destination) == frames.end();
    }
    if (!header(r, "x-requested-with").empty() || contains(header(r, "purpose"), "prefetch")) return false;
    std::string_view accept = header(r, "accept");
    return accept.empty() || contains(accept, "text/html") || contains(accept, "*/*");
}

void add_header(ngx_http_request_t* r, std::string_view name, std::string_view value)
{
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (line == nullptr) throw std::bad_alloc{};
    *line = {};
    line->key = borrow(name);  // names are literals
    line->value = copy(r->pool, value);
    line->hash = 1;
}

}  // namespace oidc::ngx
