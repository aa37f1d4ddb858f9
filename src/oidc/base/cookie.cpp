#include "oidc/base/cookie.hpp"

#include <algorithm>
#include <cstddef>

#include "oidc/base/text.hpp"

namespace oidc {
namespace {

// Takes one cookie off the front of a header. Without '=' it has neither name nor value.
inline CookiePair take_cookie(std::string_view& header) noexcept
{
    const std::string_view text = take(header, ';');
    const std::size_t equals = text.find('=');
    return equals == text.npos ? CookiePair() : CookiePair(trim(text.substr(0, equals)), trim(text.substr(equals + 1)));
}

}  // namespace

std::string_view find_cookie(std::string_view header, std::string_view name) noexcept
{
    while (!header.empty()) {
        const CookiePair cookie = take_cookie(header);
        if (cookie.first == name) return cookie.second;
    }
    return {};
}

std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix)
{
    std::vector<CookiePair> found;
    while (!header.empty()) {
        const CookiePair cookie = take_cookie(header);
        if (!cookie.first.empty() && cookie.first.starts_with(prefix)) found.push_back(cookie);
    }
    return found;
}

std::optional<std::string_view> strip_cookies(std::string_view header, char* out, IsOurs ours,
                                              const void* context) noexcept
{
    char* end = out;
    const char* kept = header.data();  // the run before `rest` that stays: copied when one of ours ends it
    for (std::string_view rest = header; !rest.empty();) {
        const char* const start = rest.data();
        const std::string_view name = take_cookie(rest).first;
        if (name.empty() || !ours(context, name)) continue;
        end = std::copy(kept, start, end);
        kept = rest.data();
    }
    if (kept == header.data()) return std::nullopt;
    end = std::copy(kept, header.data() + header.size(), end);
    return trim({out, end}, ';');
}

std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<std::int64_t> max_age)
{
    constexpr std::string_view sites[] = {"Lax", "None", "Strict"};  // in the order of SameSite
    return concat({name, "=", value, "; Path=", attributes.path,
                   attributes.domain.empty() ? "" : "; Domain=", attributes.domain, attributes.secure ? "; Secure" : "",
                   "; HttpOnly; SameSite=", sites[static_cast<int>(attributes.samesite)], max_age ? "; Max-Age=" : "",
                   max_age ? std::to_string(*max_age) : std::string()});
}

}  // namespace oidc
