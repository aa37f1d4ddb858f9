// URLs (RFC 3986) and application/x-www-form-urlencoded text: total parsers, no exceptions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oidc {

// RFC 3986 unreserved bytes stay, the rest is %XX: for query values and form bodies (a space is %20).
std::string percent_encode(std::string_view bytes);
// nullopt: a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = true);

struct Param {
    std::string name, value;
};

// nullopt: a broken escape, or more than `max_params`. Repeated names are all there, in order.
std::optional<std::vector<Param>> parse_query(std::string_view query, std::size_t max_params = 64);
// `url` with the arguments encoded behind it, before a fragment; adds ? or & as needed.
struct Arg {
    std::string_view name, value;
};
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
// A return target that stays on this site whatever the browser makes of it: "/" alone, or "/" and then neither "/" nor "\".
bool is_local_path(std::string_view target);

}  // namespace oidc
