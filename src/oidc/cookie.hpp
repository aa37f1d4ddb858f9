// Cookies (RFC 6265): total parsing of what a browser sends, attributes of what we set.
#pragma once

#include <utility>

#include "provider.hpp"
#include "url.hpp"

namespace oidc {

using CookiePair = std::pair<std::string_view, std::string_view>;  // name, value: views into the header

// The value of the first cookie of that name; empty when there is none. Any bytes are accepted as input.
std::string_view find_cookie(std::string_view header, std::string_view name) noexcept;
// All cookies whose name starts with `prefix`, in the browser's order: the oldest first (RFC 6265 5.4).
std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix);
using IsOurs = bool (*)(const void* context, std::string_view name);
// Writes the header without our cookies to `out` (at least header.size() bytes) and returns how many bytes that is; nullopt and
// nothing of use in `out` when none of ours is there.
std::optional<std::size_t> strip_cookies(std::string_view header, char* out, IsOurs ours, const void* context) noexcept;

struct CookieAttributes {
    std::string_view domain, path = "/";
    SameSite samesite = SameSite::lax;
    bool secure = true;
};

// HttpOnly always; without max_age it ends with the browser.
std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<Seconds> max_age = std::nullopt);
inline std::string delete_cookie(std::string_view name, const CookieAttributes& with) { return set_cookie(name, {}, with, 0); }

// The session cookie of a provider. `https`: what the browser sees.
std::string session_cookie_name(const Provider& provider, bool https);
CookieAttributes session_cookie_attributes(const Provider& provider, bool https);

}  // namespace oidc
