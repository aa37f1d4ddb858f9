// Text as the web writes it: lists, percent encoding, queries, URLs (RFC 3986). Total parsers, no exceptions.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oidc {

template <class List, class Value>
bool contains(const List& list, const Value& value)
{
    return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept;      // of ASCII letters
std::string_view trim(std::string_view text) noexcept;                    // of spaces and tabs
std::string_view take(std::string_view& rest, char separator) noexcept;   // the front, up to the next separator, which goes too
std::vector<std::string> words(std::string_view text, char separator = ' ');  // none of them empty
std::string concat(std::initializer_list<std::string_view> parts);
std::string join(const std::vector<std::string>& words, std::string_view separator);

// RFC 3986 unreserved bytes stay, the rest is %XX: for query values and form bodies (a space is %20).
std::string percent_encode(std::string_view bytes);
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = true);  // nullopt: a broken escape

struct Param {
    std::string name, value;
};

// nullopt: a broken escape, or more than `max_params`. Repeated names are all there, in order.
std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params = 64);
std::string_view last_value(const std::vector<Param>& params, std::string_view name) noexcept;  // "" when there is none

struct Arg {
    std::string_view name, value;
};
// `url` with the arguments encoded behind it, before a fragment; adds ? or & as needed.
std::string append_args(std::string_view url, const std::vector<Arg>& args);

struct Url {
    std::string scheme, host;  // lower case; an IPv6 host without its brackets
    int port = 0;              // the scheme's own when none is written
    std::string path;          // with the query; at least "/"
};

// Absolute http and https URLs only: no userinfo, no fragment, no byte outside 0x21..0x7e, no backslash.
std::optional<Url> parse_url(std::string_view url);
// 127.0.0.0/8, ::1, localhost and names under .localhost. Dotted decimal only: other spellings are names.
bool is_loopback(std::string_view host);

bool is_visible(std::string_view text) noexcept;  // no byte outside 0x21..0x7e
// A return target that stays on this site whatever the browser makes of it: "/" alone, or "/" and then neither "/" nor "\".
bool is_local_path(std::string_view target);
// The page a browser asked for, as a return path: bytes a header cannot hold are encoded, anything unsafe is "/".
std::string return_path(std::string_view target);

}  // namespace oidc
