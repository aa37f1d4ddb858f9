// The words of directives: what a configuration may say. nginx's own readers of numbers, times and sizes stand below:
// the real ones are in its binary alone.
#include "fuzz.hpp"

#include <charconv>
#include <stdexcept>

#include "conf/config_error.hpp"
#include "conf/parse.hpp"
#include "conf/route.hpp"
#include "conf/values.hpp"
#include "oidc/base/cookie.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

extern "C" {

ngx_int_t ngx_atoi(u_char* line, size_t n)
{
    const char* const text = reinterpret_cast<const char*>(line);
    ngx_int_t number = NGX_ERROR;
    const bool whole = n > 0 && *text != '-' && std::from_chars(text, text + n, number).ptr == text + n;
    return whole ? number : static_cast<ngx_int_t>(NGX_ERROR);
}
// Any number that these can return, whatever the unit.
ngx_int_t ngx_parse_time(ngx_str_t* line, ngx_uint_t)
{
    const bool unit = line->len > 0 && std::string_view("smhdwMy").find(line->data[line->len - 1]) != std::string::npos;
    return ngx_atoi(line->data, line->len - (unit ? 1 : 0));
}
ssize_t ngx_parse_size(ngx_str_t* line) { return ngx_parse_time(line, 1); }

// Referred to, not reached.
ngx_int_t ngx_http_compile_complex_value(ngx_http_compile_complex_value_t*) { std::abort(); }
ngx_pool_cleanup_t* ngx_pool_cleanup_add(ngx_pool_t*, size_t) { std::abort(); }
void* ngx_pnalloc(ngx_pool_t*, size_t) { std::abort(); }
void ngx_log_error_core(ngx_uint_t, ngx_log_t*, ngx_err_t, const char*, ...) { std::abort(); }
}

using namespace oidc;
using namespace oidc::ngx;

namespace {

// What it makes of a word; nullopt: a sentence that says why not.
template <class F>
auto accepted(F parse) -> std::optional<decltype(parse())>
{
    try {
        return parse();
    } catch (const ConfigError& mistake) {
        MUST(*mistake.what() != '\0' && std::string_view(mistake.what()).find_first_of("\r\n") == std::string::npos);
        return std::nullopt;
    }
}

void check_numbers(std::string_view text)
{
    constexpr Seconds century = Seconds{100} * 366 * 86400;
    const auto time = accepted([&] { return parse_lifetime(text); });
    MUST(!time || (*time > 0 && *time <= century));
    const auto call = accepted([&] { return parse_call_time(text); });
    MUST(!call || (*call > 0 && *call / 1000 <= century));
    const auto size = accepted([&] { return parse_max_response(text); });
    MUST(!size || *size >= 4096);
    const auto limit = accepted([&] { return parse_state_limit(text); });
    MUST(!limit || (*limit >= 1 && *limit <= 64));
    accepted([&] { return parse_seconds_or_off(text); });
}

void check_pages(std::string_view text)
{
    const auto uri = accepted([&] { return parse_endpoint_uri(text, "/example"); });
    if (uri) {
        const std::string path = path_of(*uri);
        MUST(*uri == text && is_local_path(path) && path != "/" && path.find_first_of("?#%") == path.npos);
        MUST(path.find("/../") == path.npos && path.find("/./") == path.npos && path.find("//") == path.npos);
    }
    for (const auto& page : {accepted([&] { return parse_page(text); }), accepted([&] { return parse_safe_url(text); }),
                             accepted([&] { return parse_proxy(text); })}) {
        MUST(!page || *page == text);
    }
    const auto safe = accepted([&] { return parse_safe_url(text); });
    if (safe) MUST(parse_url(*safe)->scheme == "https" || is_loopback(parse_url(*safe)->host));
    const auto error = accepted([&] { return parse_error_uri(text); });
    if (error) MUST(is_local_path(*error) && error->find_first_of("?%#") == error->npos);
}

void check_words(std::string_view text)
{
    const auto name = accepted([&] { return parse_cookie_name(text); });
    if (name) MUST(find_cookie(set_cookie(*name, "v", CookieAttributes()), *name) == "v");
    const auto scope = accepted([&] { return parse_scope(text); });
    if (scope) MUST(contains(words(*scope), "openid") && words(*scope) == words(text));
    const auto algs = accepted([&] { return parse_signing_algs(text); });
    if (algs) MUST(!algs->empty() && !contains(*algs, "none"));
    accepted([&] { return parse_encryption_algs(text); });
    accepted([&] { return one_of<SameSite, "lax none strict">(text); });
    const auto args = accepted([&] { return parse_arguments(text); });
    if (args)
        for (const Param& arg : *args) MUST(!is_reserved_argument(arg.name) && !arg.name.empty());
    MUST(quoted(text).size() <= 205);
}

void check_options(std::string_view text)
{
    const Words all = words(text);
    std::string valid, stale;
    const auto read = accepted([&] {
        read_options(all, 0, {{"valid", into<parse_text>(valid)}, {"stale", into<parse_text>(stale)}});
        return true;
    });
    if (read) MUST(join(all, "").size() == 6 * all.size() + valid.size() + stale.size());
}

// No path has two meanings, and each is found.
void check_routes(std::string_view first, std::string_view second)
{
    ProviderConf a, b;
    a.provider.name = "a";
    b.provider.name = "b";
    for (const auto& [conf, text] : {std::pair(&a, first), {&b, second}}) {
        const auto uri = accepted([&, text = text] { return parse_endpoint_uri(text, "/example"); });
        if (!uri) return;
        conf->provider.redirect_uri = *uri;
        conf->provider.logout_uri = *uri + "/logout";
    }
    std::vector<Route> routes;
    for (const ProviderConf* conf : {&a, &b})
        accepted([&] {
            add_routes(routes, *conf);
            return true;
        });
    MUST(std::ranges::is_sorted(routes, {}, &Route::path));
    for (const Route& route : routes) MUST(find_route(routes, route.path) == &route && !route.providers.empty());
}

}  // namespace

FUZZ_TARGET(input)
{
    const fuzz::Exact first(fuzz::next_piece(input)), second(fuzz::next_piece(input));
    const std::string_view text = first.view();
    check_numbers(text);
    check_pages(text);
    check_words(text);
    check_options(text);
    check_routes(text, second.view());
    did_you_mean(text, {"valid", "stale", "min_refresh"});
}
