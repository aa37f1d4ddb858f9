#include "cookie.hpp"

namespace oidc {
namespace {

struct Piece {
    std::string_view text, name, value;  // text: as it came, with the spaces around it
};

// Takes one cookie off the front of a header. Without '=' it has neither name nor value.
Piece next_piece(std::string_view& header) noexcept
{
    const std::string_view text = take(header, ';');
    const std::size_t equals = text.find('=');
    if (equals == text.npos) return {text, {}, {}};
    return {text, trim(text.substr(0, equals)), trim(text.substr(equals + 1))};
}

}  // namespace

std::string_view find_cookie(std::string_view header, std::string_view name) noexcept
{
    while (!header.empty()) {
        const Piece piece = next_piece(header);
        if (piece.name == name) return piece.value;
    }
    return {};
}

std::vector<CookiePair> cookies_with_prefix(std::string_view header, std::string_view prefix)
{
    std::vector<CookiePair> found;
    while (!header.empty()) {
        const Piece piece = next_piece(header);
        if (!piece.name.empty() && piece.name.starts_with(prefix)) found.emplace_back(piece.name, piece.value);
    }
    return found;
}

std::optional<std::size_t> strip_cookies(std::string_view header, char* out, IsOurs ours, const void* context) noexcept
{
    char* end = out;
    bool stripped = false;
    while (!header.empty()) {
        const Piece piece = next_piece(header);
        const bool is_ours = !piece.name.empty() && ours(context, piece.name);
        stripped = stripped || is_ours;
        if (is_ours) continue;
        if (end != out) *end++ = ';';  // as before this piece in the header: never longer than that
        end = std::ranges::copy(end == out ? trim(piece.text) : piece.text, end).out;
    }
    return stripped ? std::optional<std::size_t>(end - out) : std::nullopt;
}

std::string set_cookie(std::string_view name, std::string_view value, const CookieAttributes& attributes,
                       std::optional<Seconds> max_age)
{
    constexpr std::string_view sites[] = {"Lax", "None", "Strict"};  // in the order of SameSite
    return concat({name, "=", value, "; Path=", attributes.path, attributes.domain.empty() ? "" : "; Domain=", attributes.domain,
                   attributes.secure ? "; Secure" : "", "; HttpOnly; SameSite=", sites[static_cast<int>(attributes.samesite)],
                   max_age ? "; Max-Age=" + std::to_string(*max_age) : std::string()});
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
