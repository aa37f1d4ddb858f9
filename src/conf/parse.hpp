// The tools that read directives: they return what was meant, or throw ConfigError with a sentence that names the
// remedy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ngx_http_oidc.hpp"
#include "oidc/base/url.hpp"
#include "oidc/provider/provider.hpp"

namespace oidc::ngx {

inline std::string parse_text(std::string_view text) { return std::string(text); }
std::int64_t parse_time(std::string_view text, bool is_seconds);
inline Seconds parse_seconds(std::string_view text) { return parse_time(text, true); }
inline Seconds parse_seconds_or_off(std::string_view text) { return text == "off" ? 0 : parse_seconds(text); }
inline std::int64_t parse_milliseconds(std::string_view text) { return parse_time(text, false); }
std::size_t parse_size(std::string_view text);
int parse_number(std::string_view text, std::string_view what, int least, int most);
std::string parse_safe_url(std::string_view text);  // https, or http on a loopback host
std::string parse_constant(std::string_view text);  // no variable: the directive takes none
// Our own: no query, nothing that nginx would normalise. `example` is for messages.
std::string parse_endpoint_path(std::string_view text, std::string_view example);
std::string parse_endpoint_uri(std::string_view text, std::string_view example);  // such a path, or an absolute URI
std::string path_of(std::string_view uri);                                        // of a path, or of an absolute URI
std::size_t parse_name(std::string_view text, std::string_view names);            // its place among the names

// A literal as a template argument.
template <std::size_t Size>
struct Literal {
    char text[Size];
    constexpr Literal(const char (&literal)[Size]) { std::copy_n(literal, Size, text); }
};

// Names of the enumerators of T, in their order from `First` on.
template <class T, Literal Names, int First = 0>
T one_of(std::string_view text)
{
    return static_cast<T>(First + static_cast<int>(parse_name(text, Names.text)));
}

// A `key=value` word from the one at `first` on; read_options knows no other keys, and none twice.
struct Option {
    std::string_view key;
    std::function<void(std::string_view)> set;
};
void read_options(std::span<const std::string> words, std::size_t first, std::initializer_list<Option> options);

template <auto Parse, class T>
auto into(T& target)
{
    return [&target](std::string_view text) { target = Parse(text); };
}

// Parameters of an authorization URL that stand in the configuration: those that the module sends itself are a mistake.
void require_free_argument(std::string_view name);
std::vector<Param> parse_arguments(std::string_view query);

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text);  // without variables: lengths is nullptr
ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text);  // no variable in it, whatever its bytes

}  // namespace oidc::ngx
