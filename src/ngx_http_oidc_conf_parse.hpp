// Reading directives: tools that return what was meant, or throw Mistake with a sentence that names the remedy; and the
// oidc_provider block while it is read.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <stdexcept>

#include "ngx_http_oidc_conf.hpp"
#include "oidc/text.hpp"

namespace oidc::ngx {

// A sentence for `nginx -t`; empty: nginx has already logged why.
struct Mistake : std::runtime_error {
    explicit Mistake(const std::string& sentence = {}, const Place& where = {}) : std::runtime_error(sentence), place{where} {}
    Place place;                                           // none: the line being read, with the directive's name before it
};

using Words = std::vector<std::string>;

template <class T, class Projection = std::identity>
bool contains(const auto& range, const T& value, Projection projection = {})
{
    return std::ranges::find(range, value, projection) != std::ranges::end(range);
}

Words names_of(const auto& range, auto name)
{
    Words names;
    for (const auto& each : range) names.emplace_back(std::invoke(name, each));
    return names;
}

std::string quoted(std::string_view text);               // cut when long: a line of the error log has 2 kB
std::string titled(const Provider& provider);              // oidc_provider "name"
std::string said_in(const Provider& provider, std::string_view directive);  // oidc_provider "name": directive
std::string did_you_mean(std::string_view name, const Words& candidates);  // one at most two edits away, else all when few

Place here(ngx_conf_t* cf);
void report(ngx_conf_t* cf, ngx_uint_t level, const Place& place, std::string_view sentence);

// What nginx calls: no exception passes, it becomes a message with file and line.
char* guarded(ngx_conf_t* cf, const std::string& who, const std::function<void()>& work) noexcept;

// ---- Values

std::int64_t parse_time(std::string_view text, bool is_seconds);
inline Seconds parse_seconds(std::string_view text) { return parse_time(text, true); }
inline Seconds parse_seconds_or_off(std::string_view text) { return text == "off" ? 0 : parse_seconds(text); }
inline std::int64_t parse_milliseconds(std::string_view text) { return parse_time(text, false); }
std::size_t parse_size(std::string_view text);
int parse_number(std::string_view text, std::string_view what, int least, int most);
std::string parse_safe_url(std::string_view text);         // https, or http on a loopback host
std::string parse_constant(std::string_view text);         // no variable: the directive takes none
// Our own: no query, nothing that nginx would normalise. `example` is for messages.
std::string parse_endpoint_path(std::string_view text, std::string_view example);
std::string parse_endpoint_uri(std::string_view text, std::string_view example);  // such a path, or an absolute URI
std::string path_of(std::string_view uri);                 // of a path, or of an absolute URI
std::size_t parse_name(std::string_view text, std::string_view names);  // its place among the names

inline std::string parse_text(std::string_view text) { return std::string(text); }

// A literal as a template argument.
template <std::size_t Size>
struct Literal {
    char text[Size];
    constexpr Literal(const char (&literal)[Size]) { std::copy_n(literal, Size, text); }
};

// Names of the enumerators of T, in their order from `First` on.
template <class T, Literal Names, int First = 0>
T one_of(std::string_view text) { return static_cast<T>(First + static_cast<int>(parse_name(text, Names.text))); }

// A `key=value` word from the one at `first` on; read_options knows no other keys, and none twice.
struct Option {
    std::string_view key;
    std::function<void(std::string_view)> set;
};
void read_options(std::span<const std::string> words, std::size_t first, std::initializer_list<Option> options);

template <auto Parse, class T>
auto into(T& target) { return [&target](std::string_view text) { target = Parse(text); }; }

// Parameters of an authorization URL that stand in the configuration: those that the module sends itself are a mistake.
void require_free_argument(std::string_view name);
std::vector<Param> parse_arguments(std::string_view query);

ngx_http_complex_value_t* compile(ngx_conf_t* cf, std::string_view text);  // without variables: lengths is nullptr
ngx_http_complex_value_t* literal(ngx_conf_t* cf, std::string_view text);  // no variable in it, whatever its bytes

std::string full_name(ngx_conf_t* cf, std::string_view path);              // relative to the configuration's folder
std::string read_file(const std::string& name);            // of a bounded size
void require_worker_access(ngx_conf_t* cf, const std::string& name);       // for a file that workers open themselves

// ---- The oidc_provider block

void add_provider(ngx_conf_t* cf, const Words& words, MainConf& main);
char* read_directive(ngx_conf_t* cf, ngx_command_t* dummy, void* conf) noexcept;  // nginx's handler inside it
}  // namespace oidc::ngx
