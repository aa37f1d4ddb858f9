// What a word of a directive inside oidc_provider can be.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config_error.hpp"
#include "conf/parse.hpp"
#include "oidc/base/text.hpp"
#include "oidc/base/url.hpp"

namespace oidc::ngx {

// What `Parse` makes of it, when that fits. A sentence that begins with a space stands behind the word.
template <auto Parse, auto Fits, Literal Otherwise>
auto checked(std::string_view text)
{
    auto value = Parse(text);
    std::string_view sentence = Otherwise.text;
    if (!Fits(value)) throw ConfigError((sentence.starts_with(' ') ? quoted(text) : "").append(sentence));
    return value;
}

template <auto Parse, Literal Example>
std::string like(std::string_view text)
{
    return Parse(text, Example.text);
}

inline bool is_given(std::string_view text) { return !text.empty(); }
inline bool is_positive(std::int64_t number) { return number > 0; }
inline bool holds_metadata(std::size_t size) { return size >= 4096; }
inline bool is_bare_path(std::string_view path) { return path.find_first_of("?%#") == path.npos; }
inline bool has_no_query(std::string_view url) { return url.find('?') == url.npos; }
inline bool is_on(std::string_view text) { return parse_name(text, "on off") == 0; }
inline bool is_form_post(std::string_view text) { return parse_name(text, "query form_post") == 1; }
inline bool is_required(std::string_view text) { return parse_name(text, "required off") == 0; }
inline bool is_word(std::string_view text, const char* without)
{
    return is_given(text) && is_visible(text) && text.find_first_of(without) == text.npos;
}
inline bool is_cookie_name(std::string_view text) { return is_word(text, "()<>@,;:\\\"/[]?={}"); }  // RFC 6265: a token
inline bool is_cookie_domain(std::string_view text) { return is_word(text, ";,:/"); }
inline bool is_cookie_path(std::string_view text) { return is_word(text, ";,") && text.starts_with('/'); }

constexpr auto parse_lifetime = checked<parse_seconds, is_positive, "a life of 0 s would end every login at once">;
constexpr auto parse_call_time = checked<parse_milliseconds, is_positive, "no call ends in no time; write at least 1s">;
constexpr auto parse_deadline = checked<parse_milliseconds, is_positive, "no login ends in no time; write at least 1s">;
constexpr auto parse_max_response =
    checked<parse_size, holds_metadata, "metadata and keys do not fit; 4k is the least">;
constexpr auto parse_min_refresh =
    checked<parse_seconds, is_positive, "min_refresh=0 would let any visitor make us fetch; 1s is the least">;
constexpr auto parse_cookie_name =
    checked<parse_constant, is_cookie_name, " is no cookie name; use letters, digits, _ and -">;
constexpr auto parse_site_page =
    checked<parse_text, is_local_path, " is no path of this site, where an internal redirect can go">;
constexpr auto parse_error_uri =
    checked<parse_site_page, is_bare_path,
            " is taken literally, by an internal redirect: leave out \"?\", \"%\" and \"#\"">;
constexpr auto parse_page_here = checked<parse_text, is_local_path, " is no path of this site">;

// Where the browser goes after a logout: anywhere.
inline std::string parse_page(std::string_view text)
{
    if (text.starts_with('/')) return parse_page_here(text);
    if (!parse_url(text))
        throw ConfigError(quoted(text) + " is neither a path (write it like /bye) nor an absolute https URL");
    return parse_safe_url(text);
}
inline std::size_t parse_state_limit(std::string_view text)
{
    return static_cast<std::size_t>(parse_number(text, "number", 1, 64));
}

// Credentials may stand before an @ (CONNECT with Basic authentication).
inline std::string parse_proxy(std::string_view text)
{
    std::size_t start = text.find("://"), at = text.rfind('@');
    std::string bare(text);
    if (start != bare.npos && at != bare.npos) bare.erase(start + 3, at - start - 2);
    std::optional<Url> url = parse_url(bare);
    if (!url || url->path != "/")
        throw ConfigError("the value is no proxy; write it like http://proxy.example.fr:3128");
    return std::string(text);
}

inline std::string parse_scope(std::string_view text)
{
    Words scopes = words(text);
    if (!contains(scopes, "openid")) throw ConfigError("\"openid\" is missing; without it there is no login");
    return join(scopes, " ");
}

// Separated by spaces or commas.
template <Literal Known>
inline Words parse_algs(std::string_view list)
{
    std::string text(list);
    std::ranges::replace(text, ',', ' ');
    Words known = words(Known.text), algs = words(text);
    if (algs.empty()) throw ConfigError("the list of algorithms is empty");
    for (const std::string& alg : algs) {
        if (alg == "none")
            throw ConfigError("\"none\" means an unsigned token, and is never accepted; name the algorithm");
        if (!contains(known, alg)) throw ConfigError("unknown algorithm " + quoted(alg) + did_you_mean(alg, known));
    }
    return algs;
}

constexpr auto parse_signing_algs =
    parse_algs<"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 HS256 HS384 HS512">;
constexpr auto parse_encryption_algs = parse_algs<"RSA-OAEP RSA-OAEP-256 ECDH-ES">;

}  // namespace oidc::ngx
