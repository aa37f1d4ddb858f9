#include "request/site.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"
#include "request/request_context.hpp"

namespace oidc::ngx {
namespace {

// As nginx matches them: "*" stands for one label or more, at either end.
bool host_fits(ngx_http_request_t* r, const ngx_http_server_name_t& server)
{
#if (NGX_PCRE)
    if (server.regex != nullptr) return ngx_http_regex_exec(r, server.regex, &r->headers_in.server) == NGX_OK;
#endif
    std::string_view name = view(server.name), host = view(r->headers_in.server);
    if (name.starts_with('.')) return host == name.substr(1) || host.ends_with(name);
    std::size_t star = name.find('*');
    if (star == name.npos) return name == host;
    return host.starts_with(name.substr(0, star)) && host.ends_with(name.substr(star + 1));
}

bool has_own_host(ngx_http_request_t* r)
{
    auto fits = [&](const ngx_http_server_name_t& name) { return host_fits(r, name); };
    return r->headers_in.server.len > 0 && std::ranges::any_of(server(r).hosts, fits);
}

// The request's host when it is one of the server's names, else the first name. Without any (letters or digits: "_" is
// none) the server listens on loopback alone, the configuration saw to it: the host as it came. With patterns alone:
// one that is not ours.
std::string_view trusted_host(ngx_http_request_t* r)
{
    std::string_view host = view(r->headers_in.server);
    if (has_own_host(r)) return host;
    auto name = std::ranges::find_if(server(r).hosts, is_exact_name);
    if (name != server(r).hosts.end()) return view(name->name);
    return host.empty() || !server(r).hosts.empty() ? "localhost" : host;
}

#if (NGX_HTTP_SSL)
bool over_tls(ngx_http_request_t* r) noexcept { return r->connection->ssl != nullptr; }
#else
bool over_tls(ngx_http_request_t*) noexcept { return false; }
#endif

}  // namespace

bool is_exact_name(const ngx_http_server_name_t& name) noexcept
{
#if (NGX_PCRE)
    if (name.regex != nullptr) return false;
#endif
    return !contains(view(name.name), '*') && !view(name.name).starts_with('.');
}

bool is_https(ngx_http_request_t* r, const ProviderConf& conf)
{
    if (!conf.provider.redirect_uri.starts_with('/')) return conf.provider.redirect_uri.starts_with("https:");
    std::string_view configured = evaluate(r, location(r).base_url.value);
    return configured.empty() ? over_tls(r) : configured.starts_with("https:");
}

// An absolute redirect URI fixes the site; only who asks for another name of this server is first sent there.
std::string base_url(ngx_http_request_t* r, const ProviderConf& conf)
{
    std::string_view uri = conf.provider.redirect_uri, host = view(r->headers_in.server);
    if (std::optional<Url> fixed = uri.starts_with('/') ? std::nullopt : parse_url(uri)) {
        bool other = host != fixed->host && has_own_host(r);
        return other ? concat({fixed->scheme, "://", host})
                     : std::string(uri.substr(0, uri.find('/', uri.find("://") + 3)));
    }
    if (std::string_view configured = evaluate(r, location(r).base_url.value); !configured.empty())
        return std::string(configured);
    bool https = over_tls(r);
    in_port_t port = ngx_inet_get_port(r->connection->local_sockaddr);
    std::string suffix = port == 0 || port == (https ? 443 : 80) ? "" : ":" + std::to_string(port);
    return concat({https ? "https://" : "http://", trusted_host(r), suffix});
}

}  // namespace oidc::ngx
