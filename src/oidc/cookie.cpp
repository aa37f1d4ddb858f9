#include "cookie.hpp"

#include <algorithm>

namespace oidc {
namespace {

std::string_view trim(std::string_view text) noexcept
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Takes the text up to the next ';' off the front of `rest`.
std::string_view next_piece(std::string_view& rest) noexcept
{
    std::size_t end = std::min(rest.find(';'), rest.size());
    std::string_view piece = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return piece;
}

CookiePair split(std::string_view piece) noexcept
{
    std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) return {};
    return {trim(piece.substr(0, equals)), trim(piece.substr(equals + 1))};
}

std::string_view samesite_text(SameSite samesite) noexcept
{
    switch (samesite) {
    case SameSite::lax: return "; SameSite=Lax";
    case SameSite::none: return "; SameSite=None";
    case SameSite::strict: return "; SameSite=Strict";
    }
    return {};
}

}  // namespace

std::string_view find_cookie(std::string_view header, std::string_view name) noexcept
{
    while (!header.empty()) {
        CookiePair cookie = split(next_piece(header));
        if (cookie.first == name) return cookie.second;
    }
    return {};
}

std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix)
{
    std::vector<CookiePair> found;
    while (!header.empty()) {
        CookiePair cookie = split(next_piece(header));
        if (!cookie.first.empty() && cookie.first.starts_with(prefix)) found.push_back(cookie);
    }
    return found;
}

std::optional<std::size_t> strip_cookies(std::string_view header, char* out, IsOurs ours, const void* context) noexcept
{
    char* end = out;
    bool stripped = false;
    while (!header.empty()) {
        std::string_view piece = next_piece(header);
        std::string_view name = split(piece).first;
        bool is_ours = !name.empty() && ours(context, name);
        stripped = stripped || is_ours;
        if (is_ours || piece.empty()) continue;
        if (end != out) end = std::copy_n("; ", 2, end);
        end = std::copy(piece.begin(), piece.end(), end);
    }
    return stripped ? std::optional<std::size_t>(end - out) : std::nullopt;
}

std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes)
{
    std::string text;
    text.reserve(name.size() + value.size() + 96);
    text.append(name).append("=").append(value).append("; Path=").append(attributes.path);
    if (!attributes.domain.empty()) text.append("; Domain=").append(attributes.domain);
    if (attributes.secure) text += "; Secure";
    text += "; HttpOnly";
    return text.append(samesite_text(attributes.samesite));
}

std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes, Seconds max_age)
{
    return set_cookie(name, value, attributes).append("; Max-Age=").append(std::to_string(max_age));
}

std::string delete_cookie(std::string_view name, const CookieAttributes& attributes)
{
    return set_cookie(name, {}, attributes, 0);
}

std::string session_cookie_name(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool host_bound = https && !rules.name_given && rules.domain.empty() && rules.path == "/" && rules.secure != Switch::off;
    return (host_bound ? "__Host-" : "") + rules.name;
}

CookieAttributes session_cookie_attributes(const Provider& provider, bool https)
{
    const CookieRules& rules = provider.cookie;
    bool secure = rules.secure == Switch::automatic ? https : rules.secure == Switch::on;
    return {rules.domain, rules.path, rules.samesite, secure};
}

}  // namespace oidc
