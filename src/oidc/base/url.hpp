// Percent encoding, queries and URLs (RFC 3986), and what may be a page of this site. Total parsers: nullopt instead of
// exceptions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oidc {

std::string percent_encode(std::string_view bytes);  // all but the unreserved bytes of RFC 3986: a space is %20
std::optional<std::string> percent_decode(std::string_view text);  // + is a space; nullopt: a broken escape

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
    std::string path;          // with the query; at least "/"
};

// Absolute http and https URLs only: no userinfo, no fragment, no byte outside 0x21..0x7e, no backslash.
std::optional<Url> parse_url(std::string_view url);
// 127.0.0.0/8, ::1, localhost and names under .localhost. Dotted decimal only: other spellings are names.
bool is_loopback(std::string_view host);
// A return target that stays on this site whatever the browser makes of it: "/" alone, or "/" and then neither "/" nor
// "\".
bool is_local_path(std::string_view target);
// The page a browser asked for, as a return path: bytes a header cannot hold are encoded, anything unsafe is "/".
std::string return_path(std::string_view target);

}  // namespace oidc
