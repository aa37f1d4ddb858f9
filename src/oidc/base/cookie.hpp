// Cookies (RFC 6265): views into the header that a browser sent, in which any bytes may be, and the lines that set
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oidc {

// Of a cookie's name: nobody else on the domain can set such a cookie, and only https can.
constexpr std::string_view host_prefix = "__Host-";

enum class SameSite : std::uint8_t { lax, none, strict };

using CookiePair = std::pair<std::string_view, std::string_view>;  // name, value

// The value of the first cookie of that name; empty when there is none.
std::string_view find_cookie(std::string_view header, std::string_view name) noexcept;
// All cookies whose name starts with `prefix`, in the browser's order: the oldest first (RFC 6265 5.4).
std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix);
using IsOurs = bool (*)(const void* context, std::string_view name);
// The header without our cookies, written to `out` (at least header.size() bytes); nullopt and nothing written when
// none is there.
std::optional<std::string_view> strip_cookies(std::string_view header, char* out, IsOurs ours,
                                              const void* context) noexcept;

struct CookieAttributes {
    std::string_view domain, path = "/";
    SameSite samesite = SameSite::lax;
    bool secure = true;
};

// HttpOnly always. `max_age` in seconds: without it the cookie ends with the browser.
std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<std::int64_t> max_age = std::nullopt);
inline std::string delete_cookie(std::string_view name, const CookieAttributes& with)
{
    return set_cookie(name, {}, with, 0);
}

}  // namespace oidc
