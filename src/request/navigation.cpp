#include "request/navigation.hpp"

#include <string>
#include <string_view>

#include "oidc/base/text.hpp"
#include "oidc/provider/provider.hpp"
#include "request/headers.hpp"
#include "request/site.hpp"

namespace oidc::ngx {
namespace {

bool mentions(std::string_view text, std::string_view part) noexcept { return text.find(part) != text.npos; }

// Fetched ahead, before anyone wants it.
bool is_prefetch(ngx_http_request_t* r)
{
    return mentions(header(r, "sec-purpose"), "prefetch") || mentions(header(r, "purpose"), "prefetch");
}

// Sec-Fetch-Site, else Origin or Referer.
bool is_from_this_site(ngx_http_request_t* r, const ProviderConf& conf)
{
    constexpr std::string_view own[] = {"same-origin", "same-site", "none"};
    std::string_view site = header(r, "sec-fetch-site"), origin = header(r, "origin"), page = header(r, "referer");
    if (!site.empty()) return contains(own, site);
    std::string here = base_url(r, conf);
    return origin.empty() ? page.starts_with(here + "/") : origin == here;
}

}  // namespace

bool is_navigation(ngx_http_request_t* r)
{
    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) return false;
    if (r->headers_in.upgrade != nullptr || is_prefetch(r)) return false;
    std::string_view mode = header(r, "sec-fetch-mode");
    if (!mode.empty()) {
        constexpr std::string_view frames[] = {"iframe", "frame", "embed", "object", "fencedframe"};
        return mode == "navigate" && !contains(frames, header(r, "sec-fetch-dest"));
    }
    if (!header(r, "x-requested-with").empty()) return false;
    std::string_view accept = header(r, "accept");
    return accept.empty() || mentions(accept, "text/html") || mentions(accept, "*/*");
}

// An upstream's X-Accel-Redirect and an error_page are the site's own wish: of a page that ended the account, say. A
// rewrite, which looks alike, is no wish: whoever asks for the address gets there.
LogoutAnswer judge_logout(ngx_http_request_t* r, const ProviderConf& conf)
{
    if (r->internal && (r->upstream != nullptr || r->error_page)) return LogoutAnswer::now;
    std::string_view mode = header(r, "sec-fetch-mode");
    if ((!mode.empty() && mode != "navigate") || !header(r, "x-requested-with").empty() || is_prefetch(r))
        return LogoutAnswer::refuse;
    LogoutMethod method = conf.provider.logout_method;
    if (method == LogoutMethod::any) return LogoutAnswer::now;
    bool ask = !is_from_this_site(r, conf) || (method == LogoutMethod::post && r->method != NGX_HTTP_POST);
    return ask ? LogoutAnswer::ask : LogoutAnswer::now;
}

}  // namespace oidc::ngx
